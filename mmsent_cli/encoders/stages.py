"""Stages that several encoders share, their initialization, and a faster dropout on a CPU.

PyTorch's dropout on a CPU draws 32 random bits per value in one thread. This takes an eighth of the time of training
two layers of MiniLM. `Dropout` uses 16 random bits per value, which is about 4 times as fast. Its probability is exact
to 1 in 65,536.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class WithoutInitialization(TorchFunctionMode):
    """A context manager in which new parameters are not initialized.

    Drawing the 110 million random numbers of MPNet takes half a second. Rejected: building on the `meta` device, which
    imports TorchDynamo (2 s of CPU time). In the block, the random state does not change.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", "") == torch.nn.init.__name__:
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


LEVELS = 2**16
LOWEST = torch.iinfo(torch.int16).min


class Dropout(nn.Module):
    """Set a share `p` of the values to zero in training, and scale the other values by 1 / (1 - p)."""

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
    """Compute values · mask · scale. Only the mask is kept for the backward pass."""

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
    """Draw a mask: 1 for kept values, else 0. The mask has the data type of `values`, since bool would be slower."""
    draws = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    bits = draws.view(torch.int16)[: values.numel()].view(values.shape)
    kept = LOWEST + round((1 - p) * LEVELS)
    return torch.lt(bits, kept, out=torch.empty(values.shape, dtype=values.dtype))


class Plain(nn.Module):
    """A sequence of modules that take no mask, such as convolutions."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*modules)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.body(values)


class Normalize(nn.Module):
    """Convert each uint8 pixel x of B images [B, 3, height, width] to (x / 255 - mean) / std.

    The memory layout of the result is channels-last.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        floats = (pixels.float() / 255 - self.mean) / self.std
        return floats.contiguous(memory_format=torch.channels_last)


class TokenBlock(nn.Module):
    """Apply a Hugging Face transformer layer to hidden states [B, T, D] (B texts, T tokens, D features).

    The mask is converted to an additive mask.
    """

    def __init__(self, layer: nn.Module, is_causal: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.is_causal = is_causal

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        output = self.layer(values, attention_mask(values, mask, self.is_causal))
        return output[0] if isinstance(output, tuple) else output


class Embeddings(nn.Module):
    """A Hugging Face embedding module: token ids [B, T] of B texts with T tokens -> hidden states [B, T, D]."""

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.embeddings(input_ids=values)


class NoPool(nn.Module):
    """Return the input. This pooling is for an encoder whose last stage already returns pooled features."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return values


class ClsPool(nn.Module):
    """Return the hidden state of the first token: B texts, T tokens, D features [B, T, D] -> [B, D]."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return values[:, 0]


class MeanPool(nn.Module):
    """Return the mean over the real tokens: B texts, T tokens, D features [B, T, D] -> [B, D]."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return masked_mean(values, mask)


class LayerMeans(nn.Module):
    """Compute the mean over the real tokens for several layers, and concatenate the means.

    The input is token ids [B, T] of B texts with T tokens. The output is [B, len(layers) · D] for D features per layer.

    Args:
        blocks: the embeddings, then the layers.
        layers: the numbers of the layers to use; 0 is the embeddings.
    """

    def __init__(self, blocks: Sequence[nn.Module], layers: Collection[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.layers = frozenset(layers)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        means = []
        for number, block in enumerate(self.blocks):
            values = block(values, mask)
            if number in self.layers:
                means.append(masked_mean(values, mask))
        return torch.cat(means, dim=1)


class SpatialPool(nn.Module):
    """Apply optional convolutions from C to D channels, then take the mean over positions: [B, C, H, W] -> [B, D].

    B images, H and W positions.

    The convolutions are part of the pooling, so a fusion that reads tokens gets the feature map before these
    convolutions.
    """

    def __init__(self, *head: nn.Module) -> None:
        super().__init__()
        self.head = nn.Sequential(*head)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.head(values).mean(dim=(2, 3))


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over the tokens whose mask is True: B texts, T tokens, D features [B, T, D] -> [B, D]."""
    if mask is None:
        return values.mean(dim=1)
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def attention_mask(values: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor | None:
    """Return an additive attention mask for B texts of T tokens, [B or 1, 1, T or 1, T].

    0 allows attention, and the lowest finite number forbids attention.
    """
    length = values.shape[1]
    allowed = None if mask is None else mask[:, None, None, :]
    if is_causal:
        causal = torch.ones(length, length, dtype=torch.bool, device=values.device).tril()[None, None]
        allowed = causal if allowed is None else allowed & causal
    if allowed is None:
        return None
    lowest = torch.finfo(values.dtype).min
    return torch.zeros(allowed.shape, dtype=values.dtype, device=values.device).masked_fill(~allowed, lowest)
