"""Fusion layers by name: two encoded modalities become one feature.

A fusion is built from the widths of its inputs, states its `out_dim`, and is called as
`fusion(text: Encoded, image: Encoded) -> [B, out_dim]`. A new one is one file and one row.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from mmsent_cli.fusion.concat import Concat
from mmsent_cli.fusion.weighted import Weighted


@dataclass(frozen=True, slots=True)
class FusionSpec:
    """One fusion: `build(text_dim, image_dim)`, what it does, where it comes from."""

    build: Callable[[int, int], nn.Module]
    summary: str
    source: str


FUSIONS: dict[str, FusionSpec] = {
    "concat": FusionSpec(Concat, "[t; v]", "system A, late fusion"),
    "weighted": FusionSpec(Weighted, "[σ(a)·t; σ(b)·v], a and b learned", "system A, weighted late fusion"),
}
