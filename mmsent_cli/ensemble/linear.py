"""Multinomial logistic regression whose scaling is part of its weights: plain arrays in, plain arrays out."""

from typing import Any

import numpy as np

MAX_ITERATIONS = 300
LEAST = 1e-3
"""Added to the count of a class, so that its share has a logarithm."""
NEVER = -20.0
"""Bias of a class that no training row has: a probability of about one in a thousand million."""


def fit_logistic(
    features: Any, targets: np.ndarray, n_classes: int, strength: float, is_scaled: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit scikit-learn's logistic regression.

    Args:
        features: [N, F], dense or sparse.
        targets: class number of each row [N]. Where fewer than two classes occur, there is nothing to learn, and the
            classes' shares of the rows are all that is said.
        n_classes: C.
        strength: inverse strength of the L2 penalty (C of scikit-learn).
        is_scaled: standardise dense features first; the weights returned are for the features as given.

    Returns:
        Weights [F, C] and biases [C], float64.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    counts = np.bincount(targets, minlength=n_classes)
    if np.count_nonzero(counts) < 2:
        return np.zeros((features.shape[1], n_classes)), log_shares(counts)
    scaler = StandardScaler().fit(features) if is_scaled else None
    scaled = features if scaler is None else scaler.transform(features)
    model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS).fit(scaled, targets)
    weight = np.zeros((features.shape[1], n_classes))
    bias = np.full(n_classes, NEVER)
    weight[:, model.classes_], bias[model.classes_] = _per_class(model)
    if scaler is not None:
        weight /= np.asarray(scaler.scale_)[:, None]
        bias -= np.asarray(scaler.mean_) @ weight
    return weight, bias


def log_shares(counts: np.ndarray) -> np.ndarray:
    """Logarithms of the shares that counts [C] are of their sum; none is quite zero."""
    return np.log((counts + LEAST) / (counts + LEAST).sum())


def _per_class(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients [F, C] and intercepts [C]; scikit-learn keeps one row where there are two classes."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(intercepts) == 1:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.array([-0.5, 0.5]) * intercepts
    return coefficients.T, intercepts
