"""Which epoch counts: the best on all pairs (optimistic), or for each pair the one that is best on the others.

Shape letters: E epochs, N pairs, K folds, C classes.
"""

from collections.abc import Sequence

import numpy as np

from mmsent_cli.results import EpochScore
from mmsent_cli.stats import confusion_counts, macro_f1
from mmsent_cli.training.monitor import Monitor

FOLDS = 5
FOLD_SEED = 0


def best_epoch(curve: Sequence[EpochScore], monitor: str) -> EpochScore:
    """The best epoch of a curve by `training.monitor`; of equal ones the first."""
    return Monitor(monitor).best(curve)


def assign_folds(count: int) -> np.ndarray:
    """Fold number of each of N pairs [N]: a fixed permutation, so every arm and seed has the same folds."""
    order = np.random.default_rng(FOLD_SEED).permutation(count)
    folds = np.empty(count, dtype=np.int64)
    folds[order] = np.arange(count) % FOLDS
    return folds


def nested_selection(
    predicted: np.ndarray, true: np.ndarray, monitor: str, classes: int, losses: np.ndarray
) -> np.ndarray:
    """Predict each fold of pairs by the epoch that is best on all other pairs, so no pair has a say in its own epoch.

    Of equal epochs the earliest counts.

    Args:
        predicted: class numbers after each epoch [E, N].
        true: class numbers [N], N at least 2.
        monitor: accuracy, macro_f1 or loss.
        classes: C.
        losses: cross-entropy after each epoch [E, N]; asked only when that is monitored.

    Returns:
        Class numbers [N].
    """
    folds, chosen = assign_folds(len(true)), np.empty_like(true)
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        figures = _figures(predicted[:, outside], true[outside], monitor, classes, losses[:, outside])
        chosen[inside] = predicted[int(np.argmax(figures)), inside]  # argmax: the first of equal ones
    return chosen


def _figures(predicted: np.ndarray, true: np.ndarray, monitor: str, classes: int, losses: np.ndarray) -> np.ndarray:
    """The monitored figure of each epoch [E], higher is better."""
    if monitor == "loss":
        return -losses.mean(axis=1)
    if monitor == "accuracy":
        return np.sum(predicted == true, axis=1)
    return np.stack([macro_f1(confusion_counts(true, row, classes)) for row in predicted])
