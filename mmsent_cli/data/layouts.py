"""Find the data source (a folder with list files, a table file or a DataFrame), and read its rows.

Chosen: three modules of functions, selected by `Source.kind`. Rejected: a class for each kind, since the classes would
share no state.
"""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig
from mmsent_cli.data import frames, lab, manifests
from mmsent_cli.data.fields import FIELDS, IMAGE, KNOWN, Columns, choose_columns, is_default
from mmsent_cli.data.pairs import DUPLICATE, PairRow, labels_of, require_classes, tag_problems
from mmsent_cli.data.tables import SUFFIXES, Report, Table, open_table
from mmsent_cli.data.tables.encoding import numbered_lines
from mmsent_cli.data.tables.opening import is_legacy_text
from mmsent_cli.data.tags import require_few_classes, settle_tags
from mmsent_cli.errors import DataError, summarize
from mmsent_cli.files import natural_order, similar_paths
from mmsent_cli.printed_commands import option_text

if TYPE_CHECKING:
    from pandas import DataFrame

VARIABLE = "MMSENT_DATA"
FOLDERS = (".", "data", "data/sample")
"""Folders that are searched for data without `--data`, in this order."""


@dataclass(frozen=True, slots=True)
class Source:
    """The data in use: a folder with list files, a table file or a DataFrame.

    `notice` is a message about the source and the reason for its choice. For a DataFrame, `path` is a placeholder.
    `home` is the folder for relative image paths of a table from standard input.
    """

    path: Path
    kind: Literal["lab", "manifest", "frame"]
    notice: str
    frame: "DataFrame | None" = None
    home: Path | None = None

    @property
    def name(self) -> str:
        """The name of the source for messages."""
        return self.path.name if self.home else str(self.path)

    @property
    def place(self) -> str:
        """The absolute path of the source, or the placeholder for a DataFrame."""
        return frames.NAME if self.kind == "frame" else str(self.path.absolute())


def frame_source(frame: "DataFrame") -> Source:
    """Return a DataFrame as a source of pairs."""
    return Source(Path(frames.NAME), "frame", f"data: a DataFrame of {len(frame):,} rows", frame)


def locate(data: str | None) -> Source:
    """Find the data: `--data`, else `$MMSENT_DATA`, else a usual folder.

    The usual folders are the current folder, `./data` and `./data/sample`. The first one with a list file is used.

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
        f"found no data: --data and {VARIABLE} are not set, and there is no {lab.LABELLED_LIST} in this folder,"
        " ./data or ./data/sample",
        "set --data to a folder that contains train.txt, or to a table such as pairs.csv",
    )


def locate_all(data: str | None) -> list[Source]:
    """Find the sources that match a pattern such as `posts/*.csv`. If `data` is not a pattern, use `locate`.

    The sources are ordered by name. Numbers in names are compared by value.

    Raises:
        DataError: no file matches the pattern, or `locate` fails.
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
    """Return the text files of all pairs of a folder, with and without a label. For other sources, the list is empty.

    The encoding is decided over all these files.

    Raises:
        DataError: the folder contains neither texts nor images.
    """
    if source.kind != "lab":
        return []
    paths = lab.text_files(source.path, config or DataConfig())
    if not paths and not lab.list_files(source.path).images:
        raise DataError(
            f"there are no text files <guid>.txt in {source.path}",
            "put files <guid>.txt into this folder or into its subfolder data/",
        )
    return paths


def files_of(source: Source, config: DataConfig) -> Iterator[Path]:
    """Yield the files of a source that are read: the lists, texts and images of a folder, or the table file.

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
    """Describe the longest existing part of a path, with the most similar name for the missing part."""
    try:
        base, missing, meant = similar_paths(path)
    except (OSError, ValueError):
        return "check the path"
    return f"check the path: the folder {base} has no {missing!r}{f'; did you mean {meant[0]}?' if meant else ''}"


def _shown(path: Path) -> Path:
    """Return a path relative to the current folder if it is inside this folder. Else return the path itself."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) and path != here else path


