"""Read folders with list files: the layout with `train.txt` ("lab"), and published data sets of this field.

The files are in the folder itself or in its subfolder `data/`. Both folders are listed once, and every guid is looked
up in this listing. No path is built from a guid, so no guid can lead outside the folder. Names are compared in composed
form (NFC), since macOS writes them decomposed. Hidden files are ignored.

The published data sets:
- MVSA-Single and MVSA-Multiple: `labelResultAll.txt` with the judgements of one or three annotators on text and image,
  and `data/<ID>.txt`, `data/<ID>.jpg`. Source: Niu et al. 2016, Sentiment Analysis on Multi-View Social Data.
- Twitter-2015 and Twitter-2017: tables of aspects. An aspect is what the sentiment is about. `$T$` in the tweet stands
  for the aspect, which is in its own column. The columns of tweet and aspect have the same name. Source: Yu and Jiang
  2019, TomBERT.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from mmsent_cli.config import SENTIMENTS, DataConfig
from mmsent_cli.data.fields import FIELDS, KNOWN, Columns, candidates_of, is_default, plain_name
from mmsent_cli.data.images import SUFFIXES as IMAGE_SUFFIXES
from mmsent_cli.data.pairs import PairRow, guid_problem
from mmsent_cli.data.tables import SUFFIXES, Report, Table
from mmsent_cli.data.tables.opening import read_list
from mmsent_cli.data.tables.table import BLANK
from mmsent_cli.data.tags import OPPOSITE, merged_judgement, tag_key, tag_or_none
from mmsent_cli.errors import DataError
from mmsent_cli.files import natural_order

MVSA_LIST = "labelResultAll.txt"
NO_MAJORITY = "without a majority of the annotators"
ASPECT_COLUMNS = ["index", "label", "imageid", "string", "string"]
ASPECT_CLASSES = SENTIMENTS
"""The names of the classes 0, 1 and 2 of the aspect tables."""
TARGET = "$T$"


def aspect_columns(source: str, names: Sequence[str], config: DataConfig) -> Columns | None:
    """Return the columns of an aspect table. Returns None for any other table, or if the user names columns."""
    is_aspect = [plain_name(name) for name in names] == ASPECT_COLUMNS
    if not is_aspect or not all(is_default(config, name) for name in FIELDS):
        return None
    note = (
        f"{source} is an aspect table of Twitter-2015 or -2017: each text is the aspect, then the tweet with the aspect"
        f" in place of {TARGET}"
    )
    return Columns(guid=0, tag=1, image=2, text=3, target=4, notes=(note,))


def with_target(text: str, target: str) -> str:
    """Return the aspect (`target`), followed by the tweet in which the aspect replaces `$T$`."""
    return f"{target}: {text.replace(TARGET, target)}" if target else text


def mvsa_words(cells: Sequence[str]) -> list[str]:
    """Return the ID and the judgements of a row of `labelResultAll.txt`, which mixes tabs and commas."""
    return [word for cell in cells for word in re.split(r"[,;\s]+", cell.strip()) if word]


def mvsa_judgement(words: Sequence[str]) -> str:
    """Return the sentiment of one row of `labelResultAll.txt`, or the reason why the row has no sentiment.

    First, the majority of the annotators is found for the text and for the image. Then the two sentiments are merged.
    If they are equal, the result is this sentiment. If one is neutral, the result is the other one. If they are
    opposite, the result is `OPPOSITE`.

    Args:
        words: the result of `mvsa_words`, without the ID.

    Returns:
        A sentiment, `OPPOSITE` or `NO_MAJORITY`.

    Raises:
        ValueError: `words` are not pairs of two sentiments, for text and image.
    """
    words = [tag_key(word) for word in words]
    if len(words) < 2 or len(words) % 2 or not set(words) <= set(SENTIMENTS):
        raise ValueError(f"expected judgements text,image (each {', '.join(SENTIMENTS)}), found {','.join(words)!r}")
    majorities = [_majority(words[part::2]) for part in (0, 1)]
    if None in majorities:
        return NO_MAJORITY
    return merged_judgement([word for word in majorities if word]) or OPPOSITE


def _majority(words: Sequence[str]) -> str | None:
    word, count = Counter(words).most_common(1)[0]
    return word if 2 * count > len(words) else None


LABELLED_LIST, UNLABELLED_LIST = "train.txt", "test_without_label.txt"
LISTS = (LABELLED_LIST, UNLABELLED_LIST, MVSA_LIST)
MAX_QUOTED_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Listing:
    """The text file and the image file of each guid. `clashes` has the guids with two texts or two images."""

    texts: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    clashes: dict[str, str] = field(default_factory=dict)


def holds_list(folder: Path, *names: str) -> bool:
    """Return True if the folder contains one of the named list files. Without names, any list file counts."""
    return any((folder / name).is_file() for name in names or LISTS)


def list_files(folder: Path) -> Listing:
    """List the text and image files of the folder and of its subfolder `data/`.

    Raises:
        DataError: the path is not a folder, or the folder cannot be read.
    """
    listing = Listing()
    own = [path for path in _files_in(folder) if os.path.basename(path) not in LISTS]  # noqa: PTH119 Paths are slow
    for path in [*own, *_files_in(folder / "data", must_exist=False)]:
        stem, dot, suffix = path.rpartition(".")
        guid, kind = composed(os.path.basename(stem)), dot + suffix.lower()  # noqa: PTH119 a Path takes ten times as long
        if kind == ".txt":
            _enter(listing, listing.texts, guid, path)
        elif kind in IMAGE_SUFFIXES:
            _enter(listing, listing.images, guid, path)
    return listing


def read_rows(folder: Path, list_name: str, config: DataConfig, report: Report) -> list[PairRow]:
    """Read one list file, and find the text and the image of each guid in the list.

    A missing file or tag is None in the row.

    Args:
        folder: the folder with the list.
        list_name: one of `LISTS`.
        config: settings with the encoding, for a list that is not UTF-8.
        report: receives the numbers of blank rows, of unusable rows, and of rows whose annotators disagree.

    Raises:
        DataError: the list does not exist, or has no header line.
    """
    listing = list_files(folder)
    table = _open_list(folder / list_name, config)
    report.title = list_name if list_name == MVSA_LIST else f"{list_name} ({table.form})"
    guid_at, tag_at = _columns(table, is_labelled=list_name == LABELLED_LIST)
    seen: dict[str, str] = {}
    rows = []
    for record in table.records(report):
        if record.is_blank:
            report.skipped[BLANK] += 1
            continue
        where = record.where
        cells = mvsa_words(record.cells) if list_name == MVSA_LIST else record.cells
        guid, tag = cells[guid_at].strip(), cells[tag_at].strip() if tag_at is not None else ""
        problem = guid_problem(guid, where, seen, is_file_name=True)
        if problem is None and composed(guid) in listing.clashes:
            problem = f"{where}: the guid {guid} has two files, {listing.clashes[composed(guid)]}"
        if problem is None and list_name == MVSA_LIST:
            tag, problem = _judged(cells[1:], where, report)
        if problem:
            report.problems.append(problem)
        elif tag not in (OPPOSITE, NO_MAJORITY):
            rows.append(_row(guid, tag, where, listing))
    return rows


def rows_without_list(folder: Path, report: Report) -> Iterator[PairRow]:
    """Yield a row without a tag for every guid that has a file, in natural order (2 before 10)."""
    listing = list_files(folder)
    report.problems += [
        f"{folder.name}: the guid {guid} has two files, {both}" for guid, both in listing.clashes.items()
    ]
    for guid in sorted(listing.texts.keys() | listing.images.keys(), key=natural_order):
        if guid not in listing.clashes:
            yield _row(guid, "", folder.name, listing)


def text_files(folder: Path, config: DataConfig) -> list[Path]:
    """Return the text files of all guids in the lists, in natural order (2 before 10).

    In a folder without a list, return all text files.
    """
    texts, named = list_files(folder).texts, listed_guids(folder, config)
    guids: Iterable[str] = (guid for guid in texts if guid in named) if holds_list(folder) else texts
    return [Path(texts[guid]) for guid in sorted(guids, key=natural_order)]


def pair_files(folder: Path, config: DataConfig) -> Iterator[Path]:
    """Yield the text and image files of all guids in the lists. In a folder without a list, yield all such files."""
    listing = list_files(folder)
    named = listed_guids(folder, config) if holds_list(folder) else None
    for files in (listing.texts, listing.images):
        yield from (Path(path) for guid, path in files.items() if named is None or guid in named)


def listed_guids(folder: Path, config: DataConfig) -> set[str]:
    """Return the guids in the lists of a folder, in composed form."""
    lists = [folder / name for name in LISTS if holds_list(folder, name)]
    return {composed(guid) for path in lists for guid in _guids(path, config)}


def composed(name: str) -> str:
    """Return a name in composed form, in which `é` is one character."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _files_in(folder: Path, must_exist: bool = True) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.name[0] not in ".~" and _is_file(entry))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not must_exist:
            return []
        raise DataError(f"{folder} is not a folder", "set --data to the folder that contains train.txt") from error
    except OSError as error:
        raise DataError(f"cannot read the folder {folder}: {error.strerror}", "check its permissions") from error


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _enter(listing: Listing, files: dict[str, str], guid: str, path: str) -> None:
    known = files.setdefault(guid, path)
    if known != path:
        listing.clashes[guid] = f"{PurePath(known).name} and {PurePath(path).name}"


