"""The confidence interval of the accuracy of one model."""

from mmsent_cli.stats.estimate import CONFIDENCE


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
