"""Find the file of an image if the table names a file that does not exist."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mmsent_cli.data.images import SUFFIXES
from mmsent_cli.data.lab import composed

FOLDERS = ("images", "imgs", "img", "image", "data", "photos", "pictures")
"""Names of folders next to a table. Images are looked up in these folders by file name."""
OTHER_SPELLING = "found under another spelling of the name"
OTHER_FOLDER = "found in a folder next to the table"


def find_image(path: Path) -> tuple[Path, str] | None:
    r"""Find a similar path for an image path that does not exist.

    These differences are allowed, in this order: backslashes (`images\1.jpg`); another case (`1.JPG`), another Unicode
    form or a missing suffix; another folder next to the table, such as `images/` or `<anything>_images/`.

    Returns:
        The path of the file and a note on the difference, or None if no file or several files fit.
    """
    plain = Path(str(path).replace("\\", "/"))
    for folder, how in _places(plain):
        found = _in_folder(folder, plain.name)
        if found is not None:
            return found, how
    return None


def _places(path: Path) -> Iterator[tuple[Path, str]]:
    home = path.parent
    yield home, OTHER_SPELLING
    for name in FOLDERS:
        yield home / name, OTHER_FOLDER
    for parent in (home, home.parent):
        yield from ((folder, OTHER_FOLDER) for folder in _image_folders(parent, _changed(parent)))


def _in_folder(folder: Path, name: str) -> Path | None:
    """Return the file with this name, or else the only file with a similar name (see `find_image`), or else None."""
    names = _names(folder, _changed(folder))
    if name in names.get(_key(name), ()):
        return folder / name
    same = names.get(_key(name), ())
    if not same and Path(name).suffix.lower() not in SUFFIXES:
        same = [file for suffix in sorted(SUFFIXES) for file in names.get(_key(name) + suffix, ())]
    return folder / same[0] if len(same) == 1 else None


@lru_cache(maxsize=64)
def _names(folder: Path, changed: int) -> dict[str, list[str]]:
    """Return the file names of a folder, grouped by a key that ignores case and Unicode form.

    The result is empty if the folder does not exist.

    Args:
        folder: any path.
        changed: time of the folder's last change. With a new time, the folder is listed again.
    """
    names: dict[str, list[str]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name[0] != "." and entry.is_file():
                    names.setdefault(_key(entry.name), []).append(entry.name)
    except OSError:
        return {}
    return names


@lru_cache(maxsize=64)
def _image_folders(parent: Path, changed: int) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return sorted(Path(e.path) for e in entries if re.search(r"[_-]images?$", e.name, re.I) and e.is_dir())
    except OSError:
        return []


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _key(name: str) -> str:
    return composed(name).casefold()
