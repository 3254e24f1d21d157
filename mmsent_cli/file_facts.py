"""Facts about files that take long to find out, such as a digest. They are kept in the cache until a file changes.

A file is unchanged while its path, size, inode and two times are the same: that of the last modification, and that of
the last change of its inode, which no program can set back.
"""

import contextlib
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from mmsent_cli.errors import MmsentError
from mmsent_cli.files import atomic_write, make_own_cache

SUFFIX = ".json"
SETTLED_NS = 50_000_000
"""A file that changed less than this ago may change once more with the same time stamp: nothing is kept about it."""

Stamp = tuple[str, int, int, int, int]
"""Path, size, time of modification, time of the inode's change, and inode of a file."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known about some files as they are when this object is made.

    Attributes:
        folder: the folder in the cache that keeps the facts.
        stamps: the state of each file; empty if one of them cannot be read, and then nothing is kept.
    """

    folder: Path
    stamps: tuple[Stamp, ...]

    @classmethod
    def of(cls, folder: Path, *files: Path) -> "FileFacts":
        """Note the state of some files."""
        try:
            return cls(folder, tuple(map(_stamp, files)))
        except OSError:
            return cls(folder, ())

    def recall(self, question: str) -> str | None:
        """Return the answer that an earlier process found for these files; None if there is none or a file changed."""
        try:
            kept = json.loads(self._record(question).read_text(encoding="utf-8"))
            is_same = self.stamps and kept["question"] == question and kept["files"] == list(map(list, self.stamps))
            return str(kept["answer"]) if is_same else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def remember(self, question: str, answer: str) -> None:
        """Keep an answer for later processes, unless a file has changed meanwhile, or the cache cannot be written."""
        times = [moment for stamp in self.stamps for moment in stamp[2:4]]
        is_settled = bool(times) and max(times) < time.time_ns() - SETTLED_NS
        if not is_settled or FileFacts.of(self.folder, *(Path(stamp[0]) for stamp in self.stamps)) != self:
            return
        content = json.dumps({"question": question, "files": self.stamps, "answer": answer}, indent=1)
        with contextlib.suppress(MmsentError, OSError):
            make_own_cache(self.folder)
            atomic_write(self._record(question), content.encode())

    def _record(self, question: str) -> Path:
        named = json.dumps([question, [stamp[0] for stamp in self.stamps]])
        return self.folder / (hashlib.blake2b(named.encode(), digest_size=16).hexdigest() + SUFFIX)


def _stamp(path: Path) -> Stamp:
    place = path.resolve()
    state = place.stat()
    return str(place), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
