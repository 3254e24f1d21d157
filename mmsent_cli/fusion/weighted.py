"""Late fusion with one learned weight per modality."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

INITIAL = 0.5


class Weighted(nn.Module):
    """Concatenate weighted features: [σ(a)·t; σ(b)·v], where the scalars a and b are learned and start at 0.5.

    Source: the best fusion of the published student project.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = text_dim + image_dim
        self.text_weight = nn.Parameter(torch.tensor(INITIAL))
        self.image_weight = nn.Parameter(torch.tensor(INITIAL))

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        weighted_text = torch.sigmoid(self.text_weight) * text.pooled
        weighted_image = torch.sigmoid(self.image_weight) * image.pooled
        return torch.cat([weighted_text, weighted_image], dim=-1)  # [B, Dt + Dv]

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Return the two weights, which are the same for all pairs."""
        rows = len(text.pooled)
        return {
            "text": torch.sigmoid(self.text_weight).expand(rows),
            "image": torch.sigmoid(self.image_weight).expand(rows),
        }
