"""Write files atomically, find the caches, and keep facts about files. This module imports nothing heavy.

Only plain files are ever replaced. Links, folders, pipes, devices and sockets are not replaced.

Some facts about files, such as digests, take long to compute. They are cached until the file changes. A file counts as
unchanged if its path, size, inode and two times are the same: the time of the last modification, and the time of the
last change of its inode. No program can set back the time of the inode's change.
"""

import atexit
import contextlib
import difflib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from mmsent_cli.errors import MmsentError
from mmsent_cli.interrupts import on_interrupt

COMPILED_MODELS = "openvino"
"""Folder of the cache for encoder stages converted to OpenVINO."""
WEIGHTS = "weights"
"""Folder of the cache for weights extracted from an archive."""
CACHE_VARIABLE = "MMSENT_CACHE"
CACHE_TAG = "CACHEDIR.TAG"
CACHE_TAG_CONTENT = b"""Signature: 8a477f597d28d172789f06886806bc55
# This folder was made by mmsent, and is deleted by: mmsent cache --clear
"""
"""Marks a folder as a cache, also for backup programs. Source: https://bford.info/cachedir/"""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_A_FOLDER = (errno.EEXIST, errno.ENOTDIR)
FREE_SPACE = "free some space, and run the command again"
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
LONGEST_NAME = 200
"""A temporary name contains at most this number of bytes of the file's name, since names are limited to 255 bytes."""


def natural_order(name: str) -> list[str | int]:
    """Return a sorting key that compares numbers in names by value: `run-2` comes before `run-10`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file atomically, by a temporary file and a rename.

    Raises:
        MmsentError: the file cannot be written; an earlier file of this name does not change.
    """
    with atomic_path(path) as hidden:
        hidden.write_bytes(content)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the path of a hidden file to write to.

    The hidden file is renamed to `path` when the block ends, and removed if the block fails. The folder of `path` is
    created if it is missing.

    Raises:
        MmsentError: the file cannot be written, or `path` exists and is not a plain file. Other errors of the block are
            not changed.
    """
    hidden = hidden_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with on_interrupt(partial(_remove, hidden)):
            _require_replaceable(path)
            yield hidden
            _require_replaceable(path)
            hidden.replace(path)
    except OSError as error:
        if _is_about(error, hidden):
            raise cannot_write(path, error) from error
        raise
    finally:
        _remove(hidden)


def hidden_name(path: Path) -> Path:
    """Return the path of a hidden file in the folder of `path`. No other process uses this path."""
    shown = os.fsdecode(os.fsencode(path.name)[:LONGEST_NAME])
    return path.with_name(f".{shown}.{uuid.uuid4().hex[:8]}")


def cannot_write(path: Path, error: OSError, hint: str = "choose another place") -> MmsentError:
    """Make the error for an output file that cannot be written."""
    is_full = error.errno in NO_SPACE
    return MmsentError(f"cannot write {path}: {reason(error)}", FREE_SPACE if is_full else hint)


def with_way_on(error: MmsentError, go_on: str) -> MmsentError:
    """Return the error of a command that can be resumed.

    If the disk is full, the hint is to free some space, and then to do what `go_on` describes.
    """
    return type(error)(error.message, f"free some space and {go_on}") if error.hint == FREE_SPACE else error


def reason(error: OSError) -> str:
    """Return the reason of an OSError in words."""
    if error.errno in NOT_A_FOLDER:
        return "a file is where a folder is needed"
    return (error.strerror or type(error).__name__).lower()


def read_plain(path: Path) -> bytes:
    """Return the content of a file that the user named.

    Raises:
        OSError: the file cannot be read, or is a pipe or device, whose reading might never end.
    """
    require_plain(path)
    return path.read_bytes()


def require_plain(path: Path) -> None:
    """Check that a path that is to be read is no pipe and no device.

    Raises:
        OSError: it is one, or does not exist.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise OSError(errno.EINVAL, f"it is {KINDS[kind]}, not a file")


def default_cache_dir(given: str | None = None) -> Path:
    """Return the cache folder: the value of `--cache-dir`, else `MMSENT_CACHE`, else the usual folder of the system.

    If the usual folder cannot be used, as in a container without a home, a temporary folder is used, which `cache_note`
    reports.

    Raises:
        MmsentError: the folder that the user chose cannot be created or is no folder.
    """
    chosen = given or os.environ.get(CACHE_VARIABLE)
    if not chosen:
        path, problem = _system_cache()
        return _temporary_cache() if problem else path
    path = Path(chosen)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MmsentError(
            f"cannot use the cache folder {path}: {reason(error)}",
            f"choose another folder with --cache-dir or {CACHE_VARIABLE}",
        ) from error
    return path


def cache_note() -> str:
    """Return a note if the cache is a temporary folder; else an empty string."""
    if not _temporary_cache.cache_info().currsize:
        return ""
    path, problem = _system_cache()
    return (
        f"the cache folder {path} cannot be used ({problem}): this run uses a temporary folder; "
        f"choose one with --cache-dir or {CACHE_VARIABLE}"
    )


