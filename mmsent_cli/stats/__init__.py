"""Confidence intervals and paired tests over pairs and seeds.

Shape letters: S seeds, N pairs, C classes.
"""

from mmsent_cli.stats.calibration import (
    SHARES,
    answered_shares,
    calibration_bins,
    calibration_error,
    precision_recall,
    threshold_for_accuracy,
)
from mmsent_cli.stats.differences import (
    accuracy_of,
    class_drift,
    compare_scores,
    holm,
    interval_of,
    length_drift,
    macro_f1_of,
    mcnemar,
    verdict,
)
from mmsent_cli.stats.estimate import (
    CONFIDENCE,
    Estimate,
    accuracy_interval,
    accuracy_scores,
    confusion_counts,
    detectable,
    estimate_difference,
    estimate_mean,
    f1_by_class,
    interval,
    macro_f1,
    macro_f1_scores,
    p_value,
    pseudo_values,
    weighted_f1,
)
from mmsent_cli.stats.findings import (
    PREDICTED_IN_TRAINING,
    few_pairs_notes,
    learning_findings,
    modality_findings,
    never_answered_finding,
    one_class_finding,
    seldom_answered_finding,
)
