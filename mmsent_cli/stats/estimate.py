"""A mean over pairs and seeds, or the difference of two, with an interval that covers other pairs and other seeds.

Shape letters: S seeds, N pairs.

Model: a score is the pair's mean + the seed's luck + noise (which pairs a model gets right by chance). The variance of
a mean of S·N scores has a part that more pairs shrink and, in each arm, a part that only more seeds shrink; both are
taken from an analysis of variance, and the t distribution's degrees of freedom follow how well each is known. One seed
leaves the paired t test. This is the analysis of several readers (here seeds) who judge the same cases (pairs), with
readers of their own for each method: Dorfman, Berbaum and Metz 1992, doi.org/10.1097/00004424-199209000-00015; Hillis
2007, doi.org/10.1002/sim.2532; degrees of freedom after Satterthwaite 1946.

Measured on simulated arms (tests/stats/simulated.py; 3,000 comparisons a case, 3 seeds, 800 pairs, accuracy .70, models
of an arm agree on 85 % of pairs, models of two arms on 80 to 85 %), the seeds' true accuracies having a standard
deviation of 0, .5, 1, 1.5 and 3 points. Share of 95 % intervals that hold the true difference, and how often a gap of 6
points is found (in brackets: at the level of the strictest of six Holm tests):

- chosen: 94.6 to 96.1 % in all of them; equal arms called different in 4 %; found 100 (80 to 94), 99 (70 to 88),
  92 (50 to 68), 77 (31 to 46), 35 (8) %. With 2 seeds 93 to 96 %, found 85 % at best; with 5 seeds 94.6 to 95.8 %.
- rejected, bootstrap over pairs and seeds: 99.6 to 84 %. It counts noise three times and the seeds' variance only
  (S - 1)/S times, so it is too wide where seeds hardly matter and too narrow where they do. Studentised: 91 to 95 %.
- rejected, pairs alone (t or bootstrap): 95 to 46 %, as it knows nothing of other seeds.
- rejected, seed n of one arm tied to seed n of the other (Hillis with S - 1 degrees of freedom): 92 to 94 %, and finds
  less (28 to 98 %): the seeds of two arms have little in common, and tying them halves the degrees of freedom.
- rejected, seeds' variance pooled over all arms of a comparison: 94 to 95 % and finds more (99 % under Holm), but 77 to
  90 % for an arm whose seeds vary more than those of the others.

Arms whose models share their noise (same seed, same layers) get intervals that are too wide: 97 to 99 %.
"""

import math
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
    """Add the variance that pairs bring and that each arm's seeds bring, with Satterthwaite's degrees of freedom.

    Args:
        pair_means: the figure of each pair, mean over seeds [N].
        arms: the scores it was made of, each [S, N].
    """
    seeds, count = arms[0].shape
    of_seeds, noise = zip(*map(_seed_variances, arms), strict=True)
    of_pairs = max(float(pair_means.var(ddof=1)) / count - sum(noise), 0.0)  # its noise is in `of_seeds` already
    # One pair's worth at least: arms that never differ here do not prove that none ever will.
    variance = max(sum(of_seeds) + of_pairs, 1 / count**2)
    spread = sum(part**2 for part in of_seeds) / max(seeds - 1, 1) + of_pairs**2 / (count - 1)
    return Estimate(
        value=float(pair_means.mean()),
        standard_error=math.sqrt(variance),
        degrees_of_freedom=min(variance**2 / spread, count - 1) if spread else count - 1,
        covers_seeds=seeds > 1,
    )


def _seed_variances(scores: np.ndarray) -> tuple[float, float]:
    """Variance of an arm's mean that other seeds bring, and the part of it that is noise; 0, 0 with one seed.

    Noise is what neither seed nor pair explains: the same model trained again gets other pairs right.

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
