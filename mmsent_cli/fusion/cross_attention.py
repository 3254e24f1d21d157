"""Cross-attention over text and image tokens."""

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.encoders.stages import masked_mean

WIDTH = 128
"""Width of the projected tokens. On the sample data, the results with the widths 64, 128 and 256 are not
distinguishable. A larger width takes more time."""
HEADS = 4


class CrossAttention(nn.Module):
    """Text tokens attend to image tokens, and image tokens to text tokens. The two mean outputs are concatenated.

    The input x [B, 1 + T, 128] of a modality contains the pooled feature and the T tokens of B pairs, projected and
    normalized. y is the input of the other modality. The output is the mean of LN(x + attention(x, y, y)) over the real
    tokens. Since the pooled feature is a token, there is a token to attend to even if a modality is missing.

    Sources: Lu et al. 2019, arXiv 1908.02265 (co-attention); Tsai et al. 2019, arXiv 1906.00295 (cross-modal attention
    between sequences of different length). There is one layer, without a feed-forward part, since the data is small.
    """

    def __init__(self, text_dim: int, image_dim: int, text_token_dim: int, image_token_dim: int) -> None:
        super().__init__()
        self.out_dim = 2 * WIDTH
        self.text_tokens = Sequence(text_dim, text_token_dim)
        self.image_tokens = Sequence(image_dim, image_token_dim)
        self.text_queries = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.image_queries = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.text_norm = nn.LayerNorm(WIDTH)
        self.image_norm = nn.LayerNorm(WIDTH)

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        words, is_word = self.text_tokens(text)
        regions, is_region = self.image_tokens(image)
        to_words, _ = self.text_queries(words, regions, regions, ~is_region, need_weights=False)
        to_regions, _ = self.image_queries(regions, words, words, ~is_word, need_weights=False)
        text_side = masked_mean(self.text_norm(words + to_words), is_word)  # [B, 128]
        image_side = masked_mean(self.image_norm(regions + to_regions), is_region)  # [B, 128]
        return torch.cat([text_side, image_side], dim=-1)  # [B, 256]

    def gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor]:
        """Return, for each modality, the share of the attention that its tokens get.

        The pooled feature of the modality gets the rest of the attention.
        """
        words, is_word = self.text_tokens(text)
        regions, is_region = self.image_tokens(image)
        _, on_regions = self.text_queries(words, regions, regions, ~is_region)  # [B, 1 + T, 1 + T'], mean over heads
        _, on_words = self.image_queries(regions, words, words, ~is_word)
        return {
            "text_tokens": 1 - masked_mean(on_words, is_region)[:, 0],
            "image_tokens": 1 - masked_mean(on_regions, is_word)[:, 0],
        }


class Sequence(nn.Module):
    """Makes a sequence [B, 1 + T, 128] from the pooled feature and the T tokens of B pairs.

    It also makes a mask [B, 1 + T], which is True for the pooled feature and for tokens that are not padding.
    """

    def __init__(self, pooled_dim: int, token_dim: int) -> None:
        super().__init__()
        self.pooled = nn.Linear(pooled_dim, WIDTH)
        self.tokens = nn.Linear(token_dim, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        if encoded.tokens is None or encoded.mask is None:
            raise ValueError("cross-attention needs an encoder that gives tokens")
        sequence = torch.cat([self.pooled(encoded.pooled).unsqueeze(1), self.tokens(encoded.tokens)], dim=1)
        is_real = torch.cat([encoded.mask.new_ones(len(encoded.mask), 1), encoded.mask], dim=1)  # [B, 1 + T]
        return self.norm(sequence), is_real
