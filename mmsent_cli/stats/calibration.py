"""Compute calibration of probabilities, accuracy of confident predictions, and precision-recall curves.

Shape letters: N pairs, C classes.
"""

from collections.abc import Sequence

import numpy as np

from mmsent_cli.results import AnsweredShare, CalibrationBin, PrecisionRecall
from mmsent_cli.stats.estimate import accuracy_interval

MOST_POINTS = 101
"""Maximum number of points of a curve. If there are more thresholds, only some of them give a point. They are evenly
spaced in the sorted list of thresholds."""


def precision_recall(
    probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str]
) -> tuple[PrecisionRecall, ...]:
    """Compute the precision-recall curve of each class that has pairs, against all other classes.

    Args:
        probabilities: class probabilities [N, C].
        targets: class numbers [N].
        labels: class names in order.

    Returns:
        One curve per class, with recall rising to 1. The average precision is computed over all thresholds, without
        interpolation.
    """
    from sklearn.metrics import precision_recall_curve

    curves = []
    for number, label in enumerate(labels):
        is_class = targets == number
        if not is_class.any():
            continue
        precision, recall, _ = precision_recall_curve(is_class, probabilities[:, number])
        # The same as scikit-learn's `average_precision_score`, which would compute the curve again.
        average = max(0.0, -float(np.sum(np.diff(recall) * precision[:-1])))
        precision, recall = precision[:-1], recall[:-1]  # the last point, recall 0 and precision 1, has no threshold
        kept = np.unique(np.linspace(0, len(recall) - 1, MOST_POINTS).round().astype(int))[::-1]
        curves.append(
            PrecisionRecall(
                label=label,
                pairs=int(is_class.sum()),
                average_precision=average,
                recall=tuple(map(float, recall[kept])),
                precision=tuple(map(float, precision[kept])),
            )
        )
    return tuple(curves)


BINS = 15
"""Number of bins of the expected calibration error, as in Guo et al. 2017, arXiv 1706.04599."""
SHARES = tuple(share / 20 for share in range(1, 21))
"""Shares of the most confident pairs for which a report shows the accuracy."""


def calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy.

    Source: Guo et al. 2017, arXiv 1706.04599: 15 bins of equal width.

    Args:
        probabilities: class probabilities [N, C].
        targets: class numbers [N].
    """
    confidence, is_right, bins = _binned(probabilities, targets, BINS)
    gaps = [abs(float((is_right[bins == b] - confidence[bins == b]).sum())) for b in range(BINS)]
    return sum(gaps) / len(targets)


def calibration_bins(probabilities: np.ndarray, targets: np.ndarray, count: int = 10) -> tuple[CalibrationBin, ...]:
    """Return mean confidence and accuracy in each of `count` bins of equal width, without empty bins.

    Args:
        probabilities: class probabilities [N, C].
        targets: class numbers [N].
        count: number of bins.
    """
    confidence, is_right, bins = _binned(probabilities, targets, count)
    rows = []
    for number in np.unique(bins):
        inside = bins == number
        rows.append(
            CalibrationBin(
                low=float(number) / count,
                high=float(number + 1) / count,
                pairs=int(inside.sum()),
                confidence=float(confidence[inside].mean()),
                accuracy=float(is_right[inside].mean()),
                interval=accuracy_interval(int(is_right[inside].sum()), int(inside.sum())),
            )
        )
    return tuple(rows)


def answered_shares(
    confidence: np.ndarray, is_right: np.ndarray, shares: tuple[float, ...]
) -> tuple[AnsweredShare, ...]:
    """Compute the accuracy of the most confident pairs, for several sizes of this group (shares of all pairs).

    Args:
        confidence: probability of the predicted class [N].
        is_right: True for a correct prediction [N].
        shares: shares of the pairs, above 0 and at most 1. Pairs with equal confidence stay together, so a group
            may be a little larger.
    """
    ranked, rows = np.sort(confidence)[::-1], []
    for share in shares:
        threshold = float(ranked[max(1, round(share * len(ranked))) - 1])
        answered = confidence >= threshold
        pairs, right = int(answered.sum()), int(is_right[answered].sum())
        rows.append(
            AnsweredShare(
                share=pairs / len(confidence),
                pairs=pairs,
                threshold=threshold,
                accuracy=right / pairs,
                interval=accuracy_interval(right, pairs),
            )
        )
    return tuple(rows)


def threshold_for_accuracy(confidence: np.ndarray, is_right: np.ndarray, accuracy: float) -> float | None:
    """Return the lowest confidence threshold that gives the required accuracy; None if there is no such threshold.

    The accuracy is computed on the pairs whose confidence is at least the threshold.

    Args:
        confidence: probability of the predicted class [N].
        is_right: True for a correct prediction [N].
        accuracy: the required accuracy, 0 to 1.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    reached = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
    is_last = np.append(ranked[1:] < ranked[:-1], True)  # pairs with equal confidence are in one group
    enough = np.flatnonzero(is_last & (reached >= accuracy))
    return float(ranked[enough[-1]]) if len(enough) else None


def _binned(probabilities: np.ndarray, targets: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three arrays [N]: the confidence of each pair, whether its prediction is correct, and its bin number."""
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == targets
    return confidence, is_right, np.minimum((confidence * count).astype(int), count - 1)
