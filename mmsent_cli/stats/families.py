"""McNemar's exact test of two models, Holm's adjustment of several p values, and the verdict."""

from collections.abc import Sequence

import numpy as np

from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE

LEVEL = 0.05


def mcnemar(arm: np.ndarray, baseline: np.ndarray) -> float:
    """Return the two-sided p value of McNemar's exact test of two models on the same pairs.

    The test compares two models only, so it does not cover other seeds.

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
    """Adjust p values by Holm's method, which controls the probability of any false positive. Keeps the order.

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
