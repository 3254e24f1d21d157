"""Read a data folder: `train.txt` and `test_without_label.txt` list the pairs by guid, whose files are in the folder.

The files are in the folder itself or in its `data/`. Both folders are listed once, and guids are looked up in this
list. Paths are never built from a guid, so a guid cannot point outside the folder.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from mmsent_cli.data.pairs import PairRow
from mmsent_cli.data.rows import guid_problem, tag_or_none
from mmsent_cli.errors import DataError
from mmsent_cli.files import natural_order

LABELLED_LIST, UNLABELLED_LIST = "train.txt", "test_without_label.txt"
LISTS = (LABELLED_LIST, UNLABELLED_LIST)
HEADER = ["guid", "tag"]
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MAX_QUOTED_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Listing:
    """The text file and the image file of every guid. `clashes` lists guids with two text files or two image files."""

    texts: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    clashes: dict[str, str] = field(default_factory=dict)


def holds_list(folder: Path, *names: str) -> bool:
    """Return True if the folder contains one of these list files (by default, any of them)."""
    return any((folder / name).is_file() for name in names or LISTS)


def list_files(folder: Path) -> Listing:
    """List the text and image files of the folder and of its `data/`.

    Raises:
        DataError: the folder does not exist or cannot be read.
    """
    listing = Listing()
    own = [path for path in _files_in(folder) if os.path.basename(path) not in LISTS]  # noqa: PTH119 Paths are slow
    for path in [*own, *_files_in(folder / "data", must_exist=False)]:
        stem, dot, suffix = path.rpartition(".")
        guid, kind = os.path.basename(stem), dot + suffix.lower()  # noqa: PTH119 a Path per file costs ten times this
        if kind == ".txt":
            _enter(listing, listing.texts, guid, path)
        if kind in IMAGE_SUFFIXES:
            _enter(listing, listing.images, guid, path)
    return listing


def read_rows(folder: Path, list_name: str, problems: list[str]) -> list[PairRow]:
    """Read a list file and find the files of its guids.

    A missing file or tag is None in the row. Invalid rows are described in `problems`.

    Raises:
        DataError: the list does not exist or has no header line.
    """
    listing = list_files(folder)
    seen: dict[str, str] = {}
    rows = []
    for where, line in _lines_after_header(folder / list_name):
        values = [value.strip() for value in line.split(",")]
        problem = _row_problem(values, where, seen, listing)
        if problem:
            problems.append(problem)
        else:
            rows.append(_row(values[0], values[1], where, listing))
    return rows


def rows_without_list(folder: Path) -> Iterator[PairRow]:
    """Return a row without a tag for every guid with a file, in natural order (2 before 10)."""
    listing = list_files(folder)
    for guid in sorted(listing.texts.keys() | listing.images.keys(), key=natural_order):
        yield _row(guid, "", folder.name, listing)


def text_files(folder: Path) -> list[Path]:
    """Return the text files of all guids in the list files, or all text files if there is no list; in natural order."""
    texts = list_files(folder).texts
    lists = [folder / name for name in LISTS if holds_list(folder, name)]
    named = {line.split(",")[0].strip() for path in lists for _, line in _lines_after_header(path)}
    guids: Iterable[str] = (guid for guid in texts if guid in named) if lists else texts
    return [Path(texts[guid]) for guid in sorted(guids, key=natural_order)]


def _files_in(folder: Path, must_exist: bool = True) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError) as error:
        if not must_exist:
            return []
        raise DataError(f"{folder} is not a folder", "give the folder that holds train.txt with --data") from error
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}", "check its permissions") from error


def _enter(listing: Listing, files: dict[str, str], guid: str, path: str) -> None:
    known = files.setdefault(guid, path)
    if known != path:
        listing.clashes[guid] = f"{PurePath(known).name} and {PurePath(path).name}"


def _lines_after_header(path: Path) -> Iterator[tuple[str, str]]:
    """Return the position (`file:line`) and the text of each line after the header. Blank lines are skipped."""
    lines = [(number, line) for number, line in enumerate(_read_list(path), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty", "its first line must be guid,tag, then one line for each pair")
    number, first = lines[0]
    if [name.strip().lower() for name in first.split(",")] != HEADER:
        shown = first.strip()[:MAX_QUOTED_CHARACTERS]
        raise DataError(
            f"{path}:{number}: the header line is missing: found {shown!r}, expected 'guid,tag'",
            "put the line guid,tag above the first pair",
        )
    return ((f"{path.name}:{number}", line) for number, line in lines[1:])


def _read_list(path: Path) -> list[str]:
    hint = "the list must be a text file in UTF-8 with the header guid,tag"
    try:
        raw = path.read_bytes()
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return re.split(r"\r\n|\r|\n", raw.decode(encoding))
    except FileNotFoundError as error:
        raise DataError(f"no {path.name} in {path.parent}", _hint_without_list(path)) from error
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot read {path}: {error}", hint) from error


def _hint_without_list(path: Path) -> str:
    manifests = [p.name for p in path.parent.glob("*") if p.suffix in (".csv", ".jsonl", ".parquet")]
    if manifests:
        return f"to use a manifest, name the file itself: --data {path.parent / manifests[0]}"
    return f"give the folder that holds {path.name} with --data, or a .csv, .jsonl or .parquet manifest"


def _row_problem(values: list[str], where: str, seen: dict[str, str], listing: Listing) -> str | None:
    if len(values) != len(HEADER):
        return f"{where}: {len(values)} columns instead of 2 (guid,tag)"
    guid = values[0]
    problem = guid_problem(guid, where, seen)
    if problem is None and guid in listing.clashes:
        return f"{where}: guid {guid} has two files, {listing.clashes[guid]}"
    return problem


def _row(guid: str, tag: str, where: str, listing: Listing) -> PairRow:
    text, image = listing.texts.get(guid), listing.images.get(guid)
    return PairRow(
        guid=guid,
        tag=tag_or_none(tag),
        text=None,
        text_path=Path(text) if text else None,
        image=Path(image) if image else None,
        where=where,
    )
