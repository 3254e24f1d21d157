"""Compute scores and differences with 95 % intervals, test models, and measure drift from the training pairs.

An "arm" is one of the compared models or settings, trained with one or more seeds.

Shape letters: S seeds, N pairs, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE, ClassDrift, Difference, Interval, LengthDrift
from mmsent_cli.stats.estimate import (
    accuracy_interval,
    detectable,
    estimate_difference,
    estimate_mean,
    interval,
    macro_f1_scores,
    p_value,
)

LEVEL = 0.05


def mcnemar(arm: np.ndarray, baseline: np.ndarray) -> float:
    """Return the two-sided p value of McNemar's exact test of two models on the same pairs.

    The test compares two trained models only. Other seeds may give another result.

    Source: McNemar 1947; exact form as in `statsmodels.stats.contingency_tables.mcnemar(exact=True)`.

    Args:
        arm, baseline: True for a correct prediction [N].
    """
    from scipy.stats import binomtest

    only_arm, only_baseline = int(np.sum(arm > baseline)), int(np.sum(arm < baseline))
    if only_arm + only_baseline == 0:
        return 1.0
    return float(binomtest(only_arm, only_arm + only_baseline).pvalue)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values by Holm's method, which controls the probability of any false positive.

    The adjusted values are in the order of the given values.

    Source: Holm 1979, doi.org/10.2307/4615733.
    """
    count = len(p_values)
    adjusted, worst = [0.0] * count, 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        worst = max(worst, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = worst
    return tuple(adjusted)


def verdict(difference: float, p_adjusted: float) -> str:
    """Return the result of a test in words: better, worse, or not distinguishable at the 5 % level."""
    if p_adjusted >= LEVEL:
        return NOT_DISTINGUISHABLE
    return BETTER if difference > 0 else WORSE


def class_drift(training: Sequence[int], here: Sequence[int]) -> ClassDrift:
    """Compare class counts: total variation distance, and the p value of a chi-square test of homogeneity.

    Args:
        training: number of training pairs of each class [C].
        here: number of evaluated pairs of each class [C], in the same order.
    """
    from scipy.stats import chi2_contingency

    table = np.array([training, here], dtype=float)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    table = table[:, table.sum(axis=0) > 0]  # a class that occurs nowhere has no expected count
    test: Any = chi2_contingency(table, correction=False) if table.shape[1] > 1 else None
    return ClassDrift(
        training=tuple(map(float, shares[0])),
        here=tuple(map(float, shares[1])),
        distance=float(np.abs(shares[0] - shares[1]).sum() / 2),
        p=1.0 if test is None else float(test.pvalue),
    )


def length_drift(training: np.ndarray, here: np.ndarray) -> LengthDrift:
    """Compare text lengths in words: quartiles, and the two-sample Kolmogorov-Smirnov test.

    Args:
        training: number of words of each training text [N].
        here: number of words of each evaluated text [M].
    """
    from scipy.stats import ks_2samp

    test: Any = ks_2samp(training, here)  # the type stubs do not name its parts
    return LengthDrift(
        training=_quartiles(training), here=_quartiles(here), distance=float(test.statistic), p=float(test.pvalue)
    )


def _quartiles(lengths: np.ndarray) -> tuple[float, float, float]:
    low, middle, high = np.quantile(lengths, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def compare_scores(
    arm: np.ndarray, baseline: np.ndarray, comparisons: int = 1, others: Sequence[np.ndarray] = ()
) -> Difference:
    """Test the difference between the mean scores of two arms on the same pairs.

    Args:
        arm, baseline: one score per seed and pair [S, N], from `accuracy_scores` or `macro_f1_scores`; [1, N] for
            single models.
        comparisons: the number of differences that are tested together. It only affects `detectable`.
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
    """Compute the 95 % interval of an arm's accuracy, over pairs and seeds. A single model gets Wilson's interval.

    Args:
        right: 1 for a correct prediction, else 0 [S, N].
    """
    if len(right) == 1:
        return accuracy_interval(int(right.sum()), right.size)
    return interval_of(right)


def macro_f1_of(true: np.ndarray, predicted: np.ndarray, classes: int) -> Interval:
    """Compute the 95 % interval of an arm's macro-F1, over pairs and seeds. For a single model, it is only over pairs.

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
    """Clip an interval to the possible range from `lowest` to 1. `lowest` is 0 for a rate, -1 for a difference."""
    return max(ends[0], lowest), min(ends[1], 1.0)
