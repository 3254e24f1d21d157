"""Nested selection: each pair is predicted by the epoch that is best on other pairs.

The best epoch on all pairs gives optimistic scores, since it is chosen and measured on the same pairs.

Shape letters: E epochs, N pairs, C classes.
"""

import math
from typing import NamedTuple

import numpy as np

from mmsent_cli.stats import confusion_counts, macro_f1
from mmsent_cli.training.monitor import Monitor

FOLDS = 5
FOLD_SEED = 0


class FoldScore(NamedTuple):
    """The monitored metric of an epoch on the pairs outside a fold. The other metrics are NaN."""

    epoch: int
    val_loss: float = math.nan
    accuracy: float = math.nan
    macro_f1: float = math.nan


def assign_folds(count: int) -> np.ndarray:
    """Return a fold number for each of N pairs [N]. It is fixed, so that all arms and seeds have the same folds."""
    order = np.random.default_rng(FOLD_SEED).permutation(count)
    folds = np.empty(count, dtype=np.int64)
    folds[order] = np.arange(count) % FOLDS
    return folds


def nested_selection(
    predicted: np.ndarray, true: np.ndarray, monitor: str, classes: int, losses: np.ndarray
) -> np.ndarray:
    """Predict each fold by the epoch that is best on all other folds. If epochs are equal, the first is chosen.

    Args:
        predicted: predicted class numbers after each epoch [E, N].
        true: true class numbers [N], N at least 2.
        monitor: accuracy, macro_f1 or loss.
        classes: number of classes C.
        losses: cross-entropy after each epoch [E, N]; used only if `monitor` is loss.

    Returns:
        Predicted class numbers [N].
    """
    metric, folds, chosen = Monitor(monitor), assign_folds(len(true)), np.empty_like(true)
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        scores = _scores(predicted[:, outside], true[outside], monitor, classes, losses[:, outside])
        chosen[inside] = predicted[metric.best(scores).epoch - 1, inside]
    return chosen


def _scores(predicted: np.ndarray, true: np.ndarray, monitor: str, classes: int, losses: np.ndarray) -> list[FoldScore]:
    epochs = range(1, len(predicted) + 1)
    if monitor == "loss":
        return [FoldScore(epoch, val_loss=float(loss)) for epoch, loss in zip(epochs, losses.mean(axis=1), strict=True)]
    if monitor == "accuracy":
        shares = np.mean(predicted == true, axis=1)
        return [FoldScore(epoch, accuracy=float(share)) for epoch, share in zip(epochs, shares, strict=True)]
    f1s = [float(macro_f1(confusion_counts(true, row, classes))) for row in predicted]
    return [FoldScore(epoch, macro_f1=f1) for epoch, f1 in zip(epochs, f1s, strict=True)]
