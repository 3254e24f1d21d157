"""Fusion in the style of CLIP: both features are projected and normalized to length 1."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmsent_cli.encoders.contract import Encoded

WIDTH = 512


class Clip(nn.Module):
    """Compute [P t / |P t|; Q v / |Q v|], where P and Q have 512 outputs. For the symbols, see `mmsent_cli.fusion`.

    Unlike CLIP's projections, P and Q have a bias. So a feature of zeros, as in an ablation, can be normalized, and
    the gradient is finite.

    Source: the CLIP style of the published student project; Radford et al. 2021, arXiv 2103.00020.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = 2 * WIDTH
        self.text_projection = nn.Linear(text_dim, WIDTH)
        self.image_projection = nn.Linear(image_dim, WIDTH)

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        text_point = functional.normalize(self.text_projection(text.pooled), dim=-1)
        image_point = functional.normalize(self.image_projection(image.pooled), dim=-1)
        return torch.cat([text_point, image_point], dim=-1)  # [B, 1024]
