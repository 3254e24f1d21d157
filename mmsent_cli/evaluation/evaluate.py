"""`evaluate`: compute the scores of one model from its predictions for labelled pairs.

Shape letters: N pairs, C classes.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.seen import SeenPairs, word_counts
from mmsent_cli.errors import ConfigError
from mmsent_cli.evaluation.answers import (
    RELATIONS,
    Answers,
    chosen_pairs,
    memory_finding,
    record_notes,
    relation_counts,
    used_notes,
)
from mmsent_cli.results import (
    IGNORES_IMAGE,
    IGNORES_TEXT,
    ON_OUT_OF_FOLD,
    ClassScores,
    EvaluateResult,
    Finding,
    GroupScores,
    Score,
    noted,
)
from mmsent_cli.stats import (
    SHARES,
    accuracy_interval,
    answered_shares,
    calibration_bins,
    calibration_error,
    class_drift,
    confusion_counts,
    f1_by_class,
    few_pairs_notes,
    interval_of,
    learning_findings,
    length_drift,
    precision_recall,
    pseudo_values,
    weighted_f1,
)

MOST_GROUPS = 20
"""If a column has at most this number of different values, each value is a group. Otherwise, the column must have
numbers. They are divided into four groups at the quartiles."""
INPUTS = ("text and image", "text only", "image only")
EVERY = (0.0, 1.0)
"""The interval that contains every possible score. It is used if there are too few pairs to compute an interval."""


def evaluate(
    answers: Answers,
    subject: str,
    source: str,
    seen: SeenPairs | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    recorded: Sequence[Finding] = (),
) -> tuple[EvaluateResult, Answers]:
    """Compute all scores of a model from its predictions.

    Args:
        answers: two pairs or more with their predictions.
        subject: the name of the checkpoint that predicted the pairs, or of the prediction file.
        source: the name of the data source.
        seen: the training pairs; None if they are unknown.
        columns: for each additional column by name, the cell of each pair [N]. The scores are also computed for each
            value of a column.
        recorded: findings that were recorded in the training.

    Returns:
        The result, and the predictions on which its scores are computed.

    Raises:
        ConfigError: a column has too many different values that are not numbers.
    """
    relation = None if seen is None or not answers.pairs else seen.relation(answers.pairs)
    measured, chosen = chosen_pairs(relation, len(answers.guids))
    if answers.is_out_of_fold:
        measured, chosen = ON_OUT_OF_FOLD, np.ones(len(answers.guids), dtype=bool)
    counted = answers.take(chosen)
    confusion = confusion_counts(counted.true, counted.predicted, len(answers.labels))
    support = confusion.sum(axis=1)
    classes = support if seen is None else np.bincount(seen.classes, minlength=len(answers.labels))
    findings = model_findings(counted.true, counted.predicted[None], answers.labels, int(classes.argmax()), recorded)
    counts = relation_counts(relation)
    findings, few = (*findings, *memory_finding(measured, counts)), few_pairs_notes(counted.true, answers.labels)
    result = EvaluateResult(
        subject=subject,
        source=source,
        labels=answers.labels,
        pairs=len(counted.true),
        accuracy=accuracy_score(counted),
        macro_f1=f1_score(counted),
        weighted_f1=_pseudo_score(counted, weighted_f1),
        majority_accuracy=float(support.max() / support.sum()),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        per_class=tuple(_class_scores(counted, number, confusion) for number in range(len(answers.labels))),
        groups=(
            *([] if relation is None else _groups("training", answers, [RELATIONS[each] for each in relation])),
            *_groups("input", counted, [_input(pair) for pair in counted.pairs]),
            *(group for name, cells in (columns or {}).items() for group in _by_column(name, cells, counted, chosen)),
        ),
        measured=measured,
        findings=findings,
        notes=noted(findings, (*used_notes(measured, counts), *answers.notes, *record_notes(seen, answers), *few)),
        **counts,
        **_of_probabilities(counted),
        **_drift(seen, counted),
    )
    return result, counted


def model_findings(
    true: np.ndarray, predicted: np.ndarray, labels: Sequence[str], most_frequent: int, recorded: Iterable[Finding]
) -> tuple[Finding, ...]:
    """Return a finding for each sign that a model has learned too little.

    The signs are found in the predictions. If there are none, return those findings in `recorded` which say that the
    model ignores a modality.

    Args:
        true: true class numbers [N].
        predicted: predicted class numbers [S, N] for S seeds.
        labels: class names in order.
        most_frequent: number of the class that is most frequent in training.
        recorded: findings that were recorded in the training.
    """
    ignored = {finding.kind: finding for finding in recorded if finding.kind in (IGNORES_TEXT, IGNORES_IMAGE)}
    return learning_findings(true, predicted, labels, most_frequent) or tuple(ignored.values())


def accuracy_score(answers: Answers) -> Score:
    """Compute the accuracy, and its 95 % interval by Wilson's method."""
    right, count = int((answers.true == answers.predicted).sum()), len(answers.true)
    return Score(value=right / count, interval=accuracy_interval(right, count))


def f1_score(answers: Answers) -> Score:
    """Compute macro-F1 over the classes that occur as true or predicted class, and the 95 % interval of this score."""
    return _pseudo_score(answers, partial(_f1_of, occurring(answers)))


def occurring(answers: Answers) -> list[int]:
    """Return the numbers of the classes that occur as true or predicted class.

    The macro-F1 of scikit-learn is also the mean over these classes.
    """
    return np.union1d(answers.true, answers.predicted).tolist()


