"""Get the predictions for labelled pairs, from a checkpoint or from a file of predictions.

The notes in the report state whether the pairs were used in training.

Shape letters: N pairs, C classes.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.data.manifests import without_surrogates
from mmsent_cli.data.pairs import Dataset, Pair
from mmsent_cli.data.seen import NEAR, NEW, SEEN, VALIDATED, SeenPairs
from mmsent_cli.data.tables.formats import parquet_columns, parquet_rows
from mmsent_cli.errors import DataError, counted, listed, summarize
from mmsent_cli.inference.loaded import PROBABILITY
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.rows import FORMS, JSON_LINES, PARQUET, TABS
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import ON_KNOWN, ON_NEW, ON_OUT_OF_FOLD, ON_UNKNOWN, ON_VALIDATION, TRAINED_ON, Finding

SUFFIXES = tuple(filter(None, FORMS))
"""Suffixes of the files that `predict` writes."""
FORMATS = "rows guid,tag as mmsent predict writes them, or guid,tag,predicted as in val_predictions.csv"
SURE = 1e-3
"""The probabilities of a row may sum to 1 plus or minus this number, since files have six decimals or fewer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """N labelled pairs and their predictions.

    Attributes:
        guids: names of the pairs.
        labels: class names in order.
        true, predicted: true class numbers and predicted class numbers, both [N].
        probabilities: class probabilities [N, C]; None if they are unknown.
        pairs: the pairs with text and image; empty if they are unknown.
        notes: remarks for the report.
        is_out_of_fold: True if each pair was predicted by models that were not trained on it.
    """

    guids: tuple[str, ...]
    labels: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None
    pairs: tuple[Pair, ...] = ()
    notes: tuple[str, ...] = ()
    is_out_of_fold: bool = False

    def take(self, rows: np.ndarray) -> "Answers":
        """Return the answers for some of the pairs. `rows` has the numbers of these pairs, or is a mask [N]."""
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            guids=tuple(self.guids[row] for row in numbers),
            true=self.true[numbers],
            predicted=self.predicted[numbers],
            probabilities=None if self.probabilities is None else self.probabilities[numbers],
            pairs=tuple(self.pairs[row] for row in numbers) if self.pairs else (),
        )


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a prediction file. `where` is the file with the line number; `shares` are the probabilities."""

    where: str
    guid: str
    tag: str | None
    predicted: str
    shares: Mapping[str, float]


def predict_labelled(predictor: Predictor, dataset: Dataset, progress: Progress = silent) -> Answers:
    """Predict labelled pairs.

    Args:
        predictor: a loaded checkpoint, with the same class names as the pairs.
        dataset: the labelled pairs.
        progress: receives the number of predicted pairs.
    """
    labels = predictor.description.labels
    shares = []
    for prediction in predictor.predict(dataset.pairs):
        shares.append([prediction.probabilities[label] for label in labels])
        progress(Stage("predicting", len(shares), len(dataset.pairs)))
    probabilities = np.array(shares)
    return Answers(
        guids=tuple(pair.guid for pair in dataset.pairs),
        labels=labels,
        true=_numbers((pair.tag for pair in dataset.pairs), labels),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        pairs=dataset.pairs,
        notes=(*dataset.notes, *dataset.problems, *predictor.notes()),
    )


def is_prediction_file(path: Path) -> bool:
    """Return True if the path is a file with a suffix of `SUFFIXES`."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_answers(path: Path, dataset: Dataset | None = None) -> Answers:
    """Read a prediction file.

    Args:
        path: a file with guids and predicted labels, as `predict` writes it; probabilities are optional.
        dataset: the labelled pairs. None reads the true labels from the column `tag` of the file.

    Raises:
        DataError: the file has another format, contains no true labels although `dataset` is None, contains an unknown
            label, or predicts a pair twice; or fewer than two pairs have both a true label and a prediction.
    """
    rows = _unique(_read_jsonl(path) if _form(path) == JSON_LINES else _read_table(path), path)
    notes: list[str] = []
    if dataset is None:
        true = {row.guid: row.tag for row in rows if row.tag is not None}
        if not true:
            raise DataError(
                f"{path} has predictions but no true labels", "set --data to a folder or table of labelled pairs"
            )
        labels = tuple(rows[0].shares) or tuple(sorted({*true.values(), *(row.predicted for row in rows)}))
    else:
        true, labels = {pair.guid: pair.tag for pair in dataset.pairs}, dataset.labels
        notes = [*dataset.notes, *dataset.problems]
    both = [row for row in rows if row.guid in true and row.predicted]
    if len(both) < 2:
        raise DataError(
            f"{path} and the labelled pairs have only {counted(len(both), 'guid')} in common; at least two are needed",
            "check the guids of both files",
        )
    if len(both) < len(rows):
        notes.append(f"not used: {counted(len(rows) - len(both), 'row')} without a prediction or without a label")
    if len(both) < len(true):
        notes.append(f"not used: {counted(len(true) - len(both), 'labelled pair')} without a prediction in {path.name}")
    _require_labels(both, labels, path)
    by_guid = {} if dataset is None else {pair.guid: pair for pair in dataset.pairs}
    return Answers(
        guids=tuple(row.guid for row in both),
        labels=labels,
        true=_numbers((true[row.guid] for row in both), labels),
        predicted=_numbers((row.predicted for row in both), labels),
        probabilities=_probabilities(both, labels),
        pairs=tuple(by_guid[row.guid] for row in both) if by_guid else (),
        notes=tuple(notes),
    )


