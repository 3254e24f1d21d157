"""Fusion in the style of BLIP: the image weights the text features."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

WIDTH = 1024


class Gate(nn.Module):
    """Compute weights in (0, 1) for B pairs: σ(LN(W x)), where W is an affine map. [B, in_dim] -> [B, out_dim]."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim)
        self.norm = nn.LayerNorm(out_dim)

    def forward(self, values: Tensor) -> Tensor:
        return torch.sigmoid(self.norm(self.linear(values)))


class Blip(nn.Module):
    """Compute LN(P [t ⊙ σ(LN(W v)); v]), where P has 1024 outputs. For the symbols, see `mmsent_cli.fusion`.

    Source: the BLIP style of the published student project, after Li et al. 2022, arXiv 2201.12086.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = WIDTH
        self.text_gate = Gate(image_dim, text_dim)
        self.projection = nn.Linear(text_dim + image_dim, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        guided = text.pooled * self.text_gate(image.pooled)  # [B, Dt]
        return self.norm(self.projection(torch.cat([guided, image.pooled], dim=-1)))  # [B, 1024]

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Return the weight of the text, averaged over its features. It is near 1/2 at the start of training."""
        return {"text": self.text_gate(image.pooled).mean(dim=-1)}
