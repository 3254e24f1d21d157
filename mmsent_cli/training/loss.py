"""The loss, the optimizer with its learning rates, and the seeds of a training."""

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LRScheduler

from mmsent_cli.compute.threads import request_determinism
from mmsent_cli.config import ResolvedFit
from mmsent_cli.model import Batch, Logits, SentimentModel

if TYPE_CHECKING:
    from accelerate import Accelerator

TINY = 1e-12
"""Lower bound on the divisor of a mean. It avoids a division by zero if there is no pair."""
IGNORED = -100
"""Class of a pair that PyTorch's cross-entropy ignores."""


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
        accelerator: "Accelerator",
    ) -> None:
        self.smoothing = config.label_smoothing
        self.auxiliary_weight = auxiliary_weight
        weights = class_weights(train_targets, n_classes, config.class_weights)
        self.weights = None if weights is None else weights.to(accelerator.device)
        self.accelerator = accelerator

    def __call__(self, logits: Logits, batch: Batch) -> Tensor:
        """Compute the scalar loss of a batch. An auxiliary head ignores pairs without its modality."""
        if self.accelerator.num_processes > 1 or self.accelerator.device.type == "cuda":
            return self._own_part(logits, batch)
        loss = self._cross_entropy(logits.main, batch.target)
        for extra, has_modality in zip((logits.text, logits.image), batch.present.unbind(dim=1), strict=True):
            if extra is not None and has_modality.any():
                part = self._cross_entropy(extra[has_modality], batch.target[has_modality])
                loss = loss + self.auxiliary_weight * part
        return loss

    def _own_part(self, logits: Logits, batch: Batch) -> Tensor:
        """Compute this process's part of a batch's loss. The mean of all parts is the loss of the whole batch.

        Pairs are masked and not selected. To select pairs, the CPU would have to wait until the GPU has counted them.
        """
        known = batch.target >= 0
        heads = [(logits.main, known, 1.0)]
        for extra, has_modality in zip((logits.text, logits.image), batch.present.unbind(dim=1), strict=True):
            if extra is not None:
                heads.append((extra, known & has_modality, self.auxiliary_weight))
        own = torch.stack([self._weight(batch.target, used) for _, used, _ in heads])
        whole = torch.as_tensor(self.accelerator.reduce(own, "sum")).clamp(min=TINY)
        sums = [self._cross_entropy(head, batch.target.masked_fill(~used, IGNORED), "sum") for head, used, _ in heads]
        parts = [weight * part / total for (_, _, weight), part, total in zip(heads, sums, whole, strict=True)]
        return self.accelerator.num_processes * torch.stack(parts).sum()

    def _weight(self, targets: Tensor, used: Tensor) -> Tensor:
        """Return the sum of the class weights of the used pairs, by which the summed loss of these pairs is divided."""
        return used.float().sum() if self.weights is None else (self.weights[targets.clamp(min=0)] * used).sum()

    def _cross_entropy(self, logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        return functional.cross_entropy(
            logits.float(), target, weight=self.weights, label_smoothing=self.smoothing, reduction=reduction
        )


def class_weights(targets: Sequence[int], n_classes: int, kind: str) -> Tensor | None:
    """Return class weights with mean 1; None if `kind` is `none`.

    The weights are the inverse frequencies of the classes (`balanced`), or their square roots (`sqrt`).
    """
    if kind == "none":
        return None
    counts = np.bincount(targets, minlength=n_classes).clip(min=1)
    weights = 1.0 / counts if kind == "balanced" else 1.0 / np.sqrt(counts)
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)


SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def build_optimizer(model: SentimentModel, config: ResolvedFit) -> torch.optim.AdamW:
    """Build AdamW with four parameter groups: encoders and the rest, each with and without weight decay.

    Parameters with at most one dimension (biases, norm layers, scalars) have no weight decay.
    """
    encoders = {id(p) for encoder in (model.text, model.image) for p in encoder.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in encoders, parameter.dim() > 1), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "name": f"{'encoder' if is_encoder else 'head'}{'' if is_decayed else ' (no decay)'}",
            "lr": config.encoder_lr if is_encoder else config.head_lr,
            "weight_decay": config.weight_decay if is_decayed else 0.0,
        }
        for (is_encoder, is_decayed), parameters in groups.items()
    ]
    return torch.optim.AdamW(settings, fused=True)


def steps_per_epoch(batches: int, accumulation_steps: int) -> int:
    """Return the number of optimizer steps in an epoch. The last accumulation group may be incomplete."""
    return math.ceil(batches / accumulation_steps)


def build_schedule(optimizer: torch.optim.Optimizer, config: ResolvedFit, steps: int) -> LRScheduler:
    """Build the learning rate schedule: warm-up, then cosine, linear or constant, over `steps` optimizer steps."""
    from transformers.optimization import get_scheduler

    warmup = round(config.warmup * steps)
    return get_scheduler(SCHEDULES[config.schedule], optimizer, warmup, steps)


def current_lr(optimizer: torch.optim.Optimizer, name: str) -> float:
    """Return the learning rate of the parameter group `encoder` or `head`; 0.0 if the group has no parameters."""
    return next((group["lr"] for group in optimizer.param_groups if group["name"].startswith(name)), 0.0)


def seed_everything(seed: int, epoch: int = 0, process: int = 0) -> None:
    """Seed Python, numpy and torch, and request deterministic kernels. Epoch 0 is for building the model."""
    mixed = int(np.random.SeedSequence([seed, epoch, process] if process else [seed, epoch]).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)
    request_determinism()