def _numbers(names: Iterable[str | None], labels: Sequence[str]) -> np.ndarray:
    place = {label: number for number, label in enumerate(labels)}
    return np.array([place[name or ""] for name in names], dtype=np.int64)


def _probabilities(rows: Sequence[_Row], labels: Sequence[str]) -> np.ndarray | None:
    """Return the class probabilities [N, C] of the rows; None if a row lacks a probability or has an invalid one."""
    if not all(label in row.shares for row in rows for label in labels):
        return None
    shares = np.array([[row.shares[label] for label in labels] for row in rows])
    is_sound = np.isfinite(shares).all() and (shares >= 0).all() and np.allclose(shares.sum(axis=1), 1, atol=SURE)
    return shares if is_sound else None


def _require_labels(rows: Sequence[_Row], labels: Sequence[str], path: Path) -> None:
    strange = [f"{row.where}: unknown label {row.predicted!r}" for row in rows if row.predicted not in labels]
    if strange:
        raise DataError(summarize(strange), f"use the labels of the pairs: {', '.join(labels)}")


def _unique(rows: list[_Row], path: Path) -> list[_Row]:
    """Return the rows unchanged. Raise a DataError if there are no rows, or if two rows have the same guid."""
    if not rows:
        raise DataError(f"{path} has no predictions", f"give a file with {FORMATS}")
    seen: dict[str, str] = {}
    twice = [
        f"{row.where}: the guid {row.guid} occurs again"
        for row in rows
        if seen.setdefault(row.guid, row.where) != row.where
    ]
    if twice:
        raise DataError(summarize(twice), "keep one prediction for each pair")
    return rows


def _form(path: Path) -> str:
    return FORMS[path.suffix.lower()]


def _read_table(path: Path) -> list[_Row]:
    header, lines = _parquet_cells(path) if _form(path) == PARQUET else _text_cells(path)
    wanted = len(header)
    uneven = [
        f"{where}: the row has {counted(len(cells), 'column')} instead of {wanted}"
        for where, cells in lines
        if len(cells) != wanted
    ]
    if uneven or len(header) < 2:
        raise DataError(summarize(uneven) or f"{path} has no columns guid and tag", f"give a file with {FORMATS}")
    has_both = header[1:3] == ["tag", "predicted"]
    if has_both or header[1] in ("tag", "label", "predicted"):
        answer = 2 if has_both else 1
    else:
        raise DataError(
            f"{path} is not a file of predictions: its columns are {listed(header)}", f"give a file with {FORMATS}"
        )
    named = {name.removeprefix(PROBABILITY): place for place, name in enumerate(header) if place > answer}
    return [
        _Row(where, cells[0], (cells[1] or None) if has_both else None, cells[answer], _shares(cells, named))
        for where, cells in lines
    ]


def _text_cells(path: Path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Read a file with commas or tabs between cells. Return its columns, and the place and the cells of each row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter="\t" if _form(path) == TABS else ",")
            header = next(reader, [])
            return header, [(f"{path.name}:{reader.line_num}", cells) for cells in reader if cells]
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"cannot read the predictions {path}: {error}", f"give a file with {FORMATS}") from error


