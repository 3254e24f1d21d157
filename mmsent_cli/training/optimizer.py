"""AdamW with two learning rates, and a schedule counted in optimizer steps."""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from mmsent_cli.config import ResolvedFit
from mmsent_cli.model import SentimentModel

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
    """Return the learning rate of the group `encoder` or `head`; 0.0 if it has no trained parameters."""
    return next((group["lr"] for group in optimizer.param_groups if group["name"].startswith(name)), 0.0)
