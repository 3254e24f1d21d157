"""Files that appear whole or not at all, and where caches live. Imports nothing heavy."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsent_cli.errors import MmsentError

COMPILED_MODELS = "openvino"
"""Folder of the cache for encoder stages converted to OpenVINO."""
WEIGHTS = "weights"
"""Folder of the cache for weights extracted from an archive."""
CACHE_TAG = "CACHEDIR.TAG"
CACHE_TAG_CONTENT = b"""Signature: 8a477f597d28d172789f06886806bc55
# This folder was made by mmsent, and is deleted by: mmsent cache --clear
"""
"""Marks a folder as a cache, for backup programs too. Source: https://bford.info/cachedir/"""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NOT_A_FOLDER = (errno.EEXIST, errno.ENOTDIR)
FREE_SPACE = "free some space and run it again"


def natural_order(name: str) -> list[str | int]:
    """The sorting key of names whose numbers count as numbers: `run-2` before `run-10`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file by temporary name and rename, so that it appears whole or not at all.

    Raises:
        MmsentError: it cannot be written; an earlier file of that name is untouched.
    """
    with atomic_path(path) as hidden:
        hidden.write_bytes(content)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a hidden name to write to. It is renamed to `path` when the block ends, and removed if the block fails.

    The folder of `path` is made if it is missing.

    Raises:
        MmsentError: it cannot be written. Other errors of the block pass unchanged.
    """
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield hidden
        hidden.replace(path)
    except OSError as error:
        if _is_about(error, hidden):
            raise cannot_write(path, error) from error
        raise
    finally:
        _remove(hidden)


def cannot_write(path: Path, error: OSError, hint: str = "choose another place") -> MmsentError:
    """The expected failure for an output file that cannot be written."""
    is_full = error.errno in NO_SPACE
    return MmsentError(f"cannot write {path}: {reason(error)}", FREE_SPACE if is_full else hint)


def reason(error: OSError) -> str:
    """The reason of an OSError, worded for a file where a folder is needed."""
    if error.errno in NOT_A_FOLDER:
        return "a file is where a folder is needed"
    return (error.strerror or type(error).__name__).lower()


def default_cache_dir(given: str | None = None) -> Path:
    """The cache folder: the option, else `MMSENT_CACHE`, else the system's own place for caches.

    Raises:
        MmsentError: it cannot be made or is no folder.
    """
    import platformdirs

    path = Path(given or os.environ.get("MMSENT_CACHE") or platformdirs.user_cache_dir("mmsent"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MmsentError(
            f"cannot use the cache folder {path}: {reason(error)}", "choose one with --cache-dir or MMSENT_CACHE"
        ) from error
    return path


def make_own_cache(folder: Path) -> None:
    """Make a folder of the cache. A new or empty one is marked as mmsent's own, so that it may be deleted as a whole.

    Raises:
        MmsentError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not any(folder.iterdir())
    except OSError as error:
        raise cannot_write(folder, error) from error
    if is_new:
        atomic_write(folder / CACHE_TAG, CACHE_TAG_CONTENT)


def is_own_cache(folder: Path) -> bool:
    """True if `make_own_cache` marked this folder; False for a link, wherever it leads."""
    tag = folder / CACHE_TAG
    try:
        return not folder.is_symlink() and tag.read_bytes() == CACHE_TAG_CONTENT
    except OSError:
        return False


def require_writable(path: Path, force: bool) -> None:
    """Check that an output file may be written, before any work is done. Nothing is made.

    Raises:
        MmsentError: it exists and `force` is not given, it is a folder, or its folder cannot be made or written.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
        base = next(parent for parent in path.absolute().parents if parent.exists())
    except OSError as error:
        raise cannot_write(path, error) from error
    if is_folder:
        raise MmsentError(f"{path} is a folder", "give the name of a file")
    if is_there and not force:
        raise MmsentError(f"{path} exists already", "choose another name, or overwrite it with --force")
    if not base.is_dir():
        raise MmsentError(f"cannot write {path}: {base} is a file, not a folder", "choose another place")
    if not os.access(base, os.W_OK | os.X_OK):
        raise MmsentError(f"cannot write {path}: no permission to write in {base}", "choose another place")


def _is_about(error: OSError, hidden: Path) -> bool:
    """Whether writing failed: stream errors have no file name, others that of the hidden file or a folder above it."""
    if error.filename is None:
        return error.errno in (*NO_SPACE, errno.EFBIG)
    return Path(error.filename) in (hidden, *hidden.parents)


def _remove(path: Path) -> None:
    """Remove a file if it exists; in a folder without access it was never written."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG):
            raise
