"""Convert logits to probabilities."""

from collections.abc import Sequence

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Convert logits [N, C] to class probabilities [N, C] of the same type."""
    from scipy.special import softmax as scipy_softmax

    return scipy_softmax(logits, axis=-1)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Convert logits [N, C] to log-probabilities float64 [N, C]."""
    from scipy.special import log_softmax as scipy_log_softmax

    return scipy_log_softmax(np.asarray(logits, dtype=np.float64), axis=1)


def geometric_mean(log_probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logarithm of the normalized geometric mean of several arrays of probabilities [N, C]."""
    return log_softmax(np.mean(log_probabilities, axis=0))
