"""What this machine can do: its own peak, measured, and how many operations the encoders want."""

import os
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmsent_cli.compute.bf16_probe import cpu_model
from mmsent_cli.compute.device import DTYPES
from mmsent_cli.encoders.contract import Activations, Encoder


def describe() -> str:
    """CPU, cores, threads, torch."""
    return f"{cpu_model()}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads, torch {torch.__version__}"


def best_of(rounds: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of several rounds; other programs only make one slower."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def matmul_gflops(precision: str) -> float:
    """Billions of operations a second of a large matrix product."""
    side = 1536
    left, right = (torch.ones(side, side, dtype=DTYPES[precision]) for _ in range(2))
    return 2 * side**3 / best_of(8, lambda: torch.mm(left, right)) / 1e9


@torch.inference_mode()
def convolution_gflops(precision: str) -> float:
    """The same of a 1x1 convolution over a batch of feature maps, as EfficientNet has many."""
    dtype = DTYPES[precision]
    layer = nn.Conv2d(192, 384, 1).to(dtype).to(memory_format=torch.channels_last)
    maps = torch.ones(8, 192, 28, 28, dtype=dtype).contiguous(memory_format=torch.channels_last)
    return 2 * 8 * 28 * 28 * 192 * 384 / best_of(12, lambda: layer(maps)) / 1e9


def flops(encoder: Encoder, batch: Activations) -> int:
    """Operations of an encoder's stored stages on a batch."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        encoder.prefix(batch, encoder.cut)
    return counter.get_total_flops()
