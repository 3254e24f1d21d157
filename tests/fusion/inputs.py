"""Encoded pairs for fusion layers, of widths that all differ."""

import torch
from torch import nn

from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.fusion import FUSIONS

TEXT_DIM, IMAGE_DIM, TEXT_TOKEN_DIM, IMAGE_TOKEN_DIM, CLASSES = 12, 20, 6, 10, 3
TEXT_TOKENS, IMAGE_TOKENS = 5, 9
WIDTHS = TEXT_DIM, IMAGE_DIM
TOKEN_WIDTHS = TEXT_TOKEN_DIM, IMAGE_TOKEN_DIM


def build(name, seed=0):
    """A fusion of the table in eval mode."""
    torch.manual_seed(seed)
    return build_fusion(FUSIONS[name], WIDTHS, TOKEN_WIDTHS).eval()


def build_fusion(spec, widths, token_widths):
    """Build from the widths of text and image; heads are linear."""
    if spec.has_heads:
        return spec.build(*(nn.Linear(width, CLASSES) for width in widths), CLASSES)
    return spec.build(*widths, *(token_widths if spec.reads == "tokens" else ()))


def output(fusion, text, image):
    """All that a fusion returns, [B, out_dim] or [B, 3 * out_dim]."""
    fused = fusion(text, image)
    return torch.cat(fused, dim=1) if isinstance(fused, tuple) else fused


def encoded(name, seed=1, rows=4):
    """What the fusion reads of some pairs: five text tokens (the last of pair 0 is padding), nine image positions."""
    draws = torch.Generator().manual_seed(seed)
    reads = FUSIONS[name].reads

    def normal(*shape):
        return torch.randn(*shape, generator=draws)

    text, image = (normal(rows, width) for width in WIDTHS)
    if reads == "pooled":
        return Encoded(text), Encoded(image)
    is_word = torch.ones(rows, TEXT_TOKENS, dtype=torch.bool)
    is_word[0, -1] = False
    is_region = torch.ones(rows, IMAGE_TOKENS, dtype=torch.bool)
    return (
        Encoded(text, normal(rows, TEXT_TOKENS, TEXT_TOKEN_DIM), is_word),
        Encoded(image, normal(rows, IMAGE_TOKENS, IMAGE_TOKEN_DIM), is_region),
    )


def padded(side, extra=3, filler=7.0):
    """The same pairs with more padding, full of rubbish; what has no tokens stays as it is."""
    if side.tokens is None:
        return side
    rows, _, width = side.tokens.shape
    tokens = torch.where(side.mask.unsqueeze(2), side.tokens, filler)
    tokens = torch.cat([tokens, torch.full((rows, extra, width), filler)], dim=1)
    return Encoded(side.pooled, tokens, torch.cat([side.mask, torch.zeros(rows, extra, dtype=torch.bool)], dim=1))


def pairs(side, rows):
    """Some pairs of a modality."""
    return Encoded(*(None if part is None else part[rows] for part in side))
