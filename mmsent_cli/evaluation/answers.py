"""Get the predictions for labelled pairs, from a checkpoint or from a prediction file.

The notes in the report state whether the pairs were used in training.

Shape letters: N pairs, C classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmsent_cli.data.lab import LISTS
from mmsent_cli.data.pairs import Dataset, Pair
from mmsent_cli.data.seen import NEAR, NEW, SEEN, VALIDATED, SeenPairs
from mmsent_cli.data.tags import tag_or_none
from mmsent_cli.errors import DataError, counted, summarize
from mmsent_cli.evaluation.prediction_file import (
    Row,
    are_probabilities,
    probabilities_of,
    read_prediction_file,
    shares_of,
)
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import ON_KNOWN, ON_NEW, ON_OUT_OF_FOLD, ON_UNKNOWN, ON_VALIDATION, TRAINED_ON, Finding

MOST_CLASSES = 100
"""The memory for the statistics grows with the fourth power of the number of classes: 0.8 GB for 100."""


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


def read_answers(path: Path, dataset: Dataset | None = None) -> Answers:
    """Read a prediction file.

    Args:
        path: a file with guids and predicted labels, as `predict` writes it; probabilities are optional.
        dataset: the labelled pairs. None reads the true labels from the column `tag` of the file.

    Raises:
        DataError: the file cannot be read, contains no true labels although `dataset` is None, or contains an unknown
            label; or fewer than two pairs have both a true label and a prediction.
    """
    rows, notes = read_prediction_file(path)
    if dataset is None:
        known = (*{row.predicted for row in rows}, *rows[0].shares)
        true = {row.guid: tag for row in rows if (tag := tag_or_none(row.tag or "", known)) is not None}
        if not true:
            raise DataError(
                f"{path} has predictions but no true labels", "set --data to a folder or table of labelled pairs"
            )
        labels = _classes(rows, true.values())
        _require_few(labels, path)
    else:
        _require_predictions(path, rows, Path(dataset.source))
        true, labels = {pair.guid: pair.tag for pair in dataset.pairs}, dataset.labels
        notes = [*dataset.notes, *dataset.problems, *notes]
    both = [row for row in rows if row.guid in true and row.predicted]
    if len(both) < 2:
        shown = f"such as {rows[0].guid!r} in {path.name} and {next(iter(true))!r} in the pairs"
        raise DataError(
            f"{path} and the labelled pairs have only {counted(len(both), 'guid')} in common; at least two are needed",
            f"check the guids of both files, {shown}",
        )
    if len(both) < len(rows):
        notes.append(f"not used: {counted(len(rows) - len(both), 'row')} without a prediction or without a label")
    if len(both) < len(true):
        notes.append(f"not used: {counted(len(true) - len(both), 'labelled pair')} without a prediction in {path.name}")
    _require_labels(both, labels)
    probabilities, remarks = probabilities_of(both, labels, path.name)
    by_guid = {} if dataset is None else {pair.guid: pair for pair in dataset.pairs}
    return Answers(
        guids=tuple(row.guid for row in both),
        labels=labels,
        true=_numbers((true[row.guid] for row in both), labels),
        predicted=_numbers((row.predicted for row in both), labels),
        probabilities=probabilities,
        pairs=tuple(by_guid[row.guid] for row in both) if by_guid else (),
        notes=(*notes, *remarks),
    )


def _numbers(names: Iterable[str | None], labels: Sequence[str]) -> np.ndarray:
    place = {label: number for number, label in enumerate(labels)}
    return np.array([place[name or ""] for name in names], dtype=np.int64)


def _classes(rows: Sequence[Row], true: Iterable[str]) -> tuple[str, ...]:
    """Return the class names: those of the probabilities, else the labels that occur, sorted."""
    occurring = {*true, *(row.predicted for row in rows if row.predicted)}
    named = [name for name in rows[0].shares if all(np.isfinite(row.shares.get(name, np.nan)) for row in rows)]
    for count in range(len(named), 0, -1):  # behind the probabilities, there may be other numbers
        if occurring <= set(named[:count]) and are_probabilities(shares_of(rows, named[:count])).all():
            return tuple(named[:count])
    return tuple(sorted(occurring))


def _require_few(labels: Sequence[str], path: Path) -> None:
    if len(labels) > MOST_CLASSES:
        raise DataError(
            f"{path} has {len(labels):,} different labels, such as {labels[0]!r}; at most {MOST_CLASSES} can be scored",
            "check that the columns with true and predicted labels contain classes, not scores",
        )


def _require_predictions(path: Path, rows: Sequence[Row], source: Path) -> None:
    """Check that the labels in a file are predictions, and not the true labels of the data source.

    Raises:
        DataError: the file is the table or a list of the source, and has no column with predictions.
    """
    own = [source, *(source / name for name in LISTS)]
    if all(row.tag is None for row in rows) and any(each.is_file() and each.samefile(path) for each in own):
        raise DataError(
            f"{path} has the labels of the pairs themselves, not the predictions of a model",
            "give a file that mmsent predict wrote, or the run of a model",
        )


def _require_labels(rows: Sequence[Row], labels: Sequence[str]) -> None:
    strange = [f"{row.where}: unknown label {row.predicted!r}" for row in rows if row.predicted not in labels]
    if strange:
        raise DataError(summarize(strange), f"use the labels of the pairs: {', '.join(labels)}")


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
        The name of the chosen group, and a mask [N] of its pairs. The new pairs are preferred, then the validation
        pairs. A group with fewer than two pairs is not chosen. If neither group can be chosen, all pairs are chosen.
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
