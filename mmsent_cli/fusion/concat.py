"""Late fusion by concatenation."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded


class Concat(nn.Module):
    """Concatenate both features: [t; v]. Source: the baseline of the published student project."""

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = text_dim + image_dim

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        return torch.cat([text.pooled, image.pooled], dim=-1)  # [B, Dt + Dv]
