"""Find the data and read its rows: a folder (`lab`), a table file (`manifests`) or a DataFrame (`frames`).

Chosen: three modules of functions, selected by `Source.kind`. Rejected: a class for each; they share no state.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmsent_cli.config import DataConfig
from mmsent_cli.data import frames, lab, manifests
from mmsent_cli.data.pairs import PairRow
from mmsent_cli.data.rows import labels_of, require_classes, tag_problems
from mmsent_cli.errors import DataError, summarize

if TYPE_CHECKING:
    from pandas import DataFrame

VARIABLE = "MMSENT_DATA"
FOLDERS = (".", "data", "data/sample")
"""Where pairs are looked for without `--data`, in this order."""


@dataclass(frozen=True, slots=True)
class Source:
    """The data source: a folder, a table file or a DataFrame.

    `notice` tells the user which source was chosen and why. For a DataFrame, `path` is a placeholder.
    """

    path: Path
    kind: Literal["lab", "manifest", "frame"]
    notice: str
    frame: "DataFrame | None" = None

    @property
    def name(self) -> str:
        """Name of the source for messages."""
        return str(self.path)

    @property
    def place(self) -> str:
        """The source as recorded in a run: the absolute path, so that the run can be repeated from another folder."""
        return frames.NAME if self.kind == "frame" else str(self.path.absolute())


def frame_source(frame: "DataFrame") -> Source:
    """Make a source from a DataFrame."""
    return Source(Path(frames.NAME), "frame", f"data: a DataFrame of {len(frame):,} rows", frame)


def locate(data: str | None) -> Source:
    """Find the data: `--data`, else `$MMSENT_DATA`, else the first of `FOLDERS` with a list of pairs.

    Raises:
        DataError: there is no data, or the path is neither a folder nor a table file.
    """
    if data is not None:
        return _source(data, "--data")
    if os.environ.get(VARIABLE):
        return _source(os.environ[VARIABLE], VARIABLE)
    for folder in FOLDERS:
        if lab.holds_list(Path(folder)):
            return _source(folder, f"no --data, no {VARIABLE}")
    raise DataError(
        f"found no data: --data and {VARIABLE} are not set, and this folder, ./data and ./data/sample have no"
        f" {lab.LABELLED_LIST}",
        "give a folder with train.txt, or a .csv, .jsonl or .parquet table, with --data",
    )


def labelled_rows(source: Source, config: DataConfig) -> list[PairRow]:
    """Read all rows with a tag, in the order of the file.

    Raises:
        DataError: rows or tags are invalid (the error lists all), or there is no row.
    """
    problems: list[str] = []
    if source.kind == "lab":
        rows = lab.read_rows(source.path, lab.LABELLED_LIST, problems)
    else:
        rows = [row for row in _table_rows(source, config, problems, is_labelled=True) if row.tag is not None]
    if not rows and not problems:
        raise DataError(f"{source.path} has no labelled pairs", "add rows with a guid and a tag")
    labels = labels_of(rows, config.labels)
    hint = "fix these rows" if config.labels else "fix these rows, or name all classes in order with --labels"
    _raise_rows(problems + tag_problems(rows, labels), hint)
    require_classes(labels)
    return rows


def unlabelled_rows(source: Source, config: DataConfig) -> Iterator[PairRow]:
    """Read the rows to predict; see `count_unlabelled`."""
    return count_unlabelled(source, config)[1]


def count_unlabelled(source: Source, config: DataConfig) -> tuple[int, Iterator[PairRow]]:
    """Count and read the rows to predict, in the order of the file.

    From a folder without list files, all pairs are predicted; from a DataFrame all rows, also those with a tag. All
    rows are checked before the first is returned.

    Raises:
        DataError: rows are invalid (the error lists all), or there is no row.
    """
    problems: list[str] = []
    count = sum(1 for _ in _unlabelled(source, config, problems))
    _raise_rows(problems, "fix these rows")
    if not count and source.kind == "manifest":
        column = config.tag_column
        raise DataError(
            f"there is nothing to predict in {source.path}: every row has a label (column {column})",
            "to predict all rows, give --tag-column a name that is not a column",
        )
    if not count:
        raise DataError(f"there are no pairs to predict in {source.path}", "list their guids in test_without_label.txt")
    return count, _unlabelled(source, config, [])


def text_paths(source: Source) -> list[Path]:
    """Return all text files of a folder, labelled or not, to decide their encoding. Empty for other sources.

    Raises:
        DataError: the folder has no text files.
    """
    if source.kind != "lab":
        return []
    paths = lab.text_files(source.path)
    if not paths:
        raise DataError(f"no text files in {source.path}", "it must hold <guid>.txt files, or hold them in data/")
    return paths


def files_of(source: Source) -> Iterator[Path]:
    """The lists, texts and images of a folder, or the manifest without its images."""
    if source.kind == "manifest":
        yield source.path
    elif source.kind == "lab":
        yield from (source.path / name for name in (lab.LABELLED_LIST, lab.UNLABELLED_LIST))
        listing = lab.list_files(source.path)
        yield from map(Path, (*listing.texts.values(), *listing.images.values()))


def inline_texts(source: Source, config: DataConfig) -> list[tuple[str, bytes]]:
    """Return the position (`file:line`) and the bytes of each text of a table file, to decide their encoding.

    Empty if the table is valid UTF-8, has a byte-order mark, or is parquet: its encoding is then known.
    """
    if not has_raw_texts(source, config):
        return []
    rows = manifests.read_rows(source.path, config, [])
    return [(row.where, manifests.raw_bytes(row.text)) for row in rows if row.text]


def has_raw_texts(source: Source, config: DataConfig) -> bool:
    """Return True if the encoding of a table file must be decided, or the user chose it."""
    return source.kind == "manifest" and manifests.has_raw_texts(source.path, config)


def _source(data: str, reason: str) -> Source:
    path = Path(data)
    if data == frames.NAME and not path.exists():
        raise DataError(
            "this run was started from Python with a DataFrame, which mmsent did not keep",
            "give the same DataFrame as `data`",
        )
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise DataError(f"cannot read {path} ({reason}): {error.strerror}", "check its permissions") from error
    if not data or not (is_folder or is_file):
        raise DataError(f"no such file or folder: {data!r} ({reason})", "check the path")
    if is_file and path.suffix.lower() not in manifests.SUFFIXES:
        raise DataError(
            f"{path} ({reason}) is neither a folder nor a table ({', '.join(manifests.SUFFIXES)})",
            "give the folder that holds train.txt",
        )
    if is_file:
        return Source(path, "manifest", f"data: {path} ({reason})")
    no_list = (
        "" if lab.holds_list(path) else f"; no {lab.LABELLED_LIST} or {lab.UNLABELLED_LIST}: every guid with a file"
    )
    return Source(path, "lab", f"data: {path} ({reason}{no_list})")


def _unlabelled(source: Source, config: DataConfig, problems: list[str]) -> Iterator[PairRow]:
    if source.kind == "frame":
        yield from (replace(row, tag=None) for row in _table_rows(source, config, problems, is_labelled=False))
    elif source.kind == "manifest":
        yield from (row for row in _table_rows(source, config, problems, is_labelled=False) if row.tag is None)
    elif lab.holds_list(source.path):
        yield from (replace(row, tag=None) for row in lab.read_rows(source.path, lab.UNLABELLED_LIST, problems))
    else:
        yield from lab.rows_without_list(source.path)


def _table_rows(source: Source, config: DataConfig, problems: list[str], is_labelled: bool) -> Iterator[PairRow]:
    if source.frame is None:
        manifests.require_columns(source.path, config, is_labelled)
        return manifests.read_rows(source.path, config, problems)
    manifests.require_named(source.name, frames.columns_of(source.frame, config), config, is_labelled)
    return frames.read_rows(source.frame, config, problems)


def _raise_rows(problems: list[str], hint: str) -> None:
    if problems:
        count = f"{len(problems)} bad rows: " if len(problems) > 1 else ""
        raise DataError(count + summarize(problems), hint)