def _file_hint(path: Path) -> str:
    if path.name in lab.LISTS:
        return f"use the folder that contains it: --data {path.parent}"
    return "set --data to the folder that contains train.txt, or save the table as .csv"


WITH_TAG, WITHOUT_TAG = "with a tag", "without a tag"
FIX = "fix these rows, or leave them out with --on-bad drop"
CHECK = "mmsent check lists the problems of all rows and files together"
SHOWN_TAGS = 5
SAMPLE_ROWS, MOSTLY = 200, 0.9
"""The columns of texts and images are swapped if more than the share `MOSTLY` of the first texts are names of image
files."""


def labelled_rows(
    source: Source,
    config: DataConfig,
    report: Report | None = None,
    decision: EncodingDecision | None = None,
    needs: Iterable[str] = (),
) -> list[PairRow]:
    """Return all rows with a tag, in the order of the file. Their tags are converted to classes.

    Args:
        source: the result of `locate` or `frame_source`.
        config: columns, labels, encoding.
        report: receives the numbers of rows that are used, skipped and refused.
        decision: the encoding of a table; None finds the encoding by the content of the file.
        needs: the modalities whose columns must exist.

    Raises:
        DataError: the file has bad rows or unknown tags, which are all listed, or has no rows.
    """
    report = Report() if report is None else report
    rows, labels, hint = gather_labelled(source, config, report, decision, needs)
    _raise_rows(report, hint)
    require_classes(labels)
    require_few_classes(labels, len(rows))
    return rows


def gather_labelled(
    source: Source,
    config: DataConfig,
    report: Report,
    decision: EncodingDecision | None = None,
    needs: Iterable[str] = (),
) -> tuple[list[PairRow], tuple[str, ...], str]:
    """Return all readable rows with a tag, the classes, and a hint on the unreadable rows, which the report lists.

    Args:
        source, config, report, decision, needs: as in `labelled_rows`.

    Raises:
        DataError: the source cannot be read at all, or no row has a tag.
    """
    if source.kind == "lab":
        name = lab.MVSA_LIST if _is_mvsa(source.path) else lab.LABELLED_LIST
        rows, class_names = lab.read_rows(source.path, name, config, report), ()
    else:
        every_row, class_names = _table_rows(source, config, report, True, decision, needs)
        rows = list(_only(every_row, report, has_tag=True))
    report.leave_out(config.on_bad)
    if not rows and not report.problems:
        why = report.counts() if report.numbers()["read"] else "it has no rows"
        raise DataError(f"{source.name} has no labelled pairs: {why}", "add rows with a guid and a tag")
    tagged = settle_tags(rows, config, class_names)
    labels = labels_of(tagged.rows, config.labels)
    wrong = tag_problems(tagged.rows, labels)
    hint = _hint(report.problems, [row.tag for row in tagged.rows if row.tag not in labels], source, labels)
    report.skipped.update(tagged.excluded)
    report.said += tagged.notes
    report.read = len(tagged.rows) - len(wrong)
    report.problems += wrong
    return [row for row in tagged.rows if row.tag in labels], labels, hint


def _hint(problems: Sequence[str], wrong: Sequence[str | None], source: Source, labels: Sequence[str]) -> str:
    """Return a hint on what to do about rows that cannot be read, and about missing and unknown tags."""
    unknown = list(dict.fromkeys(tag for tag in wrong if tag is not None))
    doubled = sum(DUPLICATE in line for line in problems)
    parts = []
    if len(problems) > doubled:
        parts.append(FIX)
    if doubled:
        parts.append("give each pair a different guid, or use --on-bad drop to keep only the first row of each guid")
    if None in wrong:
        is_list = source.kind == "lab"
        parts.append(f"write the missing tags{', or list these guids in test_without_label.txt' if is_list else ''}")
    if unknown:
        named = ",".join(unknown[:SHOWN_TAGS])
        more = ",…" if len(unknown) > SHOWN_TAGS else ""
        parts.append(
            f"correct the unknown tags, or rename them with {option_text('label_map', f'{unknown[0]}=CLASS')}, or"
            f" leave them out with {option_text('exclude_labels', named)}{more}, or make"
            f" them classes with {option_text('labels', ','.join([*labels, named]))}{more}"
        )
    return "; ".join(parts) or FIX


