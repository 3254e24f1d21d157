"""Kernel ridge regression over the features of several frozen encoders: the only probe that is not linear.

The features of each encoder are standardized and reduced to principal components. They are scaled so that each encoder
contributes a fixed share (`SHARES`) of the mean squared distance between two pairs. The kernel is exp(-squared
distance). The targets are 1 for the class of a pair, else 0.

Chosen: scikit-learn's kernel ridge regression, on a sample of the pairs if there are very many. Rejected: the Nyström
method with 1,000 pairs, which lost half a point of accuracy on 4,000 tweets; features that are not reduced, which need
100 MB for 4,000 pairs instead of 18.

Source: Saunders et al. 1998, "Ridge Regression Learning Algorithm in Dual Variables".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SHARES = {"image": 0.5, "minilm-layers": 0.2, "mpnet-layers": 0.3}
"""The frozen encoders, each with its share of the mean squared distance between two training pairs."""
COMPONENTS = 256
MAX_PAIRS = 6000
"""With more training pairs, a random sample of this size is used. The time grows with the third power of the sample's
size (3 s for this size)."""
MIN_OUTPUT = 0.02
"""Lower bound on an output of the regression, so that its logarithm exists."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A fitted kernel: R training pairs, and the projections from features to principal components.

    Attributes:
        projections: for each encoder, the weights from its D features to P components, float32 [D, P].
        offset: offset of the concatenated components of all encoders, float32 [sum of all P].
        rows: components of the training pairs, float32 [R, sum of all P].
    """

    projections: tuple[np.ndarray, ...]
    offset: np.ndarray
    rows: np.ndarray

    def project(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Compute the components of N pairs, float64 [N, sum of all P], from the features [N, D] of each encoder."""
        wide = [part.astype(np.float64) @ own for part, own in zip(parts, self.projections, strict=True)]
        return np.hstack(wide) + self.offset

    def features(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Compute the kernel between N pairs and the R training pairs, float64 [N, R].

        `parts` has the features [N, D] of each encoder.
        """
        own, rows = self.project(parts), self.rows.astype(np.float64)
        squares = (own**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1) - 2 * own @ rows.T
        return np.exp(-np.maximum(squares, 0))


def fit_kernel(
    parts: Mapping[str, np.ndarray], targets: np.ndarray, prior: np.ndarray, strength: float
) -> tuple[Kernel, np.ndarray, np.ndarray]:
    """Fit the regression. If only one class occurs, the outputs are always the prior.

    Args:
        parts: for each encoder in `SHARES`, the D features of N pairs [N, D].
        targets: class number of each pair [N].
        prior: the shares of the C classes in training [C].
        strength: the L2 penalty.

    Returns:
        The kernel with R training pairs, the weights float64 [R, C], and the biases float64 [C].
    """
    from sklearn.kernel_ridge import KernelRidge

    if len(np.unique(targets)) < 2:
        projections = tuple(np.zeros((part.shape[1], 0), np.float32) for part in parts.values())
        nothing = np.zeros(0, np.float32)
        return Kernel(projections, nothing, nothing.reshape(0, 0)), np.zeros((0, len(prior))), prior
    one_hot = np.eye(len(prior))[targets]
    bias = one_hot.mean(axis=0)
    if len(targets) > MAX_PAIRS:
        chosen = np.sort(np.random.default_rng(0).choice(len(targets), MAX_PAIRS, replace=False))
        parts, one_hot = {name: part[chosen] for name, part in parts.items()}, one_hot[chosen]
    maps = [_fit_projection(part, SHARES[name]) for name, part in parts.items()]
    projections, offset = tuple(weight for weight, _ in maps), np.concatenate([offset for _, offset in maps])
    rows = Kernel(projections, offset, np.empty(0)).project(list(parts.values())).astype(np.float32)
    regression: Any = KernelRidge  # scikit-learn's type stub declares alpha as an integer
    model = regression(alpha=strength, kernel="rbf", gamma=1.0).fit(rows, one_hot - bias)
    return Kernel(projections, offset, rows), np.asarray(model.dual_coef_), bias


def to_logits(outputs: np.ndarray) -> np.ndarray:
    """Convert outputs of the regression to logits. The softmax of the logits is the clipped and normalized outputs."""
    return np.log(np.clip(outputs, MIN_OUTPUT, 1.0))


def _fit_projection(part: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit the projection from D features of an encoder to P scaled components.

    Return the weights, float32 [D, P], and the offset, float32 [P].
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(part)
    found = PCA(min(COMPONENTS, *part.shape), random_state=0).fit(scaler.transform(part))
    spread = 2 * np.asarray(found.explained_variance_).sum()  # the mean squared distance of two pairs
    weight = np.asarray(found.components_).T / np.asarray(scaler.scale_)[:, None] * np.sqrt(share / max(spread, 1e-12))
    return weight.astype(np.float32), (-np.asarray(scaler.mean_) @ weight).astype(np.float32)
