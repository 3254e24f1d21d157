"""Precision-recall curves of single classes.

Shape letters: N pairs, C classes.
"""

from collections.abc import Sequence

import numpy as np

from mmsent_cli.results import PrecisionRecall

MOST_POINTS = 101
"""Points of a curve that are kept, evenly over its ranks."""


def precision_recall(
    probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]
) -> tuple[PrecisionRecall, ...]:
    """Compute the curve of each class that has pairs, against all other classes.

    Args:
        probabilities: [N, C].
        targets: class numbers [N].
        labels: class names in order.

    Returns:
        One curve for each class with a pair, recall rising to 1. The average precision is that of all
        thresholds, without interpolation.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = []
    for number, label in enumerate(labels):
        is_class = targets == number
        if not is_class.any():
            continue
        precision, recall, _ = precision_recall_curve(is_class, probabilities[:, number])
        precision, recall = precision[:-1], recall[:-1]  # the last point, recall 0 and precision 1, has no threshold
        kept = np.unique(np.linspace(0, len(recall) - 1, MOST_POINTS).round().astype(int))[::-1]
        curves.append(
            PrecisionRecall(
                label=label,
                pairs=int(is_class.sum()),
                average_precision=float(average_precision_score(is_class, probabilities[:, number])),
                recall=tuple(map(float, recall[kept])),
                precision=tuple(map(float, precision[kept])),
            )
        )
    return tuple(curves)