def binned(name: str, cells: Sequence[str]) -> list[str]:
    """Return the name of each cell's group: the value of the cell, or a range if the column has many different numbers.

    The ranges are divided at the quartiles. A cell such as `nan` is in no range and is a group of its own.

    Raises:
        ConfigError: the column has too many different values that are not numbers.
    """
    values = set(cells)
    if len(values) <= MOST_GROUPS:
        return [cell or "(empty)" for cell in cells]
    try:
        numbers = {cell: float(cell) for cell in values if cell}
        numbers = {cell: number for cell, number in numbers.items() if math.isfinite(number)}
    except ValueError:
        numbers = {}
    if not numbers:
        raise ConfigError(
            f"--by {name}: this column has {len(values)} different values, which are too many groups",
            "choose a column with few values",
        )
    edges = np.unique(np.quantile([numbers[cell] for cell in cells if cell in numbers], (0.25, 0.5, 0.75)))
    names = [f"up to {edges[0]:g}", *(f"{low:g} to {high:g}" for low, high in pairwise(edges))]
    names.append(f"above {edges[-1]:g}")
    return [
        names[int(np.searchsorted(edges, numbers[cell]))] if cell in numbers else cell or "(empty)" for cell in cells
    ]


def _input(pair: Pair) -> str:
    return INPUTS[2] if pair.text is None else INPUTS[1] if pair.image is None else INPUTS[0]


def _groups(by: str, answers: Answers, names: Sequence[str]) -> list[GroupScores]:
    """Return the scores of each group of pairs, the largest group first. `names` has the group of each pair.

    If there is only one group by `training` or by `input`, the list is empty.
    """
    found = sorted(set(names), key=lambda name: (-names.count(name), name))
    if len(found) < 2 and by in ("training", "input"):
        return []
    column = np.array(names)
    return [_group(by, name, answers.take(column == name)) for name in found]


def _by_column(name: str, cells: Sequence[str], counted: Answers, chosen: np.ndarray) -> list[GroupScores]:
    """Return the scores of the chosen pairs, grouped by the values of a column.

    Args:
        name: name of the column.
        cells: the cells of the column for all N pairs.
        counted: the predictions for the chosen pairs.
        chosen: mask [N] of the chosen pairs.
    """
    return _groups(name, counted, binned(name, [cells[row] for row in np.flatnonzero(chosen).tolist()]))


def _group(by: str, name: str, answers: Answers) -> GroupScores:
    counts = np.bincount(answers.true)
    return GroupScores(
        by=by,
        name=name,
        pairs=len(answers.true),
        accuracy=accuracy_score(answers),
        macro_f1=f1_score(answers),
        majority_accuracy=float(counts.max() / counts.sum()),
        classes=len(occurring(answers)),
    )


def _class_scores(answers: Answers, number: int, confusion: np.ndarray) -> ClassScores:
    right, support, predicted = confusion[number, number], confusion[number].sum(), confusion[:, number].sum()
    return ClassScores(
        label=answers.labels[number],
        precision=_share(int(right), int(predicted)),
        recall=_share(int(right), int(support)),
        f1=_pseudo_score(answers, partial(_f1_of, [number])),
        support=int(support),
        predicted=int(predicted),
    )


def _f1_of(numbers: Sequence[int], confusion: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the classes `numbers`: confusion matrices [..., C, C] -> mean F1 [...]."""
    return f1_by_class(confusion)[..., numbers].mean(axis=-1)


def _share(right: int, count: int) -> Score:
    """Return the share `right / count` with Wilson's interval. If `count` is 0, the share is 0, as in scikit-learn."""
    if not count:
        return Score(value=0.0, interval=EVERY)
    return Score(value=right / count, interval=accuracy_interval(right, count))


def _pseudo_score(answers: Answers, metric: Callable[[np.ndarray], np.ndarray]) -> Score:
    """Compute a metric from the confusion matrix, and its 95 % interval from jackknife pseudo-values."""
    count, classes = len(answers.true), len(answers.labels)
    value = float(metric(confusion_counts(answers.true, answers.predicted, classes)))
    if count < 2:
        return Score(value=value, interval=EVERY)
    scores = pseudo_values(answers.true, answers.predicted[None], classes, metric)
    return Score(value=value, interval=interval_of(scores))


def _of_probabilities(answers: Answers) -> dict[str, Any]:
    """Compute the scores that need probabilities: loss, calibration, curves, and accuracy of the most confident pairs.

    The keys of the returned scores are field names of `EvaluateResult`. Without probabilities, there are no scores.
    """
    shares, true = answers.probabilities, answers.true
    if shares is None:
        return {}
    own = np.maximum(shares[np.arange(len(true)), true], np.finfo(float).eps)
    return {
        "loss": float(-np.log(own).mean()),
        "calibration_error": calibration_error(shares, true),
        "calibration": calibration_bins(shares, true),
        "curves": precision_recall(shares, true, answers.labels),
        "answered": tuple(dict.fromkeys(answered_shares(shares.max(axis=1), answers.predicted == true, SHARES))),
    }


def _drift(seen: SeenPairs | None, answers: Answers) -> dict[str, Any]:
    if seen is None or not answers.pairs:
        return {}
    classes = len(answers.labels)
    counts = [np.bincount(numbers, minlength=classes).tolist() for numbers in (seen.classes, answers.true)]
    return {
        "classes": class_drift(*counts),
        "lengths": length_drift(seen.words, word_counts(answers.pairs)),
    }
