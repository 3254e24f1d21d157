"""A mean over pairs and seeds, or the difference of two, with an interval that covers other pairs and other seeds.

Shape letters: S seeds, N pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and how well it is known.

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
        scores: one figure a seed and pair [S, N], N at least 2; see `scores.py`.
    """
    return _estimate(scores.mean(axis=0), [scores])


def estimate_difference(arm: np.ndarray, baseline: np.ndarray) -> Estimate:
    """Mean of an arm minus mean of the baseline, on the same pairs.

    Args:
        arm, baseline: one figure a seed and pair [S, N], N at least 2; see `scores.py`.
    """
    return _estimate(arm.mean(axis=0) - baseline.mean(axis=0), [arm, baseline])


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
    """The smallest true value that would be told from 0 in four of five repetitions, at this standard error.

    Args:
        estimate: of a difference.
        comparisons: size of its Holm family, whose strictest level counts.
    """
    from scipy.special import nctdtrinc
    from scipy.stats import t

    level = (1 - CONFIDENCE) / comparisons
    threshold = t.isf(level / 2, estimate.degrees_of_freedom)
    return float(nctdtrinc(estimate.degrees_of_freedom, 1 - POWER, threshold)) * estimate.standard_error


def _estimate(pair_means: np.ndarray, arms: Sequence[np.ndarray]) -> Estimate:
    """Sum the variance of seeds (each arm's own) and of pairs, with Satterthwaite's degrees of freedom.

    Args:
        pair_means: the figure of each pair, mean over seeds [N].
        arms: the scores it was made of, each [S, N].
    """
    seeds, count = arms[0].shape
    between_seeds, noise = (sum(parts) for parts in zip(*map(_mean_squares, arms), strict=True))
    pairs = seeds * float(pair_means.var(ddof=1))
    excess = max(pairs - noise, 0.0)  # what pairs add to the noise that is in `between_seeds` already
    total = between_seeds + excess
    spread = sum(_mean_squares(arm)[0] ** 2 for arm in arms) / max(seeds - 1, 1)
    spread += (pairs**2 if excess else 0.0) / (count - 1)
    return Estimate(
        value=float(pair_means.mean()),
        standard_error=max(float(np.sqrt(total / (seeds * count))), 1 / (seeds * count)),
        degrees_of_freedom=total**2 / spread if spread else count - 1,
        covers_seeds=seeds > 1,
    )


def _mean_squares(scores: np.ndarray) -> tuple[float, float]:
    """Mean squares between seeds and of what neither seed nor pair explains, of scores [S, N]; 0 with one seed."""
    seeds, count = scores.shape
    if seeds == 1:
        return 0.0, 0.0
    of_seeds, of_pairs = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    rest = scores - of_seeds - of_pairs + scores.mean()
    return count * float(of_seeds.var(ddof=1)), float((rest**2).sum()) / ((seeds - 1) * (count - 1))
