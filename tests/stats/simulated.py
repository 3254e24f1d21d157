"""Right and wrong answers of arms whose true accuracies are known.

A pair is as hard as it is for everybody, easier or harder for one arm than for another, and each trained model adds
its own noise. All three are normal, and a model is right where their sum stays below the arm's level.

Shape letters: S seeds, N pairs.
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from mmsent_cli.stats import Estimate, estimate_difference, estimate_mean, interval, macro_f1, macro_f1_scores

ACCURACY = 0.7
WITHIN = 0.85
"""Share of pairs that two models of one arm both get right or both get wrong."""
PAIRS = 800


@cache
def correlation(agreement: float) -> float:
    """Correlation of two models' hidden normals at which they agree on that share of pairs."""
    level = norm.ppf(ACCURACY)

    def excess(rho):
        both_right = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([level, level])
        return 1 - 2 * ACCURACY + 2 * both_right - agreement

    return brentq(excess, 0, 0.9999)


def simulate(
    generator: np.random.Generator,
    seeds: int,
    seed_sd: float = 0.0,
    between: float = 0.8,
    gap: float = 0.0,
    pairs: int = PAIRS,
    arms: int = 2,
) -> list[np.ndarray]:
    """1 where right [S, N] for each arm; the true accuracy of the first exceeds that of the others by `gap`.

    Args:
        generator: draws everything.
        seeds: S.
        seed_sd: standard deviation, over seeds, of a model's accuracy on endless pairs.
        between: as WITHIN, of models of different arms; equal to it, the arms differ in nothing but noise.
        gap: true difference of accuracies.
        pairs: N.
        arms: how many.
    """
    shared, own = correlation(between), correlation(WITHIN)
    spread = seed_sd / norm.pdf(norm.ppf(ACCURACY))
    hardness = np.sqrt(shared) * generator.standard_normal(pairs)
    answers = []
    for arm in range(arms):
        level = norm.ppf(ACCURACY + (gap if arm == 0 else 0.0)) * np.sqrt(1 + spread**2)
        taste = np.sqrt(own - shared) * generator.standard_normal(pairs)
        luck = spread * generator.standard_normal((seeds, 1))
        noise = np.sqrt(1 - own) * generator.standard_normal((seeds, pairs))
        answers.append((hardness + taste + luck + noise < level).astype(float))
    return answers


def estimates(count: int, **settings) -> list[Estimate]:
    """Estimated differences of the first two arms of `count` simulated comparisons, always the same ones."""
    generator = np.random.default_rng(0)
    compared = (simulate(generator, **settings) for _ in range(count))
    return [estimate_difference(arm, baseline, others) for arm, baseline, *others in compared]


def macro_f1_coverage(shares, confusion, pairs: int, repetitions: int = 1000) -> float:
    """How often the interval of macro-F1 contains the truth, for a model whose errors depend on the class alone.

    Args:
        shares: of each class [C].
        confusion: of each true class, how often each class is predicted [C, C].
        pairs: N.
        repetitions: data sets that are drawn.
    """
    shares, confusion = np.array(shares), np.array(confusion)
    truth, classes = macro_f1(shares[:, None] * confusion * 1e9), len(shares)
    generator, hits = np.random.default_rng(0), 0
    for _ in range(repetitions):
        true = generator.choice(classes, pairs, p=shares)
        predicted = (generator.random((pairs, 1)) > confusion.cumsum(axis=1)[true]).sum(axis=1).clip(0, classes - 1)
        low, high = interval(estimate_mean(macro_f1_scores(true, predicted[None], classes)))
        hits += low <= truth <= high
    return hits / repetitions
