"""Estimate a mean over pairs and seeds, or a difference of two means, with its uncertainty.

Model: score = mean of the pair + effect of the seed + noise of the single prediction. The variance of the mean has two
parts. The first falls with the number of pairs, the second (one for each arm) with the number of seeds. Both are
estimated by an analysis of variance, with Satterthwaite's degrees of freedom. With one seed, this is the paired t test.

An "arm" is one of the compared models or settings, trained with one or more seeds. With three seeds, the estimate of
the seed variance is poor. So if there are other arms, the mean of two estimates is used: one from the two compared
arms, and one from all arms. Rejected: bootstraps over pairs and seeds, and pairing seed n with seed n;
their coverage or power is lower (docs/statistics.md).

Shape letters: S seeds, N pairs, C classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimated mean or difference, with its uncertainty.

    Attributes:
        value: a mean, or a difference of two means.
        standard_error: the standard deviation of `value` over repetitions with other pairs and other seeds. With a
            single seed, it covers the choice of pairs only.
        degrees_of_freedom: the degrees of freedom of the t distribution of the error.
    """

    value: float
    standard_error: float
    degrees_of_freedom: float


def estimate_mean(scores: np.ndarray) -> Estimate:
    """Estimate the mean of an arm.

    Args:
        scores: one score per seed and pair [S, N], N at least 2, from `accuracy_scores` or `macro_f1_scores`.
    """
    return _estimate(scores.mean(axis=0), [scores])


def estimate_difference(arm: np.ndarray, baseline: np.ndarray, others: Sequence[np.ndarray] = ()) -> Estimate:
    """Estimate the mean of an arm minus the mean of the baseline, on the same pairs.

    Args:
        arm, baseline: one score per seed and pair [S, N], N at least 2, from `accuracy_scores` or `macro_f1_scores`.
        others: the scores of other arms, which improve the estimate of the seed variance.
    """
    return _estimate(arm.mean(axis=0) - baseline.mean(axis=0), [arm, baseline], others)


def interval(estimate: Estimate) -> tuple[float, float]:
    """Return the 95 % interval. It contains 0 if and only if `p_value` is 0.05 or more."""
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, estimate.degrees_of_freedom)) * estimate.standard_error
    return estimate.value - reach, estimate.value + reach


def p_value(estimate: Estimate) -> float:
    """Return the two-sided p value of the hypothesis that the true value is 0."""
    from scipy.stats import t

    return float(2 * t.sf(abs(estimate.value) / estimate.standard_error, estimate.degrees_of_freedom))


def detectable(estimate: Estimate, comparisons: int = 1) -> float:
    """Return the smallest true difference that would be detected with 80 % power at this standard error.

    Args:
        estimate: the estimate of a difference.
        comparisons: the number of differences that are tested together; Holm's strictest level is used.
    """
    from scipy.special import nctdtrinc
    from scipy.stats import t

    level = (1 - CONFIDENCE) / comparisons
    threshold = t.isf(level / 2, estimate.degrees_of_freedom)
    return float(nctdtrinc(estimate.degrees_of_freedom, 1 - POWER, threshold)) * estimate.standard_error


def _estimate(pair_means: np.ndarray, arms: Sequence[np.ndarray], others: Sequence[np.ndarray] = ()) -> Estimate:
    """Make an estimate from the variance over pairs and each arm's variance over seeds (Satterthwaite).

    Args:
        pair_means: the score of each pair, averaged over seeds [N].
        arms: the scores of the arms, each [S, N].
        others: see `estimate_difference`.
    """
    seeds, count = arms[0].shape
    observed, noise = np.array([_seed_variances(arm) for arm in (*arms, *others)]).T  # [K], K arms
    own_noise = float(noise[: len(arms)].sum())
    of_seeds = _seed_weights(noise, len(arms)) * observed
    of_pairs = max(float(pair_means.var(ddof=1)) / count - own_noise, 0.0)  # the noise is counted in `of_seeds`
    # At least the variance of one differing pair, since arms that agree on all pairs here may differ on other pairs.
    variance = max(float(of_seeds.sum()) + of_pairs, 1 / count**2)
    spread = float((of_seeds**2).sum()) / max(seeds - 1, 1) + of_pairs**2 / (count - 1)
    return Estimate(
        value=float(pair_means.mean()),
        standard_error=math.sqrt(variance),
        degrees_of_freedom=min(variance**2 / spread, count - 1) if spread else count - 1,
    )


def _seed_weights(noise: np.ndarray, own: int) -> np.ndarray:
    """Return the weights for adding up the seed variances of all arms. The sum is the mean of two estimates.

    The first estimate uses only the compared arms. The second one uses all arms: it is the noise of the compared arms,
    multiplied by the ratio of seed variance to noise over all arms.

    Args:
        noise: for each of K arms, the variance of its mean that is due to noise [K].
        own: the number of compared arms. They are the first arms in `noise`.

    Returns:
        Weights [K]; all are 1 if there are no other arms.
    """
    is_own = np.arange(len(noise)) < own
    total = float(noise.sum())
    return (is_own + float(noise[:own].sum()) / total) / 2 if total else is_own.astype(np.float64)


def _seed_variances(scores: np.ndarray) -> tuple[float, float]:
    """Return the variance of an arm's mean over seeds, and the part of this variance that is noise.

    With a single seed, both values are 0.

    Noise is the variation that neither the seed nor the pair explains.

    Args:
        scores: [S, N].
    """
    seeds, count = scores.shape
    if seeds == 1:
        return 0.0, 0.0
    by_seed, by_pair = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    rest = scores - by_seed - by_pair + scores.mean()  # [S, N]
    noise = float((rest**2).sum()) / ((seeds - 1) * (count - 1))
    return float(by_seed.var(ddof=1)) / seeds, noise / (seeds * count)


@lru_cache(maxsize=4096)
def accuracy_interval(correct: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    Source: Wilson 1927, as computed by `scipy.stats.binomtest(...).proportion_ci`.

    Args:
        correct: number of correctly predicted pairs.
        total: number of all pairs, at least 1.

    Returns:
        Lower and upper limit, between 0 and 1.
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


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
    """Compute the F1 score of each class. A class that has neither true nor predicted pairs has the F1 score 0.

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
    """Compute the mean F1 over all classes, weighted by the number of true pairs of each class.

    The input is confusion matrices [..., C, C], and the result has the shape [...].
    """
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

    Source: Tukey's pseudo-values, as used by Dorfman, Berbaum and Metz 1992; shifted ("normalised") as in Hillis,
    Berbaum and Metz 2008, Academic Radiology 15:647.

    Args:
        true: true class numbers [N].
        predicted: predicted class numbers [S, N] or [N].
        classes: number of classes C.
        metric: a function that computes one value per confusion matrix: [..., C, C] -> [...].

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