def _system_cache() -> tuple[Path, str]:
    """Return the system's usual folder for mmsent's cache, and the reason why this folder cannot be used.

    If the folder can be used, the reason is empty.
    """
    import platformdirs

    path = Path(platformdirs.user_cache_dir("mmsent"))
    if not path.is_absolute():  # a `~` for which there is no folder
        return path, "there is no home folder"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return path, reason(error)
    return path, "" if os.access(path, os.R_OK | os.W_OK | os.X_OK) else "permission denied"


@cache
def _temporary_cache() -> Path:
    """Create a cache folder for this process and its workers. It is deleted at the end of the process."""
    folder = Path(tempfile.mkdtemp(prefix="mmsent-cache-"))
    remove = partial(shutil.rmtree, folder, ignore_errors=True)
    kept = ExitStack()
    kept.enter_context(on_interrupt(remove))
    kept.callback(remove)
    atexit.register(kept.close)
    os.environ[CACHE_VARIABLE] = str(folder)
    return folder


def make_own_cache(folder: Path) -> None:
    """Create a folder in the cache. A new or empty folder is marked as mmsent's own, so that it may be deleted.

    Raises:
        MmsentError: the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not any(folder.iterdir())
    except OSError as error:
        raise cannot_write(folder, error) from error
    if is_new:
        atomic_write(folder / CACHE_TAG, CACHE_TAG_CONTENT)


def is_own_cache(folder: Path) -> bool:
    """Return True if `make_own_cache` marked this folder; False for a link."""
    tag = folder / CACHE_TAG
    try:
        return not folder.is_symlink() and tag.read_bytes() == CACHE_TAG_CONTENT
    except OSError:
        return False


def similar_paths(path: Path) -> tuple[Path, str, list[Path]]:
    """Find existing paths that the user may have meant by a path that does not exist.

    Args:
        path: relative or absolute.

    Returns:
        The longest part of the path that exists, the first name in the path that does not exist, and existing paths
        with similar names, the most similar first.

    Raises:
        OSError: the folder cannot be read.
        ValueError: the path is not a valid path.
    """
    whole = path.absolute()
    base = next(parent for parent in whole.parents if parent.is_dir())
    missing, *rest = whole.relative_to(base).parts
    near = [base / name for name in difflib.get_close_matches(missing, [each.name for each in base.iterdir()])]
    return base, missing, [place for each in near if (place := each.joinpath(*rest)).exists()] or near


def kind_of(path: Path) -> str:
    """Describe what exists at a path, such as "a folder" or "a link"; empty for a plain file or if nothing exists."""
    try:
        return KINDS.get(stat.S_IFMT(path.lstat().st_mode), "")
    except FileNotFoundError:
        return ""


def _require_replaceable(path: Path) -> None:
    kind = kind_of(path)
    if kind:
        raise not_replaced(path, kind)


def not_replaced(path: Path, kind: str) -> MmsentError:
    """Make the error for an output path that is a folder, link, pipe or device."""
    is_link = kind == KINDS[stat.S_IFLNK]
    hint = f"give {'the target of the link' if is_link else 'the name of a file'}"
    return MmsentError(f"cannot write to {path}: it is {kind}", hint)


def _is_about(error: OSError, hidden: Path) -> bool:
    """Return True if an error concerns the file `hidden`: it names this file or its folder, or the disk is full."""
    if error.filename is None:
        return error.errno in NO_SPACE
    return Path(error.filename) in (hidden, *hidden.parents)


def _remove(path: Path) -> None:
    """Remove a file if it exists. If access is denied, the file was never written, so the error is ignored."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG):
            raise


SUFFIX = ".json"
SETTLED_NS = 50_000_000
"""In nanoseconds. If a file has changed more recently, it may change again with the same time stamp, so no facts about
the file are cached."""

Stamp = tuple[str, int, int, int, int]
"""Path, size, time of modification, time of the inode's change, and inode of a file."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Cached facts about some files. The facts are valid for the current state of the files.

    Attributes:
        folder: the folder in the cache that keeps the facts.
        stamps: the state of each file. Empty if a file cannot be read; then nothing is cached.
    """

    folder: Path
    stamps: tuple[Stamp, ...]

    @classmethod
    def of(cls, folder: Path, *files: Path) -> "FileFacts":
        """Record the current state of some files, for which facts are then cached."""
        try:
            return cls(folder, tuple(map(_stamp, files)))
        except OSError:
            return cls(folder, ())

    def recall(self, question: str) -> str | None:
        """Return the fact that an earlier process cached; None if no fact is cached or a file has changed.

        `question` is the key of the fact, such as the name of a digest.
        """
        try:
            kept = json.loads(self._record(question).read_text(encoding="utf-8"))
            is_same = self.stamps and kept["question"] == question and kept["files"] == list(map(list, self.stamps))
            return str(kept["answer"]) if is_same else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def remember(self, question: str, answer: str) -> None:
        """Cache the fact `answer` under the key `question`. Nothing is cached if a file has changed meanwhile."""
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