def _parquet_cells(path: Path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Read a Parquet file. The result is that of `_text_cells`."""
    columns, _ = parquet_columns(path)
    rows = parquet_rows(path, len(columns))
    return columns, [(where, ["" if cell is None else str(cell) for cell in cells]) for where, cells in rows]


def _shares(cells: Sequence[str], named: Mapping[str, int]) -> dict[str, float]:
    """Return the numbers in the columns `named` of a row, by column name. Cells that are not numbers are left out."""
    found = {}
    for name, place in named.items():
        try:
            found[name] = float(cells[place])
        except ValueError:
            continue
    return found


def _read_jsonl(path: Path) -> list[_Row]:
    rows, problems = [], []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # other line ends may stand in a text
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot read the predictions {path}: {error}", f"give a file with {FORMATS}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(_json_row(json.loads(line), f"{path.name}:{number}"))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                problems.append(f"{path.name}:{number}: the line is not an object with guid and label")
    if problems:
        raise DataError(summarize(problems), 'each line needs {"guid": …, "label": …}')
    return rows


def _json_row(record: Mapping[str, Any], where: str) -> _Row:
    answer = record["predicted"] if "predicted" in record else record["label"]
    tag = record.get("tag") if "predicted" in record else None
    guid, answer, tag = (
        None if cell is None else without_surrogates(str(cell)) for cell in (record["guid"], answer, tag)
    )
    shares = {str(name): float(share) for name, share in record.get("probabilities", {}).items()}
    return _Row(where, guid or "", tag, answer or "", shares)


RELATIONS = {
    NEW: "not in training",
    NEAR: "text or image in training",
    SEEN: "in training",
    VALIDATED: "in validation *",
}
NO_TRAINING = "the training pairs are unknown, so the scores may include pairs that were in training"
OUT_OF_FOLD_NOTE = (
    "these are the pairs of the training, so the scores are those of the run's out-of-fold predictions: each pair is "
    "predicted by models that were not trained on it"
)
USE_OTHERS = "to measure predictions of new pairs, use other pairs"
NO_VALIDATION = (
    "this checkpoint does not record its validation pairs: if they are among these pairs, the scores are optimistic"
)


def chosen_pairs(relation: np.ndarray | None, count: int) -> tuple[str, np.ndarray]:
    """Choose the pairs on which the scores are computed.

    Args:
        relation: how each pair was used in training [N]: one of the keys of `RELATIONS`; None if unknown.
        count: the number of pairs N.

    Returns:
        The name of the chosen group, and a mask [N] of its pairs. The new pairs are chosen if there are two or more,
        else the validation pairs if there are two or more, else all pairs.
    """
    for measured, kind in ((ON_NEW, NEW), (ON_VALIDATION, VALIDATED)):
        if relation is not None and (relation == kind).sum() >= 2:
            return measured, relation == kind
    return ON_UNKNOWN if relation is None else ON_KNOWN, np.ones(count, dtype=bool)


def relation_counts(relation: np.ndarray | None) -> dict[str, int]:
    """Count the pairs for each kind of use in training.

    The keys of the returned counts are field names of `EvaluateResult`. If `relation` is None, there are no counts.
    """
    names = {"new": NEW, "near_training": NEAR, "in_training": SEEN, "in_validation": VALIDATED}
    return {} if relation is None else {name: int((relation == kind).sum()) for name, kind in names.items()}


def used_notes(measured: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return notes on pairs that are left out of the scores, and on optimistic scores.

    Args:
        measured: the group of pairs on which the scores are computed.
        counts: numbers of pairs, as `relation_counts` returns them.
    """
    total = sum(counts.values())
    used = total - counts.get("new", 0)
    if not used or measured == ON_KNOWN:
        return ()
    if measured == ON_OUT_OF_FOLD:
        return (OUT_OF_FOLD_NOTE,)
    shared = _shared(used, total)
    if measured == ON_VALIDATION:
        return ("the scores are optimistic, since the pairs are validation pairs of the training",)
    return (f"{shared}. The scores are those of the other {total - used:,}",)


def memory_finding(measured: str, counts: Mapping[str, int]) -> tuple[Finding, ...]:
    """Return a finding if the scores are computed on training pairs, which the model may have memorised.

    Args:
        measured, counts: as in `used_notes`.
    """
    if measured != ON_KNOWN:
        return ()
    total = sum(counts.values())
    message = f"{_shared(total - counts['new'], total)}: these scores show memory"
    return (Finding(kind=TRAINED_ON, message=message, advice=USE_OTHERS),)


def _shared(used: int, total: int) -> str:
    return f"{used:,} of {total:,} pairs were used in training, or share text or image with a training pair"


def record_notes(seen: SeenPairs | None, answers: Answers) -> tuple[str, ...]:
    """Return a note if it is unknown which pairs were training pairs, or which pairs were validation pairs."""
    if seen is None or not answers.pairs:
        return (NO_TRAINING,)
    return (NO_VALIDATION,) if seen.validation is None else ()
