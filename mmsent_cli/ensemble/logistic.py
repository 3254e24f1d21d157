"""Multinomial logistic regression whose scaling is part of its weights: plain arrays in, plain arrays out."""

from typing import Any

import numpy as np

MAX_ITERATIONS = 300
NEVER = -20.0
"""Bias of a class that no training row has: a probability of about one in a thousand million."""


def fit_logistic(
    features: Any, targets: np.ndarray, n_classes: int, strength: float, is_scaled: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit scikit-learn's logistic regression.

    Args:
        features: [N, F], dense or sparse.
        targets: class number of each row [N]; two classes or more occur.
        n_classes: C.
        strength: inverse strength of the L2 penalty (C of scikit-learn).
        is_scaled: standardise dense features first; the weights returned are for the features as given.

    Returns:
        Weights [F, C] and biases [C], float64.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

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


def _per_class(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients [F, C] and intercepts [C]; scikit-learn keeps one row where there are two classes."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(intercepts) == 1:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.array([-0.5, 0.5]) * intercepts
    return coefficients.T, intercepts
