"""Scores per seed and pair whose mean over pairs is a metric: accuracy, or F1 (by pseudo-values).

Shape letters: S seeds, N pairs, C classes.
"""

from collections.abc import Callable

import numpy as np


def accuracy_scores(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return 1 for a correct prediction, else 0.

    Args:
        true: class numbers [N].
        predicted: class numbers [S, N] or [N].

    Returns:
        float64, the shape of `predicted`.
    """
    return (predicted == true).astype(np.float64)


def confusion_counts(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix [C, C]: true class by row, predicted class by column."""
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def f1_by_class(confusion: np.ndarray) -> np.ndarray:
    """Compute F1 of each class. A class without true and predicted pairs has F1 = 0.

    Args:
        confusion: confusion matrices [..., C, C].

    Returns:
        F1 [..., C].
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)  # [..., C]
    total = confusion.sum(axis=-1) + confusion.sum(axis=-2)  # [..., C]: true pairs plus predicted pairs
    return 2 * right / np.maximum(total, 1)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Compute the mean F1 over all classes from confusion matrices: [..., C, C] -> [...]."""
    return f1_by_class(confusion).mean(axis=-1)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Compute the mean F1 weighted by the number of true pairs from confusion matrices: [..., C, C] -> [...]."""
    support = confusion.sum(axis=-1)  # [..., C]
    return (f1_by_class(confusion) * support).sum(axis=-1) / np.maximum(support.sum(axis=-1), 1)


def macro_f1_scores(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return pseudo-values of macro-F1; see `pseudo_values`."""
    return pseudo_values(true, predicted, classes, macro_f1)


def pseudo_values(
    true: np.ndarray, predicted: np.ndarray, classes: int, metric: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return jackknife pseudo-values of a metric, shifted so that their mean over pairs equals the metric.

    The pseudo-value of a pair is N·F − (N − 1)·F', where F' is the metric without this pair.

    Source: Tukey's pseudo-values as used by Dorfman, Berbaum and Metz 1992; moved ("normalised") after Hillis,
    Berbaum and Metz 2008, Academic Radiology 15:647.

    Args:
        true: true class numbers [N].
        predicted: predicted class numbers [S, N] or [N].
        classes: number of classes C.
        metric: a function of confusion matrices [..., C, C] with values [...].

    Returns:
        float64, the shape of `predicted`.
    """
    if predicted.ndim > 1:
        return np.stack([pseudo_values(true, row, classes, metric) for row in predicted])
    confusion = confusion_counts(true, predicted, classes)
    value = metric(confusion)
    one_less = confusion - np.eye(classes**2, dtype=int).reshape(classes, classes, classes, classes)
    without = metric(np.maximum(one_less, 0))  # [C, C]; an empty cell has no pair, so its value is not used
    scores = (len(true) * value - (len(true) - 1) * without)[true, predicted]
    return scores + (value - scores.mean())
