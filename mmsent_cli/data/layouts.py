"""Find the data: a folder with list files, a table file or a DataFrame.

Chosen: three modules of functions, selected by `Source.kind`. Rejected: a class for each; they share no state.
"""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmsent_cli.config import DataConfig
from mmsent_cli.data import frames, lab
from mmsent_cli.data.tables import SUFFIXES
from mmsent_cli.errors import DataError
from mmsent_cli.files import natural_order, similar_paths

if TYPE_CHECKING:
    from pandas import DataFrame

VARIABLE = "MMSENT_DATA"
FOLDERS = (".", "data", "data/sample")
"""Folders that are searched for data without `--data`, in this order."""


@dataclass(frozen=True, slots=True)
class Source:
    """The data in use: a folder with list files, a table file or a DataFrame.

    `notice` is a message with the source and why it was chosen. For a DataFrame, `path` is a placeholder.
    `home` is the folder to which relative image paths belong, if the table came from standard input.
    """

    path: Path
    kind: Literal["lab", "manifest", "frame"]
    notice: str
    frame: "DataFrame | None" = None
    home: Path | None = None

    @property
    def name(self) -> str:
        """Return the name of the source for messages."""
        return self.path.name if self.home else str(self.path)

    @property
    def place(self) -> str:
        """Return an absolute path of the source, or the placeholder for a DataFrame."""
        return frames.NAME if self.kind == "frame" else str(self.path.absolute())


def frame_source(frame: "DataFrame") -> Source:
    """Return a DataFrame as a source of pairs."""
    return Source(Path(frames.NAME), "frame", f"data: a DataFrame of {len(frame):,} rows", frame)


def locate(data: str | None) -> Source:
    """Find the data: `--data`, else `$MMSENT_DATA`, else the current folder, `./data` or `./data/sample`.

    Of these three folders, the first with a list file is used.

    Raises:
        DataError: the path does not exist, or is neither a folder nor a table.
    """
    if data is not None:
        return _source(data, "--data")
    if os.environ.get(VARIABLE):
        return _source(os.environ[VARIABLE], VARIABLE)
    for folder in FOLDERS:
        if lab.holds_list(Path(folder)):
            return _source(folder, f"{'this folder' if folder == '.' else 'found'}, since no --data is given")
    raise DataError(
        f"found no data: --data and {VARIABLE} are not given, and this folder, ./data and ./data/sample have no"
        f" {lab.LABELLED_LIST}",
        "give a folder with train.txt, or a table such as pairs.csv, with --data",
    )


def locate_all(data: str | None) -> list[Source]:
    """Find the sources of a pattern such as `posts/*.csv`, ordered by name; without a pattern, the one of `locate`.

    Numbers in names count as numbers.

    Raises:
        DataError: no file matches, or as in `locate`.
    """
    if data is None or not is_pattern(data):
        return [locate(data)]
    anchor = Path(data).anchor
    found = Path(anchor).glob(str(Path(data).relative_to(anchor)))
    files = sorted((str(path) for path in found if path.is_file()), key=natural_order)
    if not files:
        raise DataError(f"no file matches {data}", "check the pattern; in a shell, write it in quotes")
    return [_source(file, "--data") for file in files]


def is_pattern(data: str) -> bool:
    """Return True for a pattern such as `posts/*.csv`, unless a file of exactly this name exists."""
    return glob.has_magic(data) and not Path(data).exists()


def text_paths(source: Source, config: DataConfig | None = None) -> list[Path]:
    """Return all text files of a folder, with and without a label. For a table or a DataFrame, return an empty list.

    The encoding is decided over all these files.

    Raises:
        DataError: a folder without text files and without images.
    """
    if source.kind != "lab":
        return []
    paths = lab.text_files(source.path, config or DataConfig())
    if not paths and not lab.list_files(source.path).images:
        raise DataError(
            f"no text files in {source.path}", "put files <guid>.txt into this folder or into its subfolder data/"
        )
    return paths


def files_of(source: Source, config: DataConfig) -> Iterator[Path]:
    """Yield the files that are read: the lists, texts and images of a folder, or the table file without its images.

    Other files of a folder, such as predictions written into it, are not read.
    """
    if source.kind == "manifest":
        yield source.path
    elif source.kind == "lab":
        yield from (source.path / name for name in lab.LISTS)
        yield from lab.pair_files(source.path, config)


def _source(data: str, reason: str) -> Source:
    path = Path(data)
    if data == frames.NAME and not path.exists():
        raise DataError(
            "this run was started from Python with a DataFrame, which mmsent did not keep",
            "give the same DataFrame again: evaluate(run, data=frame)",
        )
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise DataError(f"cannot read {path} ({reason}): {error.strerror}", "check its permissions") from error
    if not data or not (is_folder or is_file):
        raise DataError(f"no such file or folder: {data!r} ({reason})", _nearest(path) if data else "check the path")
    if is_file and path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} ({reason}) is neither a folder nor a table ({', '.join(SUFFIXES)})", _file_hint(path))
    if is_file:
        return Source(path, "manifest", f"data: {_shown(path)} ({reason})")
    no_list = (
        "" if lab.holds_list(path) else f"; no {lab.LABELLED_LIST} or {lab.UNLABELLED_LIST}: every guid with a file"
    )
    return Source(path, "lab", f"data: {_shown(path)} ({reason}{no_list})")


def _nearest(path: Path) -> str:
    """How far a path leads, and the name that may be meant."""
    try:
        base, missing, meant = similar_paths(path)
    except (OSError, ValueError):
        return "check the path"
    return f"check the path: {base} has no {missing}{f'; did you mean {meant[0]}?' if meant else ''}"


def _shown(path: Path) -> Path:
    """A path below the current folder without that folder: a resumed run has absolute paths, and the same notes."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) and path != here else path


def _file_hint(path: Path) -> str:
    if path.name in lab.LISTS:
        return f"give the folder that holds it: --data {path.parent}"
    return "give the folder that holds train.txt, or save the table as .csv"
