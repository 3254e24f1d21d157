"""The stacker: multinomial logistic regression over the members' log-probabilities, then logit adjustment.

The stacker is fit on out-of-fold predictions. So it weights the members by their reliability on unseen pairs, and its
probabilities are calibrated. Logit adjustment then adds a multiple of the negative log-frequency of each class, which
increases recall of rare classes and reduces accuracy.

Chosen: the user sets the strength of the adjustment. Rejected: searching the strength (or an offset for each class) on
the out-of-fold predictions. On 4,000 tweets, this found strengths from 0.25 to 0.5 depending on the seed, and cost up
to one point of accuracy.

Source: Wolpert 1992, "Stacked generalization"; Menon et al. 2021, arXiv 2007.07314 (logit adjustment).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmsent_cli.ensemble.logistic import fit_logistic
from mmsent_cli.ensemble.probabilities import log_softmax

STRENGTH = 0.05
"""Inverse strength of the L2 penalty on standardized log-probabilities. On tweets, 0.01 to 0.3 gave the same
metrics."""
MIN_LOG_PROBABILITY = float(np.log(1e-6))
"""Lower bound on log-probabilities, so that one overconfident member cannot outweigh all others."""


@dataclass(frozen=True, slots=True)
class Stacker:
    """Combines the log-probabilities of C classes by M members into log-probabilities of the ensemble.

    Attributes:
        weight: weights float64 [M · C, C] for the concatenated log-probabilities of the members.
        bias: biases float64 [C].
        offsets: logit adjustment float64 [C], added to the log-probabilities before they are normalized.
    """

    weight: np.ndarray
    bias: np.ndarray
    offsets: np.ndarray

    def log_probabilities(self, members: np.ndarray) -> np.ndarray:
        """Compute the log-probabilities of the ensemble.

        Args:
            members: log-probabilities of C classes for N pairs by M members [N, M, C].

        Returns:
            float64 [N, C].
        """
        logits = _as_features(members) @ self.weight + self.bias
        return log_softmax(log_softmax(logits) + self.offsets)


def fit_stacker(members: np.ndarray, targets: np.ndarray, adjustment: float) -> Stacker:
    """Fit a stacker on out-of-fold predictions.

    Args:
        members: log-probabilities of C classes for N pairs by M members [N, M, C].
        targets: class number of each pair [N].
        adjustment: strength of the logit adjustment: 0 is off, 1 treats all classes as equally frequent.
    """
    n_classes = members.shape[2]
    weight, bias = fit_logistic(_as_features(members), targets, n_classes, STRENGTH, is_scaled=True)
    counts = np.bincount(targets, minlength=n_classes)
    return Stacker(weight, bias, adjustment * np.log(counts.max() / np.maximum(counts, 1)))


def stack_out_of_fold(
    members: np.ndarray, targets: np.ndarray, folds: Sequence[np.ndarray], adjustment: float
) -> np.ndarray:
    """Return the out-of-fold log-probabilities of the ensemble: C classes for N pairs [N, C].

    The stacker that predicts a fold is fit on the other folds.

    Args:
        members: out-of-fold log-probabilities of N pairs by M members [N, M, C].
        targets: class number of each pair [N].
        folds: row numbers of each fold.
        adjustment: strength of the logit adjustment, see `fit_stacker`.
    """
    result = np.empty((members.shape[0], members.shape[2]))
    for fold in folds:
        others = np.setdiff1d(np.concatenate(list(folds)), fold)
        stacker = fit_stacker(members[others], targets[others], adjustment)
        result[fold] = stacker.log_probabilities(members[fold])
    return result


def _as_features(members: np.ndarray) -> np.ndarray:
    """Reshape log-probabilities of N pairs by M members for C classes [N, M, C] to features [N, M · C]."""
    return np.maximum(members, MIN_LOG_PROBABILITY).reshape(len(members), -1)
