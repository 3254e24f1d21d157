"""The stacker: how far each judge is trusted, and what the classes weigh in the end.

Multinomial logistic regression over the members' log-probabilities, fit on answers that were given out of fold. It is
its own calibration: its probabilities are those that the out-of-fold answers bear out. A logit adjustment then moves
the decision from the fewest mistakes towards rare classes, by a share of the classes' own log-frequencies.

Chosen: a share that is given. Rejected: the share, or an offset a class, that is best on the out-of-fold answers: on
4,000 tweets such a search found anything from a quarter to a half by seed, and lost up to a point of accuracy by it.

Source: Wolpert 1992, "Stacked generalization"; Menon et al. 2021, arXiv 2007.07314 (logit adjustment).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmsent_cli.ensemble.logistic import fit_logistic

STRENGTH = 0.05
"""Inverse strength of the L2 penalty on standardised log-probabilities; 0.01 to 0.3 gave the same on real tweets."""
FLOOR = float(np.log(1e-6))
"""No judge's doubt counts for more than this."""


@dataclass(frozen=True, slots=True)
class Stacker:
    """Judges' answers to class log-probabilities.

    Attributes:
        weight: float64 [M · C, C] over the answers of M members side by side.
        bias: float64 [C].
        offsets: float64 [C], added to the log-probabilities before they are normalised anew.
    """

    weight: np.ndarray
    bias: np.ndarray
    offsets: np.ndarray

    def log_probabilities(self, answers: np.ndarray) -> np.ndarray:
        """Logarithms of the class probabilities.

        Args:
            answers: log-probabilities of N pairs by M members [N, M, C].

        Returns:
            float64 [N, C].
        """
        from scipy.special import log_softmax

        logits = _side_by_side(answers) @ self.weight + self.bias
        return log_softmax(log_softmax(logits, axis=1) + self.offsets, axis=1)


def fit_stacker(answers: np.ndarray, targets: np.ndarray, adjustment: float) -> Stacker:
    """Fit a stacker on out-of-fold answers.

    Args:
        answers: log-probabilities of N pairs by M members [N, M, C].
        targets: class number of each pair [N].
        adjustment: 0 leaves the decision as it is, 1 decides as if all classes were equally frequent.
    """
    n_classes = answers.shape[2]
    weight, bias = fit_logistic(_side_by_side(answers), targets, n_classes, STRENGTH, is_scaled=True)
    counts = np.bincount(targets, minlength=n_classes)
    return Stacker(weight, bias, adjustment * np.log(counts.max() / np.maximum(counts, 1)))


def stack_out_of_fold(
    answers: np.ndarray, targets: np.ndarray, folds: Sequence[np.ndarray], adjustment: float
) -> np.ndarray:
    """Log-probabilities [N, C] of each pair by a stacker that was fit without the pair's fold.

    Args:
        answers: log-probabilities of N pairs by M members [N, M, C], each out of fold.
        targets: class number of each pair [N].
        folds: rows of each fold.
        adjustment: see `fit_stacker`.
    """
    result = np.empty((answers.shape[0], answers.shape[2]))
    for fold in folds:
        others = np.setdiff1d(np.concatenate(list(folds)), fold)
        stacker = fit_stacker(answers[others], targets[others], adjustment)
        result[fold] = stacker.log_probabilities(answers[fold])
    return result


def _side_by_side(answers: np.ndarray) -> np.ndarray:
    """Answers [N, M, C] as features [N, M · C]."""
    return np.maximum(answers, FLOOR).reshape(len(answers), -1)
