"""Compare new pairs with the training pairs: their classes and the lengths of their texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmsent_cli.results import ClassDrift, LengthDrift


def class_drift(training: Sequence[int], here: Sequence[int]) -> ClassDrift:
    """Compare class counts: total variation distance, and the p value of a chi-square test of homogeneity.

    Args:
        training, here: number of pairs of each class [C], in the same order.
    """
    from scipy.stats import chi2_contingency

    table = np.array([training, here], dtype=float)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    table = table[:, table.sum(axis=0) > 0]  # a class that occurs nowhere has no expected count
    test: Any = chi2_contingency(table, correction=False) if table.shape[1] > 1 else None
    return ClassDrift(
        training=tuple(map(float, shares[0])),
        here=tuple(map(float, shares[1])),
        distance=float(np.abs(shares[0] - shares[1]).sum() / 2),
        p=1.0 if test is None else float(test.pvalue),
    )


def length_drift(training: np.ndarray, here: np.ndarray) -> LengthDrift:
    """Compare text lengths in words: quartiles, and the two-sample Kolmogorov-Smirnov test.

    Args:
        training, here: number of words of each text [N], [M].
    """
    from scipy.stats import ks_2samp

    test: Any = ks_2samp(training, here)  # the type stubs do not name its parts
    return LengthDrift(
        training=_quartiles(training), here=_quartiles(here), distance=float(test.statistic), p=float(test.pvalue)
    )


def _quartiles(lengths: np.ndarray) -> tuple[float, float, float]:
    low, middle, high = np.quantile(lengths, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)
