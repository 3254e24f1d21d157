"""Multinomial logistic regression as plain arrays. The weights include the standardization of the features."""

from typing import Any

import numpy as np

MAX_ITERATIONS = 300
ABSENT_CLASS_BIAS = -20.0
"""Bias of a class without training rows. Its probability is then about 1e-9."""


def fit_logistic(
    features: Any, targets: np.ndarray, n_classes: int, strength: float, is_scaled: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit scikit-learn's logistic regression.

    Args:
        features: F features for each of N rows [N, F], dense or sparse.
        targets: class number of each row [N]; at least two classes must occur.
        n_classes: number of classes C.
        strength: inverse strength of the L2 penalty (`C` in scikit-learn).
        is_scaled: standardize dense features first; the returned weights are for the unscaled features.

    Returns:
        Weights [F, C] and biases [C], float64.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features) if is_scaled else None
    scaled = features if scaler is None else scaler.transform(features)
    model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS).fit(scaled, targets)
    weight = np.zeros((features.shape[1], n_classes))
    bias = np.full(n_classes, ABSENT_CLASS_BIAS)
    weight[:, model.classes_], bias[model.classes_] = _per_class(model)
    if scaler is not None:
        weight /= np.asarray(scaler.scale_)[:, None]
        bias -= np.asarray(scaler.mean_) @ weight
    return weight, bias


def _per_class(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients [F, C] and intercepts [C] for F features and C classes.

    For two classes, scikit-learn has only one column of coefficients, which is converted to two.
    """
    coefficients, intercepts = model.coef_, model.intercept_
    if len(intercepts) == 1:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.array([-0.5, 0.5]) * intercepts
    return coefficients.T, intercepts
