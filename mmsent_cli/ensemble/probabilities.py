"""Logits to probabilities, in one place."""

from collections.abc import Sequence

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Class probabilities [N, C] of logits [N, C], in the type of the logits."""
    from scipy.special import softmax as scipy_softmax

    return scipy_softmax(logits, axis=-1)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities float64 [N, C] of logits [N, C]."""
    from scipy.special import log_softmax as scipy_log_softmax

    return scipy_log_softmax(np.asarray(logits, dtype=np.float64), axis=1)


def geometric_mean(log_probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Logarithms of the normalized geometric mean of probabilities: several [N, C] to one [N, C]."""
    return log_softmax(np.mean(log_probabilities, axis=0))
