"""Confidence intervals and paired tests over pairs and seeds.

Shape letters: S seeds, N pairs, C classes.
"""

from mmsent_cli.stats.estimate import (
    CONFIDENCE,
    Estimate,
    detectable,
    estimate_difference,
    estimate_mean,
    interval,
    p_value,
)
from mmsent_cli.stats.families import holm, mcnemar, verdict
from mmsent_cli.stats.scores import accuracy_scores, confusion_counts, macro_f1, macro_f1_scores
from mmsent_cli.stats.share import accuracy_interval

__all__ = [
    "CONFIDENCE",
    "Estimate",
    "accuracy_interval",
    "accuracy_scores",
    "confusion_counts",
    "detectable",
    "estimate_difference",
    "estimate_mean",
    "holm",
    "interval",
    "macro_f1",
    "macro_f1_scores",
    "mcnemar",
    "p_value",
    "verdict",
]
