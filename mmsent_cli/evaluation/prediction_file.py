"""Read a prediction file: the labels that a model predicted, one row for each pair, written by any program."""

from collections import Counter
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
GUID, PREDICTED, PROBABILITIES = "guid", "predicted", "probabilities"
ANSWERS = ("tag", "label", "prediction", "pred")
"""Names of the column with the predicted labels, if there is no column `predicted`."""
TRUTHS = ("tag", "label")
"""Names of the column with the true labels, if there is a column `predicted`."""
KNOWN = (GUID, PREDICTED, *ANSWERS)
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
        tag: the true label; None if the file has none.
        predicted: the predicted label; empty if the model gave none.
        shares: the cells that may be probabilities, by column name; NaN if a cell is not a number.
    """

    where: str
    guid: str
    tag: str | None
    predicted: str
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Places:
    """The numbers of the columns, counted from 0. `shares` has those of all other columns, by name."""

    guid: int
    answer: int
    truth: int | None
    shares: Mapping[str, int]


def is_prediction_file(path: Path) -> bool:
    """Return True if a path exists and has the suffix of a table or of a file that `predict` writes."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix in (*SUFFIXES, *filter(None, FORMS)) and path.exists()


def read_prediction_file(path: Path) -> list[Row]:
    """Read all rows of a prediction file: a table of any format, delimiter and encoding.

    Columns are found by name: `guid` (or a usual name such as `id`), and `predicted`, or else the first of `ANSWERS`.
    Every other column may have the probabilities of a class.

    Raises:
        DataError: the file is not a table with these columns, has no rows, or has a row without guid, with a repeated
            guid, or with the wrong number of cells.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a plain file", f"give a file with {SHOWN_FORMATS}")
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
    _require_different(path, table.columns, rows)
    return rows


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
        first = rows[int(np.argmin(is_sound))].where
        what = f"not all of {', '.join(labels)}, or numbers below 0, or a sum other than 1"
        return None, [f"{name}: the probabilities are not used, since {first} has {what}"]
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


def _records(table: Table, report: Report) -> Iterator[Record]:
    """Yield the rows that are not blank. Of a Parquet data set in several files, only the named file is read."""
    is_parquet = table.form == "parquet"
    rows = parquet_rows(table.path, len(table.columns)) if is_parquet else table.records(report)
    return (row for row in rows if not row.is_blank)


def _places(path: Path, columns: Sequence[str]) -> _Places:
    """Find the columns by their names."""
    names = [column.strip().casefold() for column in columns]
    guid = names.index(GUID) if GUID in names else next(iter(candidates_of(columns, GUID)), None)
    answers = (PREDICTED,) if PREDICTED in names else ANSWERS
    answer = next((place for place, name in enumerate(names) if name in answers and place != guid), None)
    if guid is None or answer is None:
        lacking = " and ".join(
            name for name, place in (("guid", guid), ("tag, label or predicted", answer)) if place is None
        )
        raise DataError(
            f"{path} is not a prediction file: it has no column {lacking}; its columns are {listed(columns)}",
            f"give a file with {SHOWN_FORMATS}",
        )
    is_truth = names[answer] == PREDICTED
    truth = next((place for place, name in enumerate(names) if is_truth and name in TRUTHS), None)
    own = (guid, answer, truth)
    shares = {name.removeprefix(PROBABILITY): place for place, name in enumerate(columns) if place not in own}
    return _Places(guid, answer, truth, shares)


def _row(where: str, cells: Sequence[Any], places: _Places) -> Row:
    """Make a row from its cells.

    Raises:
        ValueError: the guid or a label is neither a text nor a number.
    """
    truth = None if places.truth is None else name_of(cells[places.truth], "true label") or None
    shares = {name: cells[place] for name, place in places.shares.items()}
    nested = shares.pop(PROBABILITIES, None)
    if isinstance(nested, Mapping):
        shares |= {str(name): share for name, share in nested.items()}
    return Row(
        where=where,
        guid=name_of(cells[places.guid], "guid"),
        tag=truth,
        predicted=name_of(cells[places.answer], "predicted label"),
        shares={name: _number(share) for name, share in shares.items()},
    )


def _number(cell: Any) -> float:
    """Convert a cell to a number. The result is NaN if the cell is not a number."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _require_different(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Check that no column name is repeated. A class may be called like one of the other columns, such as `tag`.

    Raises:
        DataError: a name is repeated.
    """
    labels = {row.predicted for row in rows} | {row.tag for row in rows}
    counts = Counter(column.strip().removeprefix(PROBABILITY) for column in columns if column.strip())
    twice = [name for name, count in counts.items() if count > 1 + (name in KNOWN and name in labels)]
    if twice:
        numbers = [str(number) for number, column in enumerate(columns, 1) if column.strip() == twice[0]]
        raise DataError(f"{path}: columns {' and '.join(numbers)} are both called {twice[0]!r}", "rename one of them")