def unlabelled_rows(source: Source, config: DataConfig, decision: EncodingDecision | None = None) -> Iterator[PairRow]:
    """Read the rows to predict; see `count_unlabelled`."""
    return count_unlabelled(source, config, decision=decision)[1]


def count_unlabelled(
    source: Source, config: DataConfig, report: Report | None = None, decision: EncodingDecision | None = None
) -> tuple[int, Iterator[PairRow]]:
    """Count and read the rows to predict, in the order of the file.

    In a folder without list files, all pairs are predicted. In a DataFrame, all rows are predicted, even those with a
    tag. All rows are checked before the first is returned.

    Args:
        source, config, report, decision: as in `labelled_rows`.

    Raises:
        DataError: the file has no rows, or (with `on_bad` stop) bad rows, which are all listed.
    """
    report = Report() if report is None else report
    report.read = sum(1 for _ in rows_to_predict(source, config, report, decision))
    report.leave_out(config.on_bad)
    _raise_rows(report, FIX)
    if not report.read and source.kind == "manifest" and report.skipped[WITH_TAG]:
        raise DataError(
            f"there is nothing to predict in {source.name}: every row has a label ({report.counts()})",
            "mmsent evaluate scores the model on these labels; in Python, read_pairs(…, labelled=True) reads them. To"
            " predict, give a table with an empty label column",
        )
    if not report.read:
        add = "add a row for each pair below the header"
        if source.kind == "lab":
            add = "list the guids of these pairs in test_without_label.txt"
        refused = summarize(report.left_out)
        raise DataError(
            f"there are no pairs to predict in {source.name} ({report.counts()})",
            f"correct the rows that cannot be read: {refused}" if refused else add,
        )
    return report.read, rows_to_predict(source, config, Report(), decision)


def has_labels(source: Source, config: DataConfig) -> bool:
    """Return True if a row of a table has a label, or the user named the column of the labels.

    The result is True for folders too, and for tables that cannot be read. The error of such a table is raised later,
    when its labelled rows are read.

    Raises:
        DataError: the columns of texts and images are swapped.
    """
    if source.kind == "lab" or not is_default(config, "tag"):
        return True
    try:
        rows = table_rows(source, config)
    except DataError:
        return True
    return any(row.tag is not None for row in rows)


def table_rows(source: Source, config: DataConfig) -> Iterator[PairRow]:
    """Return all readable rows of a table, with and without a label."""
    return _table_rows(source, config, Report(), False, None)[0]


def open_source(
    source: Source,
    config: DataConfig,
    is_labelled: bool = False,
    decision: EncodingDecision | None = None,
    needs: Iterable[str] = (),
) -> tuple[Table, Columns]:
    """Open the table of a source and find its columns.

    Args:
        source: a table.
        config, decision, needs: see `labelled_rows`.
        is_labelled: True if a tag is needed.

    Raises:
        DataError: the table cannot be read, is empty or lacks a column.
    """
    found = open_table(source.path, config.encoding, decision, KNOWN | set(_wanted(config)))
    table = replace(found, home=source.home)
    if not table.columns:
        raise DataError(f"{source.name} has no rows", "add a header and a row for each pair")
    aspects = lab.aspect_columns(source.path.name, table.columns, config)
    return table, aspects or choose_columns(source.path.name, table.columns, config, is_labelled, needs)


def documents(source: Source, config: DataConfig) -> list[tuple[str, bytes]]:
    """Return the place (`file:line`) and the bytes of each line of a table.

    The list is empty for other sources, and for a table that is recognised as UTF-8, UTF-16 or UTF-32.
    """
    if source.kind != "manifest" or not is_legacy_text(source.path, config.encoding):
        return []
    header, *lines = numbered_lines(source.path)
    return lines if header[1].isascii() else [header, *lines]


def _is_mvsa(folder: Path) -> bool:
    return lab.holds_list(folder, lab.MVSA_LIST) and not lab.holds_list(folder, lab.LABELLED_LIST)


