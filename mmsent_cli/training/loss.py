"""The training loss: cross-entropy with class weights and label smoothing, for main head and auxiliary heads."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mmsent_cli.config import ResolvedFit
from mmsent_cli.model import Batch, Logits


class Loss:
    """The loss of a batch.

    Args:
        config: resolved settings: label smoothing and class weights.
        train_targets: class numbers of the training pairs, for the class weights.
        n_classes: number of classes.
        auxiliary_weight: weight of the losses of the text-only and image-only heads.
    """

    def __init__(
        self,
        config: ResolvedFit,
        train_targets: Sequence[int],
        n_classes: int,
        auxiliary_weight: float,
        device: torch.device,
    ) -> None:
        self.smoothing = config.label_smoothing
        self.auxiliary_weight = auxiliary_weight
        weights = class_weights(train_targets, n_classes, config.class_weights)
        self.weights = None if weights is None else weights.to(device)

    def __call__(self, logits: Logits, batch: Batch) -> Tensor:
        """Compute the scalar loss of a batch. An auxiliary head ignores pairs without its modality."""
        loss = self._cross_entropy(logits.main, batch.target)
        for extra, has_modality in zip((logits.text, logits.image), batch.present.unbind(dim=1), strict=True):
            if extra is not None and has_modality.any():
                part = self._cross_entropy(extra[has_modality], batch.target[has_modality])
                loss = loss + self.auxiliary_weight * part
        return loss

    def _cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(logits.float(), target, weight=self.weights, label_smoothing=self.smoothing)


def class_weights(targets: Sequence[int], n_classes: int, kind: str) -> Tensor | None:
    """Return the class weights: inverse frequency (`balanced`), its square root (`sqrt`), or None. Their mean is 1."""
    if kind == "none":
        return None
    counts = np.bincount(targets, minlength=n_classes).clip(min=1)
    weights = 1.0 / counts if kind == "balanced" else 1.0 / np.sqrt(counts)
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)