def _guids(path: Path, config: DataConfig) -> Iterator[str]:
    table = _open_list(path, config)
    guid_at, _ = _columns(table, is_labelled=False)
    for record in table.records(Report()):
        if not record.is_blank:
            yield (mvsa_words(record.cells) if path.name == MVSA_LIST else record.cells)[guid_at].strip()


def _open_list(path: Path, config: DataConfig) -> Table:
    if not path.is_file():
        raise DataError(f"the folder {path.parent} has no {path.name}", _hint_without_list(path))
    table = read_list(path, config.encoding, KNOWN)
    if not table.columns:
        raise DataError(f"{path} is empty", "write the header guid,tag, then one line for each pair")
    return table


def _columns(table: Table, is_labelled: bool) -> tuple[int, int | None]:
    """Return the numbers of the guid column and the tag column. A list of pairs to predict may lack the tag column."""
    names = table.columns
    lowered = [name.casefold() for name in names]
    exact = {name: [lowered.index(name)] if name in lowered else candidates_of(names, name) for name in ("guid", "tag")}
    if table.path.name == MVSA_LIST:
        return 0, None
    guid_at, tag_at = (next(iter(exact[name]), None) for name in ("guid", "tag"))
    if guid_at is None or (tag_at is None and is_labelled):
        shown = ",".join(names)[:MAX_QUOTED_CHARACTERS]
        raise DataError(
            f"{table.path}:1: the first line is {shown!r}, but must be the header 'guid,tag'",
            "replace this line if it is a header; else put the line guid,tag above it",
        )
    return guid_at, tag_at


