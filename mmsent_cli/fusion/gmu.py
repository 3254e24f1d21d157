"""Gated multimodal unit."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

WIDTH = 512


class Gmu(nn.Module):
    """Compute z ⊙ tanh(P t) + (1 - z) ⊙ tanh(Q v) with z = σ(R [t; v]), where P, Q and R have 512 outputs.

    The gate z weights the modalities separately for each pair. It has few parameters, so a few thousand pairs suffice.

    Source: Arevalo et al. 2017, arXiv 1702.01992. In contrast to this paper, each linear map has a bias.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = WIDTH
        self.text_projection = nn.Linear(text_dim, WIDTH)
        self.image_projection = nn.Linear(image_dim, WIDTH)
        self.gate = nn.Linear(text_dim + image_dim, WIDTH)

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        gate = self._gate(text, image)
        hidden_text = torch.tanh(self.text_projection(text.pooled))
        hidden_image = torch.tanh(self.image_projection(image.pooled))
        return gate * hidden_text + (1 - gate) * hidden_image  # [B, 512]

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Return the weight of each modality, averaged over the hidden features. The weights sum to 1."""
        share = self._gate(text, image).mean(dim=-1)
        return {"text": share, "image": 1 - share}

    def _gate(self, text: Encoded, image: Encoded) -> Tensor:
        return torch.sigmoid(self.gate(torch.cat([text.pooled, image.pooled], dim=-1)))
