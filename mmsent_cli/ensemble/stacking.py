"""The stacker: how far each judge is trusted, and what the classes weigh in the end.

Multinomial logistic regression over the judges' log-probabilities, fit on answers that were given out of fold. It is
its own calibration: its probabilities are those that the out-of-fold answers bear out. Class offsets, added to its
logarithms, then move the decision from the plain majority of mistakes towards rare classes.

Source: Wolpert 1992, "Stacked generalization"; offsets as in Menon et al. 2021, arXiv 2007.07314, but chosen by
search, since macro-F1 is no mean over pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from mmsent_cli.ensemble.linear import fit_logistic

STRENGTH = 0.05
"""Inverse strength of the L2 penalty on standardised log-probabilities; 0.01 to 0.3 gave the same on real tweets."""
FLOOR = float(np.log(1e-6))
"""No judge's doubt counts for more than this."""
OFFSETS = np.round(np.arange(-0.4, 1.61, 0.1), 1)
"""What is tried for each class."""
GRID_CLASSES = 3
"""Up to so many classes all combinations of offsets are tried; with more, one class after the other."""


@dataclass(frozen=True, slots=True)
class Stacker:
    """Judges' answers to class log-probabilities.

    Attributes:
        weight: float64 [M · C, C] over the answers of M judges side by side.
        bias: float64 [C].
        offsets: float64 [C], added to the log-probabilities before they are normalised anew.
    """

    weight: np.ndarray
    bias: np.ndarray
    offsets: np.ndarray

    def log_probabilities(self, answers: np.ndarray) -> np.ndarray:
        """Logarithms of the class probabilities.

        Args:
            answers: log-probabilities of N pairs by M judges [N, M, C].

        Returns:
            float64 [N, C].
        """
        from scipy.special import log_softmax

        logits = _side_by_side(answers) @ self.weight + self.bias
        return log_softmax(log_softmax(logits, axis=1) + self.offsets, axis=1)


def fit_stacker(answers: np.ndarray, targets: np.ndarray, is_balanced: bool) -> Stacker:
    """Fit a stacker on out-of-fold answers.

    Args:
        answers: log-probabilities of N pairs by M judges [N, M, C].
        targets: class number of each pair [N].
        is_balanced: choose offsets that make the sum of accuracy and macro-F1 largest; else there are none.
    """
    n_classes = answers.shape[2]
    weight, bias = fit_logistic(_side_by_side(answers), targets, n_classes, STRENGTH, is_scaled=True)
    plain = Stacker(weight, bias, np.zeros(n_classes))
    if not is_balanced:
        return plain
    return Stacker(plain.weight, plain.bias, best_offsets(plain.log_probabilities(answers), targets))


def stack_out_of_fold(
    answers: np.ndarray, targets: np.ndarray, folds: Sequence[np.ndarray], is_balanced: bool
) -> np.ndarray:
    """Log-probabilities [N, C] of each pair by a stacker that was fit without the pair's fold.

    Args:
        answers: log-probabilities of N pairs by M judges [N, M, C], each out of fold.
        targets: class number of each pair [N].
        folds: rows of each fold.
        is_balanced: see `fit_stacker`.
    """
    result = np.empty((answers.shape[0], answers.shape[2]))
    for fold in folds:
        others = np.setdiff1d(np.concatenate(list(folds)), fold)
        stacker = fit_stacker(answers[others], targets[others], is_balanced)
        result[fold] = stacker.log_probabilities(answers[fold])
    return result


def best_offsets(log_probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Class offsets [C], the most frequent class at 0, that make the sum of accuracy and macro-F1 largest.

    Args:
        log_probabilities: [N, C].
        targets: [N].
    """
    n_classes = log_probabilities.shape[1]
    free = [c for c in range(n_classes) if c != np.bincount(targets, minlength=n_classes).argmax()]
    if n_classes > GRID_CLASSES:
        return _one_by_one(log_probabilities, targets, free)
    best, found = -1.0, np.zeros(n_classes)
    for values in product(OFFSETS, repeat=len(free)):
        offsets = np.zeros(n_classes)
        offsets[free] = values
        score = _score(log_probabilities + offsets, targets)
        if score > best + 1e-12:
            best, found = score, offsets
    return found


def _one_by_one(log_probabilities: np.ndarray, targets: np.ndarray, free: Sequence[int]) -> np.ndarray:
    """Offsets found one class after the other, twice round."""
    offsets = np.zeros(log_probabilities.shape[1])
    for c in [*free, *free]:
        trials = [np.where(np.arange(len(offsets)) == c, value, offsets) for value in OFFSETS]
        scores = [_score(log_probabilities + trial, targets) for trial in trials]
        offsets = trials[int(np.argmax(scores))]
    return offsets


def _score(log_probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Accuracy and macro-F1 together, of the most probable classes."""
    n_classes = log_probabilities.shape[1]
    predicted = log_probabilities.argmax(axis=1)
    counts = np.bincount(targets * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)
    right, sums = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return float(right.sum() / len(targets) + (2 * right / np.maximum(sums, 1)).mean())


def _side_by_side(answers: np.ndarray) -> np.ndarray:
    """Answers [N, M, C] as features [N, M · C]."""
    return np.maximum(answers, FLOOR).reshape(len(answers), -1)