def _judged(words: Sequence[str], where: str, report: Report) -> tuple[str, str | None]:
    """Return the result of `mvsa_judgement`, and the problem of the row or None.

    A row with the result `OPPOSITE` or `NO_MAJORITY` is counted as skipped.
    """
    try:
        tag = mvsa_judgement(words)
    except ValueError as error:
        return "", f"{where}: {error}"
    if tag in (OPPOSITE, NO_MAJORITY):
        report.skipped[tag] += 1
    return tag, None


def _hint_without_list(path: Path) -> str:
    home = path.absolute().parent.parent
    if holds_list(home, path.name):
        return f"use the folder above it, which has this file: --data {home}"
    manifests = sorted(p.name for p in path.parent.glob("[!.~]*") if p.suffix.lower() in SUFFIXES)
    if manifests:
        return f"to use a table, name the file itself: --data {path.parent / manifests[0]}"
    if (path.parent.parent / path.name).is_file():
        return f"use the folder above it, which has this file: --data {path.parent.parent}"
    return f"set --data to a folder that contains {path.name}, or to a table ({', '.join(SUFFIXES)})"


def _row(guid: str, tag: str, where: str, listing: Listing) -> PairRow:
    text, image = listing.texts.get(composed(guid)), listing.images.get(composed(guid))
    return PairRow(
        guid=guid,
        tag=tag_or_none(tag),
        text=None,
        text_path=Path(text) if text else None,
        image=Path(image) if image else None,
        where=where,
        in_files=True,
    )
