"""One pass over a corpus: counts, and a bounded sample of its non-ASCII places as evidence."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mmsent_cli.charsets.codecs import CODECS, UTF8, is_strict, marked_codec, plain_name
from mmsent_cli.charsets.places import MAX_FILE_BYTES, RUNS, places

MAX_SAME_RUN = 25
MAX_EVIDENCE_BYTES = 60_000
MAX_EVIDENCE_FILES = 5_000

Documents = Iterable[tuple[str, bytes]]
"""Name and bytes of each document."""


@dataclass(slots=True)
class Evidence:
    """A bounded sample of the places of one kind of file; files and strict failures are counted over all of them.

    Repeated places are left out: the 30th file with the same bytes adds no information to the first 29, and would
    only make the decision look more certain than it is.
    """

    samples: list[bytes] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    files: int = 0
    _bytes: int = 0
    _seen: Counter[bytes] = field(default_factory=Counter)

    def add(self, found: bytes) -> None:
        """Count a file, and keep those of its places that are new."""
        self.files += 1
        self.failures.update(codec for codec in CODECS if not is_strict(found, codec))
        if self._bytes >= MAX_EVIDENCE_BYTES or len(self.samples) >= MAX_EVIDENCE_FILES:
            return
        kept = b"\n".join(line for line in found[:MAX_FILE_BYTES].split(b"\n") if self._is_new(line))
        if kept:
            self.samples.append(kept)
            self._bytes += len(kept)

    def _is_new(self, line: bytes) -> bool:
        runs = RUNS.findall(line)
        is_new = any(self._seen[run] < MAX_SAME_RUN for run in runs)
        self._seen.update(runs)
        return is_new


@dataclass(slots=True)
class Corpus:
    """What one pass over the files found.

    Attributes:
        files: the number of all files.
        marked: how many files have a byte-order mark, by codec.
        utf8: non-ASCII files that are valid UTF-8.
        other: non-ASCII files that are not.
    """

    files: int = 0
    marked: Counter[str] = field(default_factory=Counter)
    utf8: Evidence = field(default_factory=Evidence)
    other: Evidence = field(default_factory=Evidence)

    @property
    def in_question(self) -> Evidence:
        """The files whose encoding must be decided: those that are not UTF-8, or all if there are none."""
        return self.other if self.other.files else self.utf8


def read_corpus(documents: Documents) -> Corpus:
    """Go through the documents once."""
    corpus = Corpus()
    for _, raw in documents:
        corpus.files += 1
        codec = marked_codec(raw)
        if codec:
            corpus.marked[plain_name(codec)] += 1
        elif not raw.isascii():
            (corpus.utf8 if is_strict(raw, UTF8) else corpus.other).add(places(raw))
    return corpus
