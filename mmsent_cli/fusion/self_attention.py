"""Late fusion by self-attention over the modalities."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded

WIDTH = 512
HEADS = 4


class SelfAttention(nn.Module):
    """Text and image features are projected to the same width, and attend to each other as two tokens.

    The output is LN(x + attention(LN(x))), flattened, where x = [P t, Q v] has the shape [B, 2, 512].

    Source: the published student project. There, the sequence had one token, so the attention weight was always 1 and
    the layer was linear. The sequence of two tokens is a correction.
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
        """Return the share of attention on text and on image, averaged over heads and queries. The shares sum to 1."""
        normed = self.norm_before(self._tokens(text, image))
        _, weights = self.attention(normed, normed, normed)  # [B, 2 queries, 2 keys], mean over heads
        to_text, to_image = weights.mean(dim=1).unbind(dim=1)
        return {"text": to_text, "image": to_image}

    def _tokens(self, text: Encoded, image: Encoded) -> Tensor:
        return torch.stack([self.text_projection(text.pooled), self.image_projection(image.pooled)], dim=1)
