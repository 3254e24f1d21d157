"""Row 7: our dropout against torch's, alone and in a training step of two MiniLM layers."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.machine import best_of
from benchmarks.tables import Row
from mmsent_cli.encoders.contract import BuildRequest
from mmsent_cli.encoders.fast_cpu_dropout import Dropout
from mmsent_cli.encoders.text.minilm import build
from mmsent_cli.encoders.weights.source import WeightSource

SHAPE = (32, 32, 384)
"""Texts, tokens, width."""
P = 0.1
LAYERS = 2
ROUNDS = 20


def dropout(data: Path, work: Path, pairs: int) -> list[Row]:
    """Forward and backward pass of dropout alone, then of the last layers of MiniLM with either dropout."""
    values = torch.randn(SHAPE, requires_grad=True)
    alone = [_seconds(module.train(), values) for module in (Dropout(P), nn.Dropout(P))]
    encoder = build(BuildRequest(weights=WeightSource(offline=True)))
    layers = nn.Sequential(*list(encoder.stages)[-1 - LAYERS : -1]).train()
    ours = _seconds(layers, values)
    _use_torch_dropout(layers)
    note = f"{SHAPE[0]} texts of {SHAPE[1]} tokens, {SHAPE[2]} wide, p = {P}, forward and backward"
    return [
        Row("7 dropout", *alone, note=note),
        Row(f"  a training step of {LAYERS} MiniLM layers", ours, _seconds(layers, values), note="with either dropout"),
    ]


def _seconds(module: Callable[[Tensor], Tensor], values: Tensor) -> float:
    return best_of(ROUNDS, lambda: module(values).sum().backward())


def _use_torch_dropout(layers: nn.Module) -> None:
    for module in list(layers.modules()):
        for name, child in module.named_children():
            if isinstance(child, Dropout):
                setattr(module, name, nn.Dropout(child.p).train(child.training))