def rows_to_predict(
    source: Source, config: DataConfig, report: Report, decision: EncodingDecision | None
) -> Iterator[PairRow]:
    """Read the rows to predict one by one. Rows that cannot be read are described in the report."""
    if source.kind == "frame":
        rows, _ = _table_rows(source, config, report, False, decision)
        yield from (replace(row, tag=None) for row in rows)
    elif source.kind == "manifest":
        rows, _ = _table_rows(source, config, report, False, decision)
        yield from _only(rows, report, has_tag=False)
    elif lab.holds_list(source.path):
        rows = lab.read_rows(source.path, lab.UNLABELLED_LIST, config, report)
        yield from (replace(row, tag=None) for row in rows)
    else:
        yield from lab.rows_without_list(source.path, report)


def _only(rows: Iterable[PairRow], report: Report, has_tag: bool) -> Iterator[PairRow]:
    """Yield the rows with a tag, or the rows without a tag. The other rows are counted as skipped."""
    for row in rows:
        if (row.tag is not None) is has_tag:
            yield row
        else:
            report.skipped[WITHOUT_TAG if has_tag else WITH_TAG] += 1


def _table_rows(
    source: Source,
    config: DataConfig,
    report: Report,
    is_labelled: bool,
    decision: EncodingDecision | None,
    needs: Iterable[str] = (),
) -> tuple[Iterator[PairRow], tuple[str, ...]]:
    """Return the rows of a table or a DataFrame, and the names of the classes 0, 1, … if the table has such names."""
    if source.frame is not None:
        names = frames.columns_of(source.frame)
        columns = choose_columns(source.name, names, config, is_labelled, needs, has_index=True)
        report.said += columns.notes
        rows = frames.read_rows(source.frame, columns, config, report)
        return _not_swapped(rows, source, names, columns), ()
    table, columns = open_source(source, config, is_labelled, decision, needs)
    report.title = f"{source.path.name} ({table.form})"
    report.said += [*table.notes, *columns.notes]
    rows = _not_swapped(manifests.read_rows(table, columns, config, report), source, table.columns, columns)
    return rows, lab.ASPECT_CLASSES if columns.target is not None else table.class_names


def _not_swapped(rows: Iterator[PairRow], source: Source, names: Sequence[str], columns: Columns) -> Iterator[PairRow]:
    """Yield the rows, after checking that the columns of texts and images are not swapped.

    Raises:
        DataError: nearly all texts are names of image files, and hardly any image is the name of an image file.
    """
    first = list(islice(rows, SAMPLE_ROWS))
    both = [row for row in first if row.text and (row.elsewhere or isinstance(row.image, Path))]
    named = sum(_is_file_name(row.text or "") for row in both)
    if both and named > MOSTLY * len(both) and sum(map(_has_image, both)) < (1 - MOSTLY) * len(both):
        text, image = (names[place] or str(place + 1) for place in (columns.image or 0, columns.text or 0))
        raise DataError(
            f"{source.name}: the columns of texts and images are swapped: the texts are file names such as "
            f"{both[0].text!r} ({both[0].where})",
            f"use {option_text('text_column', text)} {option_text('image_column', image)}",
        )
    yield from chain(first, rows)


def _is_file_name(text: str) -> bool:
    """Return True if a text is nothing but the name or address of an image.

    A sentence that ends with such a name does not count.
    """
    return bool(IMAGE.search(text)) and len(text.split()) == 1


def _has_image(row: PairRow) -> bool:
    """Return True if the image cell of a row has an image file's name or an address, or names a file that exists."""
    name = row.elsewhere or str(row.image)
    if IMAGE.search(name) or manifests.ADDRESS_START.match(name):
        return True
    with suppress(OSError, ValueError):  # the text is too long for a file name
        return isinstance(row.image, Path) and row.image.is_file()
    return False


def _wanted(config: DataConfig) -> Iterator[str]:
    return (getattr(config, f"{name}_column").casefold() for name in FIELDS)


def _raise_rows(report: Report, hint: str) -> None:
    if report.problems:
        problems = sorted(report.problems, key=natural_order)
        raise DataError(f"{report.bad_rows()}: {summarize(problems)}", f"{hint}; {CHECK}")
