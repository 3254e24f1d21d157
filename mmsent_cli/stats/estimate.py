"""Estimate a mean over pairs and seeds, or a difference of two means, with its uncertainty.

Shape letters: S seeds, N pairs.

Model: score = mean of the pair + effect of the seed + noise of the single prediction. The variance of the mean has two
parts. The first falls with the number of pairs, the second (one for each arm) with the number of seeds. Both are
estimated by an analysis of variance, with Satterthwaite's degrees of freedom. With one seed, this is the paired t test.
Source: multi-reader multi-case analysis, with seeds as readers and pairs as cases (Dorfman, Berbaum and Metz 1992,
doi.org/10.1097/00004424-199209000-00015; Hillis 2007, doi.org/10.1002/sim.2532).

With three seeds, the estimate of the seed variance is poor. So with several arms, it is the mean of two estimates: from
the two compared arms, and from all arms. Rejected: bootstraps over pairs and seeds, and pairing seed n with seed n;
their coverage or power is lower (docs/statistics.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A score and its uncertainty.

    Attributes:
        value: a mean, or a difference of two means.
        standard_error: the standard deviation of `value` over repetitions with other pairs and other seeds.
        degrees_of_freedom: the degrees of freedom of the t distribution of the error.
        covers_seeds: False with a single seed; the standard error then covers the choice of pairs only.
    """

    value: float
    standard_error: float
    degrees_of_freedom: float
    covers_seeds: bool


def estimate_mean(scores: np.ndarray) -> Estimate:
    """Estimate the mean of an arm.

    Args:
        scores: one score per seed and pair [S, N], N at least 2; see `scores.py`.
    """
    return _estimate(scores.mean(axis=0), [scores])


def estimate_difference(arm: np.ndarray, baseline: np.ndarray, others: Sequence[np.ndarray] = ()) -> Estimate:
    """Estimate the mean of an arm minus the mean of the baseline, on the same pairs.

    Args:
        arm, baseline: one score per seed and pair [S, N], N at least 2; see `scores.py`.
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
    """Add the variance of pairs and of each arm's seeds, with Satterthwaite's degrees of freedom.

    Args:
        pair_means: the score of each pair, averaged over seeds [N].
        arms: the scores of the arms, each [S, N].
        others: see `estimate_difference`.
    """
    seeds, count = arms[0].shape
    observed, noise = np.array([_seed_variances(arm) for arm in (*arms, *others)]).T  # [K], K arms
    own_noise = float(noise[: len(arms)].sum())
    of_seeds = _seed_weights(noise, len(arms)) * observed
    of_pairs = max(float(pair_means.var(ddof=1)) / count - own_noise, 0.0)  # its noise is part of `of_seeds`
    # At least that of one pair: arms that agree on all pairs here may differ on others.
    variance = max(float(of_seeds.sum()) + of_pairs, 1 / count**2)
    spread = float((of_seeds**2).sum()) / max(seeds - 1, 1) + of_pairs**2 / (count - 1)
    return Estimate(
        value=float(pair_means.mean()),
        standard_error=math.sqrt(variance),
        degrees_of_freedom=min(variance**2 / spread, count - 1) if spread else count - 1,
        covers_seeds=seeds > 1,
    )


def _seed_weights(noise: np.ndarray, own: int) -> np.ndarray:
    """Return the weights of the arms' seed variances: half for the compared arms, half pooled over all arms.

    The pooled half estimates a seed variance as `noise * ratio`. The ratio is that of all arms: seed variance to noise.

    Args:
        noise: the variance of each arm's mean due to noise [K].
        own: the number of compared arms, which are the first ones.

    Returns:
        Weights [K]; all are 1 if there are no other arms.
    """
    is_own = np.arange(len(noise)) < own
    total = float(noise.sum())
    return (is_own + float(noise[:own].sum()) / total) / 2 if total else is_own.astype(np.float64)


def _seed_variances(scores: np.ndarray) -> tuple[float, float]:
    """Return the variance of an arm's mean over seeds, and the part of it that is noise; 0, 0 with one seed.

    Noise is the variation that neither seed nor pair explains.

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
