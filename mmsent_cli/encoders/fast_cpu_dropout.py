"""Dropout that is about 4 times as fast on a CPU as PyTorch's.

PyTorch draws 32 random bits per value in one thread, which takes an eighth of the time of training two layers of
MiniLM. Here 16 random bits per value are used; the dropout probability is exact to 1 in 65,536.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 2**16
LOWEST = torch.iinfo(torch.int16).min


class Dropout(nn.Module):
    """Set a share `p` of the values to zero in training, and scale the others by 1 / (1 - p). Keeps the shape."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return values
        if not values.is_cpu:
            return functional.dropout(values, self.p)
        return _Masked.apply(values, _mask(values, self.p), 1 / (1 - self.p))


class _Masked(torch.autograd.Function):
    """Compute values · mask · scale. Only the mask is saved for the backward pass."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return values.mul(mask).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return gradients[0].mul(mask).mul_(ctx.scale), None, None


def _mask(values: Tensor, p: float) -> Tensor:
    """Draw a mask: 1 for kept values, else 0. It has the type of the values; a bool mask would be slower."""
    draws = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    bits = draws.view(torch.int16)[: values.numel()].view(values.shape)
    kept = LOWEST + round((1 - p) * LEVELS)
    return torch.lt(bits, kept, out=torch.empty(values.shape, dtype=values.dtype))
