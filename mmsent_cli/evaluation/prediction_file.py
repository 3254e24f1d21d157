"""Read a prediction file: the labels that a model predicted, one row for each pair, written by any program."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.data.fields import candidates_of
from mmsent_cli.data.manifests import name_of
from mmsent_cli.data.pairs import guid_problem
from mmsent_cli.data.tables import SUFFIXES, Report, Table, open_table
from mmsent_cli.data.tables.formats import parquet_rows
from mmsent_cli.data.tables.table import Record
from mmsent_cli.errors import DataError, counted, listed, summarize
from mmsent_cli.inference.rows import FORMS, PROBABILITY

SHOWN_FORMATS = "rows guid,tag as mmsent predict writes them, or guid,tag,predicted as in val_predictions.csv"
GUID, PROBABILITIES, MISSING = "guid", "probabilities", "missing"
PREDICTIONS = ("predicted", "prediction", "pred")
LABELS = ("tag", "label")
"""Names of the column with the predicted labels. If there is a column of `PREDICTIONS`, it has the true labels."""
KNOWN = (GUID, *PREDICTIONS, *LABELS)
SURE = 1e-3
"""The probabilities of a row may sum to 1 plus or minus this number, since files have six decimals or fewer."""
TIE = 2e-6
"""Two probabilities with this difference or less may have been equal before they were rounded to six decimals."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a prediction file.

    Attributes:
        where: the file with the line number.
        guid: the name of the pair.
        tag: the true label; None if the row has none.
        predicted: the predicted label; empty if the model gave none.
        shares: the cells that may be probabilities, by class name; NaN if a cell is not a number.
    """

    where: str
    guid: str
    tag: str | None
    predicted: str
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Places:
    """The numbers of the columns, counted from 0. `others` are all columns that may have probabilities."""

    guid: int
    answer: int
    truth: int | None
    others: Sequence[tuple[str, int]]


def is_prediction_file(path: Path) -> bool:
    """Return True if a path is no folder, exists, and has the suffix of a table or of a file that `predict` writes."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix in (*SUFFIXES, *filter(None, FORMS)) and path.exists() and not path.is_dir()


def read_prediction_file(path: Path) -> tuple[list[Row], list[str]]:
    """Read all rows of a prediction file: a table of any format, delimiter and encoding.

    Columns are found by name: `guid` (or a usual name such as `id`), and a column of `PREDICTIONS`, or else of
    `LABELS`. The other columns may have the probabilities of a class.

    Returns:
        The rows, and notes on how they were read.

    Raises:
        DataError: the file is not a table with these columns, has no rows, or has a row without guid, with a repeated
            guid, or with the wrong number of cells.
    """
    table = open_table(path, known=KNOWN)
    if not table.decision.decided:
        raise DataError(f"{path} is not UTF-8, and has too little text to find its encoding", "save it as UTF-8")
    if not table.columns:
        raise DataError(f"{path} is empty", f"give a file with {SHOWN_FORMATS}")
    places, report, seen = _places(path, table.columns), Report(), {}
    rows = []
    for where, cells in _records(table, report):
        try:
            row = _row(where, cells, places)
        except ValueError as error:
            report.problems.append(f"{where}: {error}")
            continue
        problem = guid_problem(row.guid, where, seen)
        report.problems.extend([problem] if problem else [])
        rows.append(row)
    if report.problems:
        raise DataError(summarize(report.problems), "correct these rows; each pair needs one row")
    if not rows:
        raise DataError(f"{path} has no predictions", f"give a file with {SHOWN_FORMATS}")
    _require_different(path, table.columns, places, rows)
    _, *notes = report.notes(path.name)
    return rows, [*table.notes, *notes]


def probabilities_of(rows: Sequence[Row], labels: Sequence[str], name: str) -> tuple[np.ndarray | None, list[str]]:
    """Return the class probabilities of the rows, and notes.

    Args:
        rows: the rows, whose predicted labels are in `labels`.
        labels: class names in order.
        name: the name of the file for notes.

    Returns:
        The probabilities [N, C]; None if the file has none, or if those of a row are not valid, which a note reports.
    """
    named = [label for label in labels if any(label in row.shares for row in rows)]
    if not named:
        return None, []
    shares = shares_of(rows, labels)
    is_sound = are_probabilities(shares)
    if not is_sound.all():
        first = int(np.argmin(is_sound))
        return None, [
            f"{name}: the probabilities are not used, since {rows[first].where} {_flaw(shares[first], labels)}"
        ]
    given = shares[np.arange(len(rows)), [labels.index(row.predicted) for row in rows]]
    differs = np.flatnonzero(shares.max(axis=1) - given > TIE)
    if not differs.size:
        return shares, []
    return shares, [
        f"{name}: in {counted(differs.size, 'row')}, such as {rows[differs[0]].where}, another class than the predicted"
        " one has the highest probability"
    ]


