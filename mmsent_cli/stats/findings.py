"""Find out whether a model predicts one class for nearly all pairs, guesses, or ignores a modality.

Shape letters: S seeds, N pairs, C classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmsent_cli.errors import quoted
from mmsent_cli.results import IGNORES_IMAGE, IGNORES_TEXT, MAJORITY, NEVER_ANSWERED, ONE_CLASS, Finding
from mmsent_cli.stats.differences import LEVEL, compare_scores
from mmsent_cli.stats.estimate import accuracy_scores, confusion_counts

ONE_CLASS_SHARE = 0.1
"""A model counts as predicting a single class if the other classes have at most this share of the expected number of
predictions."""
LEAST_EXPECTED = 3.0
"""Minimum expected number of predictions of some classes, for a finding that these classes are not predicted."""
MORE_WEIGHT = "give rare classes more weight: --class-weights balanced, or with --folds --logit-adjustment 1"
"""Advice if a class is never predicted."""
UNCHANGED_SHARE = 0.01
"""A model counts as ignoring a modality if at most this share of the predictions changes when the modality is taken
from another pair."""
LEAST_PAIRS = 20
"""Minimum number of pairs for the finding that a model ignores a modality."""
FEW_PAIRS = 10
"""If a class has fewer pairs, the interval of macro-F1 is too narrow (docs/statistics.md)."""
IGNORES = {"text": IGNORES_TEXT, "image": IGNORES_IMAGE}


def learning_findings(
    true: np.ndarray, predicted: np.ndarray, labels: Sequence[str], most_frequent: int, advice: str = ""
) -> tuple[Finding, ...]:
    """Return a finding for each sign that an arm (a model, trained with one or more seeds) has learned too little.

    Args:
        true: class numbers [N], N at least 2.
        predicted: class numbers [S, N]; for a single model [1, N].
        labels: class names in order.
        most_frequent: number of the class that is most frequent in training.
        advice: what to try next.
    """
    counts = np.bincount(predicted.ravel(), minlength=len(labels))
    shares = np.bincount(true, minlength=len(labels)) / len(true)
    answered = dict(zip(labels, counts.tolist(), strict=True))
    expected = dict(zip(labels, shares.tolist(), strict=True))
    found = one_class_finding(answered, expected, advice)
    found = found or _majority_finding(true, predicted, labels, most_frequent, advice)
    return found or never_answered_finding(answered, expected)


SELDOM_SHARE = 0.2
"""A class is seldom predicted if the number of its predictions is below this share of the expected number."""
LABELS_OF_TRAINING, PREDICTED_IN_TRAINING = "training labels", "model's predictions in training"
"""Where the usual shares of the classes come from, for use in a message."""
SELDOM_ADVICE = "look at some of these pairs: the new pairs may differ from the training pairs"


def few_pairs_notes(true: np.ndarray, labels: Sequence[str]) -> tuple[str, ...]:
    """Return a note if some classes have too few evaluated pairs for the interval of macro-F1.

    Args:
        true: class numbers [N].
        labels: class names in order.
    """
    counts = np.bincount(true, minlength=len(labels)).tolist()
    few = [f"{quoted(label)} ({count})" for label, count in zip(labels, counts, strict=True) if 0 < count < FEW_PAIRS]
    if not few:
        return ()
    return (f"few evaluated pairs of {', '.join(few)}: intervals of macro-F1 are probably too narrow",)


def one_class_finding(
    counts: Mapping[str, int], expected: Mapping[str, float], advice: str = ""
) -> tuple[Finding, ...]:
    """Return a finding if nearly all predictions are of one class.

    Args:
        counts: number of predictions of each class.
        expected: expected share of each class, 0 to 1.
        advice: what to try next.
    """
    total = sum(counts.values())
    label = max(counts, key=lambda name: counts[name])
    others = total - counts[label]
    expected_others = total * (1 - expected.get(label, 0.0))
    if expected_others < LEAST_EXPECTED or others > ONE_CLASS_SHARE * expected_others:
        return ()
    whom = f"all {total:,}" if not others else f"{counts[label]:,} of {total:,}"
    return (Finding(kind=ONE_CLASS, message=f"the model predicts {quoted(label)} for {whom} pairs", advice=advice),)


def never_answered_finding(counts: Mapping[str, int], expected: Mapping[str, float]) -> tuple[Finding, ...]:
    """Return a finding if classes that should occur are never predicted.

    Args:
        counts: number of predictions of each class.
        expected: expected share of each class, 0 to 1.
    """
    total = sum(counts.values())
    never = [name for name, count in counts.items() if not count and total * expected[name] >= LEAST_EXPECTED]
    names = list(map(quoted, never))
    if not names:
        return ()
    return (Finding(kind=NEVER_ANSWERED, message=f"the model never predicts {' or '.join(names)}", advice=MORE_WEIGHT),)


def seldom_answered_finding(
    counts: Mapping[str, int], expected: Mapping[str, float], source: str = LABELS_OF_TRAINING
) -> tuple[Finding, ...]:
    """Return a finding if classes are never predicted, or much less often than expected.

    Args:
        counts: number of predictions of each class.
        expected: usual share of each class, 0 to 1.
        source: the origin of the usual shares, in words.
    """
    never = never_answered_finding(counts, expected)
    total = sum(counts.values())
    seldom = [
        f"{quoted(name)} ({100 * count / total:.1f} % of the predictions; {100 * expected[name]:.1f} % of the {source})"
        for name, count in counts.items()
        if total * expected[name] >= LEAST_EXPECTED and count < SELDOM_SHARE * total * expected[name]
    ]
    if never or not seldom:
        return never
    message = f"the model hardly ever predicts {' or '.join(seldom)}"
    return (Finding(kind=NEVER_ANSWERED, message=message, advice=SELDOM_ADVICE),)


def modality_findings(
    predicted: np.ndarray, exchanged: Mapping[str, np.ndarray], advice: str = ""
) -> tuple[Finding, ...]:
    """Return a finding for each modality that hardly changes the predictions.

    Args:
        predicted: class numbers [N].
        exchanged: for each modality (text, image), the predictions if this modality is taken from another pair.
        advice: what to try next.
    """
    found = []
    for side, other in exchanged.items():
        changed = int((predicted != other).sum())
        if len(predicted) >= LEAST_PAIRS and changed <= UNCHANGED_SHARE * len(predicted):
            what = f"{changed} of {len(predicted):,} predictions change"
            message = f"the model ignores the {side}: with the {side} of another pair, {what}"
            found.append(Finding(kind=IGNORES[side], message=message, advice=advice))
    return tuple(found)


def _majority_finding(
    true: np.ndarray, predicted: np.ndarray, labels: Sequence[str], most_frequent: int, advice: str
) -> tuple[Finding, ...]:
    """Return a finding if the accuracy is not better than always predicting the majority class."""
    right, always = accuracy_scores(true, predicted), accuracy_scores(true, np.full_like(predicted, most_frequent))
    if compare_scores(right, always).interval[0] > 0 or _follows(true, predicted, len(labels)):
        return ()
    message = (
        f"the model's accuracy, {100 * right.mean():.1f} %, is not distinguishable from the "
        f"{100 * always.mean():.1f} % of always predicting {quoted(labels[most_frequent])}"
    )
    return (Finding(kind=MAJORITY, message=message, advice=advice),)


def _follows(true: np.ndarray, predicted: np.ndarray, classes: int) -> bool:
    """Return True if the predictions depend on the true class.

    This is so if a chi-square test is significant, and the mean recall of the classes is above chance.

    Guesses have a mean recall of 1 / C for any class frequencies; macro-F1 has no such fixed value. With several seeds,
    p is adjusted for the number of seeds.
    """
    from scipy.stats import chi2_contingency

    for row in predicted:
        confusion = confusion_counts(true, row, classes)
        occurring = confusion[np.ix_(confusion.sum(axis=1) > 0, confusion.sum(axis=0) > 0)]
        recalls = np.diagonal(confusion) / np.maximum(confusion.sum(axis=1), 1)
        is_better = recalls.sum() > 1
        if is_better and min(occurring.shape) > 1:
            test: Any = chi2_contingency(occurring)  # the type stubs know no `pvalue`
            if test.pvalue * len(predicted) < LEVEL:
                return True
    return False
