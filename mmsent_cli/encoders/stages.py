"""Stage modules shared by encoders, each called as `stage(values, mask)`. Shape letters as in contract.py."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn


class Plain(nn.Module):
    """A sequence of modules that take no mask, such as convolutions."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*modules)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.body(values)


class Normalize(nn.Module):
    """Convert uint8 pixels [B, 3, H, W] to (x / 255 - mean) / std, in channels-last memory layout."""

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
    """A Hugging Face transformer layer on hidden states [B, T, D]. The mask is converted to an additive mask."""

    def __init__(self, layer: nn.Module, is_causal: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.is_causal = is_causal

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        output = self.layer(values, attention_mask(values, mask, self.is_causal))
        return output[0] if isinstance(output, tuple) else output


class Embeddings(nn.Module):
    """A Hugging Face embedding module: token ids [B, T] to hidden states [B, T, D]."""

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.embeddings(input_ids=values)


class NoPool(nn.Module):
    """No pooling, for an encoder whose last stage returns pooled features [B, D]."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return values


class ClsPool(nn.Module):
    """Return the hidden state of the first token: [B, T, D] -> [B, D]."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return values[:, 0]


class MeanPool(nn.Module):
    """Return the mean over the real tokens: [B, T, D] -> [B, D]."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return masked_mean(values, mask)


class LayerMeans(nn.Module):
    """Compute the masked means of several layers from token ids [B, T], and concatenate them: [B, len(layers) · D].

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
    """Apply optional convolutions that widen C to D, then take the mean over positions: [B, C, H, W] -> [B, D].

    The convolutions are part of the pooling, so a fusion that reads tokens gets the feature map before them.
    """

    def __init__(self, *head: nn.Module) -> None:
        super().__init__()
        self.head = nn.Sequential(*head)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.head(values).mean(dim=(2, 3))


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of values [B, T, D] over the tokens whose mask [B, T] is True."""
    if mask is None:
        return values.mean(dim=1)
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def attention_mask(values: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor | None:
    """Return an additive mask [B or 1, 1, T or 1, T]: 0 allows attention, the lowest finite number forbids it."""
    length = values.shape[1]
    allowed = None if mask is None else mask[:, None, None, :]
    if is_causal:
        causal = torch.ones(length, length, dtype=torch.bool, device=values.device).tril()[None, None]
        allowed = causal if allowed is None else allowed & causal
    if allowed is None:
        return None
    lowest = torch.finfo(values.dtype).min
    return torch.zeros(allowed.shape, dtype=values.dtype, device=values.device).masked_fill(~allowed, lowest)
