"""Compute metrics by scikit-learn."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmsent_cli.results import ClassMetrics, Metrics
from mmsent_cli.stats import accuracy_interval, macro_f1_of


def compute_metrics(true: Sequence[int], predicted: Sequence[int], labels: Sequence[str], loss: float) -> Metrics:
    """Compute accuracy and macro-F1 with their intervals, confusion matrix, and the scores of each class.

    Args:
        true: true class numbers [N].
        predicted: predicted class numbers [N].
        labels: class names in order.
        loss: mean cross-entropy of these pairs, without label smoothing and class weights.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    numbers = list(range(len(labels)))
    zero: Any = 0  # the type stubs know only "warn"
    scores: Any = precision_recall_fscore_support(true, predicted, labels=numbers, zero_division=zero)
    correct = int(np.sum(np.asarray(true) == np.asarray(predicted)))
    # A single pair has no spread to estimate an interval from.
    interval = macro_f1_of(np.asarray(true), np.asarray(predicted)[None], len(labels)) if len(true) > 1 else (0.0, 1.0)
    return Metrics(
        loss=loss,
        accuracy=correct / len(true),
        macro_f1=float(np.mean(scores[2])),
        interval=accuracy_interval(correct, len(true)),
        macro_f1_interval=interval,
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(true, predicted, labels=numbers)),
        per_class=tuple(
            ClassMetrics(label=label, precision=float(p), recall=float(r), f1=float(f), support=int(n))
            for label, p, r, f, n in zip(labels, *scores, strict=True)
        ),
    )


def majority_accuracy(train: Sequence[int], val: Sequence[int]) -> float:
    """Return the accuracy on `val` of always predicting the most frequent class of `train`."""
    answer = Counter(train).most_common(1)[0][0]
    return sum(target == answer for target in val) / len(val)


def metrics_of(log_probabilities: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]) -> Metrics:
    """Return metrics of log-probabilities [N, C]."""
    loss = float(-log_probabilities[np.arange(len(targets)), targets].mean())
    return compute_metrics(targets.tolist(), log_probabilities.argmax(axis=1).tolist(), labels, loss)
