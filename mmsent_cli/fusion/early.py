"""Early fusion: a joint encoder over both features."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

WIDTHS = (1024, 512)
DROPOUT = (0.4, 0.3)


class Early(nn.Module):
    """Apply an MLP to the concatenated features [LN(t); LN(v)].

    The MLP is Linear(→1024) ReLU Dropout LayerNorm Linear(→512) ReLU Dropout LayerNorm.

    Source: the published student project. The last layers, Linear(→256) ReLU Dropout Linear(→C), are the head.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = WIDTHS[-1]
        self.text_norm = nn.LayerNorm(text_dim)
        self.image_norm = nn.LayerNorm(image_dim)
        self.joint = nn.Sequential(
            *_block(text_dim + image_dim, WIDTHS[0], DROPOUT[0]), *_block(WIDTHS[0], WIDTHS[1], DROPOUT[1])
        )

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        both = torch.cat([self.text_norm(text.pooled), self.image_norm(image.pooled)], dim=-1)  # [B, Dt + Dv]
        return self.joint(both)  # [B, 512]


def _block(in_dim: int, out_dim: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(in_dim, out_dim), nn.ReLU(), nn.Dropout(dropout), nn.LayerNorm(out_dim)]
