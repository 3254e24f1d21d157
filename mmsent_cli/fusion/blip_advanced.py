"""Fusion in the style of BLIP: each modality weights the features of the other."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.fusion.blip import WIDTH, Gate


class BlipAdvanced(nn.Module):
    """Compute LN(P [t ⊙ σ(LN(W v)); v ⊙ σ(LN(U t))]), where P has 1024 outputs.

    For the symbols, see `mmsent_cli.fusion`. Source: the advanced BLIP style of the published student project.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = WIDTH
        self.text_gate = Gate(image_dim, text_dim)
        self.image_gate = Gate(text_dim, image_dim)
        self.projection = nn.Linear(text_dim + image_dim, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        guided_text = text.pooled * self.text_gate(image.pooled)  # [B, Dt]
        guided_image = image.pooled * self.image_gate(text.pooled)  # [B, Dv]
        return self.norm(self.projection(torch.cat([guided_text, guided_image], dim=-1)))  # [B, 1024]

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Return the weight of each modality, averaged over its features."""
        return {
            "text": self.text_gate(image.pooled).mean(dim=-1),
            "image": self.image_gate(text.pooled).mean(dim=-1),
        }
