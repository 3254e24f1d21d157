"""Interval of a share of pairs, one model."""

from mmsent_cli.stats.estimate import CONFIDENCE


def accuracy_interval(correct: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    Source: Wilson 1927, as computed by `scipy.stats.binomtest(...).proportion_ci`.

    Args:
        correct: pairs predicted right.
        total: all pairs, at least 1.

    Returns:
        Lower and upper end, each in 0 to 1.
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, total).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)
