"""Files that appear whole or not at all, and where caches live. Imports nothing heavy."""

import os
from pathlib import Path

from mmsent_cli.errors import MmsentError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by temporary name and rename, so that it appears whole or not at all."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        hidden.write_bytes(content)
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)


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
            f"cannot use the cache folder {path}: {error.strerror}", "choose one with --cache-dir or MMSENT_CACHE"
        ) from error
    return path


def require_writable(path: Path, force: bool) -> None:
    """Check that an output file may be written, before any work is done.

    Raises:
        MmsentError: it exists and `force` is not given, it is a folder, or its folder cannot be made.
    """
    if path.is_dir():
        raise MmsentError(f"{path} is a folder", "give a file name")
    if path.exists() and not force:
        raise MmsentError(f"{path} exists already", "choose another name, or overwrite it with --force")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MmsentError(f"cannot make the folder {path.parent}: {error.strerror}", "choose another place") from error
