"""Confidence intervals and paired tests over pairs and seeds.

Shape letters: S seeds, N pairs, C classes.
"""

from mmsent_cli.stats.calibration import (
    SHARES,
    answered_shares,
    calibration_bins,
    calibration_error,
    threshold_for_accuracy,
)
from mmsent_cli.stats.differences import accuracy_of, compare_scores, interval_of, macro_f1_of
from mmsent_cli.stats.drift import class_drift, length_drift
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
from mmsent_cli.stats.findings import (
    few_pairs_notes,
    learning_findings,
    modality_findings,
    never_answered_finding,
    one_class_finding,
    seldom_answered_finding,
)
from mmsent_cli.stats.precision_recall import precision_recall
from mmsent_cli.stats.scores import (
    accuracy_scores,
    confusion_counts,
    f1_by_class,
    macro_f1,
    macro_f1_scores,
    pseudo_values,
    weighted_f1,
)
from mmsent_cli.stats.share import accuracy_interval
