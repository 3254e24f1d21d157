"""A mean over pairs and seeds, or the difference of two, with an interval that covers other pairs and other seeds.

Shape letters: S seeds, N pairs.

Model: score = mean of the pair + effect of the seed + noise (which pairs a model gets right by chance). The variance of
a mean of S·N scores has a part that shrinks with more pairs and, in each arm, a part that shrinks only with more seeds.
Both are estimated by an analysis of variance, with Satterthwaite's degrees of freedom; one seed leaves the paired t
test. Source: multi-reader multi-case analysis with seeds as readers and pairs as cases, each arm with readers of its
own (Dorfman, Berbaum and Metz 1992, doi.org/10.1097/00004424-199209000-00015; Hillis 2007, doi.org/10.1002/sim.2532).

Three seeds estimate the seed variance poorly, so in a comparison of several arms it is shrunk: half from the two arms,
half pooled over all arms. Rejected: bootstraps over pairs and seeds, and pairing seed n with seed n, which cover less
or find less; docs/statistics.md has the measured coverage.
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
        value: mean, or difference of two means.
        standard_error: its standard deviation over repetitions with other pairs and other seeds.
        degrees_of_freedom: of the t distribution that the error follows.
        covers_seeds: false with a single seed, where the error is about the choice of pairs alone.
    """

    value: float
    standard_error: float
    degrees_of_freedom: float
    covers_seeds: bool


def estimate_mean(scores: np.ndarray) -> Estimate:
    """Mean of one arm.

    Args:
        scores: one score per seed and pair [S, N], N at least 2; see `scores.py`.
    """
    return _estimate(scores.mean(axis=0), [scores])


def estimate_difference(arm: np.ndarray, baseline: np.ndarray, others: Sequence[np.ndarray] = ()) -> Estimate:
    """Mean of an arm minus mean of the baseline, on the same pairs.

    Args:
        arm, baseline: one score per seed and pair [S, N], N at least 2; see `scores.py`.
        others: the same of further arms of the comparison, which help to estimate the seed variance.
    """
    return _estimate(arm.mean(axis=0) - baseline.mean(axis=0), [arm, baseline], others)


def interval(estimate: Estimate) -> tuple[float, float]:
    """The 95 % interval; it holds 0 exactly when `p_value` is 0.05 or more."""
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, estimate.degrees_of_freedom)) * estimate.standard_error
    return estimate.value - reach, estimate.value + reach


def p_value(estimate: Estimate) -> float:
    """Two-sided p of the true value being 0."""
    from scipy.stats import t

    return float(2 * t.sf(abs(estimate.value) / estimate.standard_error, estimate.degrees_of_freedom))


def detectable(estimate: Estimate, comparisons: int = 1) -> float:
    """The smallest true value that is distinguished from 0 in four of five repetitions, at this standard error.

    Args:
        estimate: of a difference.
        comparisons: size of its Holm family; its strictest level is used.
    """
    from scipy.special import nctdtrinc
    from scipy.stats import t

    level = (1 - CONFIDENCE) / comparisons
    threshold = t.isf(level / 2, estimate.degrees_of_freedom)
    return float(nctdtrinc(estimate.degrees_of_freedom, 1 - POWER, threshold)) * estimate.standard_error


def _estimate(pair_means: np.ndarray, arms: Sequence[np.ndarray], others: Sequence[np.ndarray] = ()) -> Estimate:
    """Add the variance of pairs and of each arm's seeds, with Satterthwaite's degrees of freedom.

    Args:
        pair_means: the score of each pair, mean over seeds [N].
        arms: the scores they are the means of, each [S, N].
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
    """The weight of each arm's observed seed variance: half the arms' own, half pooled over all arms.

    The pooled half is the arms' own noise times the ratio of seed variance to noise over all arms.

    Args:
        noise: variance of each arm's mean by noise [K].
        own: number of arms that are compared; they come first.

    Returns:
        Weights [K]; without other arms all are 1.
    """
    is_own = np.arange(len(noise)) < own
    total = float(noise.sum())
    return (is_own + float(noise[:own].sum()) / total) / 2 if total else is_own.astype(np.float64)


def _seed_variances(scores: np.ndarray) -> tuple[float, float]:
    """Variance of an arm's mean over seeds, and its part that is noise; 0, 0 with one seed.

    Noise is what neither seed nor pair explains: a model trained again gets other pairs right.

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
