"""A mean over pairs and seeds, or the difference of two, with an interval that covers other pairs and other seeds.

Shape letters: S seeds, N pairs.

Model: a score is the pair's mean + the seed's luck + noise (which pairs a model gets right by chance). The variance of
a mean of S·N scores has a part that more pairs shrink and, in each arm, a part that only more seeds shrink; both come
from an analysis of variance, and the t distribution's degrees of freedom follow how well each is known. One seed leaves
the paired t test. This is the analysis of several readers (here seeds) who judge the same cases (pairs), each method
with readers of its own: Dorfman, Berbaum and Metz 1992, doi.org/10.1097/00004424-199209000-00015; Hillis 2007,
doi.org/10.1002/sim.2532; degrees of freedom after Satterthwaite 1946. Three seeds tell little about how much seeds
vary, so in a comparison of several arms half of that is what the two arms show and half what all arms show.

Measured on simulated arms (tests/stats/simulated.py: 3 seeds, 800 pairs, accuracy .70, models of an arm agree on 85 %
of pairs, those of two arms on 80 or 85 %), the seeds' true accuracies having a standard deviation of 0, .5, 1, 1.5 and
3 points. Share of 95 % intervals that hold the true difference over all of these, and how often a gap of 6 points is
found (in brackets: at the strictest level of six Holm tests), where arms agree on 85 %:

| | intervals that hold it | found |
|---|---|---|
| chosen, 7 arms | 94.6 to 95.8 % | 100 (98), 100 (96), 99 (88), 94 (68), 55 (22) % |
| chosen, 2 arms | 95.2 to 96.4 % | 100 (81), 99 (73), 93 (52), 79 (33), 38 (8) % |
| the two arms' seeds alone | 94.6 to 96.1 % | as with 2 arms |
| all arms' seeds alike | 94.4 to 96.9 % | 100 (100), 100 (100), 100 (94), 96 (73) % |
| seed n tied to seed n (Hillis, S - 1) | 92.2 to 94.4 % | 95 (54), 90 (45), 77 (31), 60 (20), 28 (8) % |
| bootstrap over pairs and seeds | 99.6 to 84.2 % | |
| the same, studentised | 90.6 to 94.8 % | |
| pairs alone, t or bootstrap | 95.4 to 46.2 % | |

The bootstrap counts noise three times and the seeds' variance only (S - 1)/S times: too wide where seeds hardly matter,
too narrow where they do. Where one of seven arms has seeds that vary more than the others' (2 to .5, 3 to 0 points),
its intervals hold the truth in 93 and 91 %; the two arms' seeds alone would give 95 and 94 %, all arms' alike 90 and
84 %. With 5 seeds the chosen one holds it in 94 to 96 %, with 2 in 93 to 98 %, and finds little. Arms whose models
share their noise (same seed, same layers) get intervals that are too wide, 97 to 99 %.
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


def estimate_difference(arm: np.ndarray, baseline: np.ndarray, others: Sequence[np.ndarray] = ()) -> Estimate:
    """Mean of an arm minus mean of the baseline, on the same pairs.

    Args:
        arm, baseline: one figure a seed and pair [S, N], N at least 2; see `scores.py`.
        others: the same of further arms of the comparison, which help to tell how much seeds vary.
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


def _estimate(pair_means: np.ndarray, arms: Sequence[np.ndarray], others: Sequence[np.ndarray] = ()) -> Estimate:
    """Add the variance that pairs bring and that each arm's seeds bring, with Satterthwaite's degrees of freedom.

    Args:
        pair_means: the figure of each pair, mean over seeds [N].
        arms: the scores it was made of, each [S, N].
        others: see `estimate_difference`.
    """
    seeds, count = arms[0].shape
    observed, noise = np.array([_seed_variances(arm) for arm in (*arms, *others)]).T  # [K], K arms
    own_noise = float(noise[: len(arms)].sum())
    of_seeds = _seed_weights(noise, len(arms)) * observed
    of_pairs = max(float(pair_means.var(ddof=1)) / count - own_noise, 0.0)  # its noise is in `of_seeds` already
    # One pair's worth at least: arms that never differ here do not prove that none ever will.
    variance = max(float(of_seeds.sum()) + of_pairs, 1 / count**2)
    spread = float((of_seeds**2).sum()) / max(seeds - 1, 1) + of_pairs**2 / (count - 1)
    return Estimate(
        value=float(pair_means.mean()),
        standard_error=math.sqrt(variance),
        degrees_of_freedom=min(variance**2 / spread, count - 1) if spread else count - 1,
        covers_seeds=seeds > 1,
    )


def _seed_weights(noise: np.ndarray, own: int) -> np.ndarray:
    """How much each arm's observed variance of seeds counts: half the arms' own, half what all arms show together.

    The second half is the arms' own noise times the ratio of seeds' variance to noise over all arms.

    Args:
        noise: variance of each arm's mean by noise [K].
        own: the first so many arms are those that are compared.

    Returns:
        Weights [K]; without other arms all are 1.
    """
    is_own = np.arange(len(noise)) < own
    total = float(noise.sum())
    return (is_own + float(noise[:own].sum()) / total) / 2 if total else is_own.astype(np.float64)


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
