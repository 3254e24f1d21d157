"""Late fusion by self-attention over the modalities."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

WIDTH = 512
HEADS = 4


class SelfAttention(nn.Module):
    """Text and image, each projected to one width, attend to each other as two tokens.

    With x = [P t, Q v] [B, 2, 512]: LN(x + attention(LN(x))), flattened.

    Source: the published BERT + ResNet18 setup. Its attention ran over a sequence of one token, whose
    softmax is always 1, so the layer was a linear map. The two modality tokens are this project's fix.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = 2 * WIDTH
        self.text_projection = nn.Linear(text_dim, WIDTH)
        self.image_projection = nn.Linear(image_dim, WIDTH)
        self.norm_before = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm_after = nn.LayerNorm(WIDTH)

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        tokens = self._tokens(text, image)
        normed = self.norm_before(tokens)
        attended, _ = self.attention(normed, normed, normed, need_weights=False)
        return self.norm_after(tokens + attended).flatten(1)  # [B, 2, 512] -> [B, 1024]

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """The share of attention that goes to text and to image, mean over heads and both queries; sum 1."""
        normed = self.norm_before(self._tokens(text, image))
        _, weights = self.attention(normed, normed, normed)  # [B, 2 queries, 2 keys], mean over heads
        to_text, to_image = weights.mean(dim=1).unbind(dim=1)
        return {"text": to_text, "image": to_image}

    def _tokens(self, text: Encoded, image: Encoded) -> Tensor:
        return torch.stack([self.text_projection(text.pooled), self.image_projection(image.pooled)], dim=1)