def shares_of(rows: Sequence[Row], labels: Sequence[str]) -> np.ndarray:
    """Return the cells of the columns of the classes as numbers [N, C]; NaN if a cell is not a number."""
    return np.array([[row.shares.get(label, np.nan) for label in labels] for row in rows])


def are_probabilities(shares: np.ndarray) -> np.ndarray:
    """Return a mask [N] of the rows whose numbers [N, C] are not negative and sum to 1."""
    return (shares >= 0).all(axis=1) & (np.abs(shares.sum(axis=1) - 1) <= SURE)


def _flaw(shares: np.ndarray, labels: Sequence[str]) -> str:
    """Describe why the numbers of a row [C] are no probabilities."""
    lacking = [label for label, share in zip(labels, shares, strict=True) if not np.isfinite(share)]
    if lacking:
        return f"has no probability of {lacking[0]}"
    return "has a negative number" if (shares < 0).any() else f"has the sum {shares.sum():.4g}"


def _records(table: Table, report: Report) -> Iterator[Record]:
    """Yield the rows that are not blank. Of a Parquet data set in several files, only the named file is read."""
    is_parquet = table.form == "parquet"
    rows = parquet_rows(table.path, len(table.columns)) if is_parquet else table.records(report)
    return (row for row in rows if not row.is_blank)


def _places(path: Path, columns: Sequence[str]) -> _Places:
    """Find the columns by their names."""
    names = [column.strip().casefold() for column in columns]
    if names[0] == GUID and names[1:2] and names[1] in LABELS and names[2:3] == [MISSING]:  # written by `predict`
        return _Places(0, 1, None, list(_numbered(columns))[3:])
    guid = names.index(GUID) if GUID in names else next(iter(candidates_of(columns, GUID)), None)
    predictions, labels = (
        [place for place, name in enumerate(names) if name in wanted] for wanted in (PREDICTIONS, LABELS)
    )
    found = predictions or labels
    if guid is None or not found:
        lacking = [
            name for name, is_found in ((GUID, guid is not None), ("predicted, tag or label", found)) if not is_found
        ]
        raise DataError(
            f"{path} is not a prediction file: it has no column {' and '.join(lacking)}; "
            f"its columns are {listed(columns)}",
            f"give a file with {SHOWN_FORMATS}",
        )
    if len({names[place] for place in found}) > 1:
        both = " and ".join(columns[place] for place in found)
        raise DataError(
            f"{path} has the columns {both}, so it is not clear which one was predicted",
            "keep one of them, and call it predicted",
        )
    truth = labels[0] if predictions and labels else None
    own = (guid, found[0], truth)
    return _Places(guid, found[0], truth, [(name, place) for name, place in _numbered(columns) if place not in own])


def _numbered(columns: Sequence[str]) -> Iterator[tuple[str, int]]:
    return ((column.strip(), place) for place, column in enumerate(columns))


def _row(where: str, cells: Sequence[Any], places: _Places) -> Row:
    """Make a row from its cells.

    Raises:
        ValueError: the guid or a label is neither a text nor a number.
    """
    return Row(
        where=where,
        guid=name_of(cells[places.guid], "guid"),
        tag=None if places.truth is None else name_of(cells[places.truth], "true label") or None,
        predicted=name_of(cells[places.answer], "predicted label"),
        shares={name: _number(share) for name, share in _shares(cells, places).items()},
    )


def _shares(cells: Sequence[Any], places: _Places) -> dict[str, Any]:
    """Return the cells that may be probabilities, by class name.

    These are the values of an object `probabilities`, else the columns whose names begin with `probability_`, else all
    other columns.
    """
    others = {name: cells[place] for name, place in places.others}
    if isinstance(nested := others.get(PROBABILITIES), Mapping):
        return {str(name): share for name, share in nested.items()}
    prefixed = {name.removeprefix(PROBABILITY): cell for name, cell in others.items() if name.startswith(PROBABILITY)}
    return prefixed or others


def _number(cell: Any) -> float:
    """Convert a cell to a number. The result is NaN if the cell is not a number."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _require_different(path: Path, columns: Sequence[str], places: _Places, rows: Sequence[Row]) -> None:
    """Check that no used column is repeated. A class may be called like one of the other columns, such as `tag`.

    Raises:
        DataError: the name of a used column is repeated.
    """
    labels = {row.predicted for row in rows} | {row.tag for row in rows}
    used = [columns[place].strip() for place in (places.guid, places.answer, places.truth) if place is not None]
    others = [name for name, _ in places.others]
    for name in dict.fromkeys([*used, *others]):
        is_class = name in labels
        if others.count(name) > is_class and (is_class or name in used):
            numbers = [str(number) for number, column in enumerate(columns, 1) if column.strip() == name]
            raise DataError(f"{path}: columns {' and '.join(numbers)} are both called {name!r}", "rename one of them")
