"""Scores and differences with their 95 % intervals, for all comparisons and evaluations.

Shape letters: S seeds, N pairs, C classes.
"""

from collections.abc import Sequence

import numpy as np

from mmsent_cli.results import Difference, Interval
from mmsent_cli.stats.estimate import detectable, estimate_difference, estimate_mean, interval, p_value
from mmsent_cli.stats.scores import macro_f1_scores
from mmsent_cli.stats.share import accuracy_interval


def compare_scores(
    arm: np.ndarray, baseline: np.ndarray, comparisons: int = 1, others: Sequence[np.ndarray] = ()
) -> Difference:
    """Test the difference of two arms on the same pairs.

    Args:
        arm, baseline: a score per seed and pair [S, N], see `scores.py`; [1, N] for single models.
        comparisons: number of differences that are tested together (Holm).
        others: the scores of the other arms, which improve the estimate of the seed variance.
    """
    estimate = estimate_difference(arm, baseline, others)
    return Difference(
        difference=estimate.value,
        interval=_within(-1.0, interval(estimate)),
        p=p_value(estimate),
        detectable=min(detectable(estimate, comparisons), 1.0),
    )


def accuracy_of(right: np.ndarray) -> Interval:
    """Compute the 95 % interval of an arm's accuracy over pairs and seeds; for one model, Wilson's interval.

    Args:
        right: 1 for a correct prediction, else 0 [S, N].
    """
    if len(right) == 1:
        return accuracy_interval(int(right.sum()), right.size)
    return interval_of(right)


def macro_f1_of(true: np.ndarray, predicted: np.ndarray, classes: int) -> Interval:
    """Compute the 95 % interval of an arm's macro-F1 over pairs and seeds; for one model, over pairs.

    Args:
        true: true class numbers [N].
        predicted: predicted class numbers [S, N]; [1, N] for a single model.
        classes: number of classes C.
    """
    return interval_of(macro_f1_scores(true, predicted, classes))


def interval_of(scores: np.ndarray) -> Interval:
    """Compute the 95 % interval of a mean score from 0 to 1.

    Args:
        scores: a score per seed and pair [S, N], N at least 2.
    """
    return _within(0.0, interval(estimate_mean(scores)))


def _within(lowest: float, ends: Interval) -> Interval:
    """Clip an interval to the possible range: 0 to 1 for a rate, -1 to 1 for a difference of rates."""
    return max(ends[0], lowest), min(ends[1], 1.0)
