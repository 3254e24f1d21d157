"""A score per seed and pair whose mean over pairs is the metric: right or wrong, or pseudo-values of F1.

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
    """F1 of each class; a class with no true and no predicted pair counts as 0.

    Args:
        confusion: counts [..., C, C].

    Returns:
        Shares [..., C].
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)  # [..., C]
    total = confusion.sum(axis=-1) + confusion.sum(axis=-2)  # [..., C]: true pairs plus predicted pairs
    return 2 * right / np.maximum(total, 1)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 over all classes: counts [..., C, C] to shares [...]."""
    return f1_by_class(confusion).mean(axis=-1)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1, each class weighted by its number of true pairs: counts [..., C, C] to shares [...]."""
    support = confusion.sum(axis=-1)  # [..., C]
    return (f1_by_class(confusion) * support).sum(axis=-1) / np.maximum(support.sum(axis=-1), 1)


def macro_f1_scores(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Pseudo-values of macro-F1; see `pseudo_values`."""
    return pseudo_values(true, predicted, classes, macro_f1)


def pseudo_values(
    true: np.ndarray, predicted: np.ndarray, classes: int, metric: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Jackknife pseudo-values of a metric, moved so that their mean over pairs is the metric itself.

    A pair's value is N·F − (N − 1)·F without that pair, which depends only on its true and predicted class.

    Source: Tukey's pseudo-values as used by Dorfman, Berbaum and Metz 1992; moved ("normalised") after Hillis,
    Berbaum and Metz 2008, Academic Radiology 15:647.

    Args:
        true: true class numbers [N].
        predicted: predicted class numbers [S, N] or [N].
        classes: number of classes C.
        metric: of confusion counts [..., C, C], with values [...].

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
