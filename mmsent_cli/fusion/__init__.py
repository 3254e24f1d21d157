"""Fusion layers by name: two encoded modalities become one feature.

A fusion is built from the widths of the features that it reads, has an `out_dim`, and is called as
`fusion(text: Encoded, image: Encoded) -> [B, out_dim]`. A fusion that weights the modalities may report the weights
with `gates(text, image) -> {name: [B]}`, each in [0, 1]; `text` and `image` are the weights of the modalities.

To add one: write such a module in a file of its own, and add a row to FUSIONS; settings that it needs go to
FUSION_DEFAULTS in `config/defaults.py`. The command line, the head, modality dropout, missing modalities, checkpoints
and the contract tests work from that row.

Shape letters: B pairs, T text tokens, T' image positions, Dt and Dv widths of the pooled features, C classes.
In formulas, t [Dt] and v [Dv] are the pooled features of text and image, σ the sigmoid, ⊙ the product by elements,
LN layer normalization; P, Q, R, U, W are affine maps with learned weights and biases.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from mmsent_cli.config import ResolvedModel
from mmsent_cli.errors import ConfigError, unknown_name
from mmsent_cli.fusion.blip import Blip
from mmsent_cli.fusion.blip_advanced import BlipAdvanced
from mmsent_cli.fusion.clip import Clip
from mmsent_cli.fusion.concat import Concat
from mmsent_cli.fusion.cross_attention import CrossAttention
from mmsent_cli.fusion.early import Early
from mmsent_cli.fusion.gmu import Gmu
from mmsent_cli.fusion.logit_ensemble import LogitEnsemble
from mmsent_cli.fusion.self_attention import SelfAttention
from mmsent_cli.fusion.unimodal import ImageOnly, TextOnly
from mmsent_cli.fusion.weighted import Weighted


@dataclass(frozen=True, slots=True)
class FusionSpec:
    """One fusion.

    Attributes:
        build: called as `build(text_dim, image_dim)`; if it reads tokens, as
            `build(text_dim, image_dim, text_token_dim, image_token_dim)`; if it has heads, as
            `build(text_head, image_head, n_classes)`.
        summary: its formula in one line.
        source: a published course system (BERT + ResNet18), or a paper.
        reads: `pooled` features, or `tokens` and pooled features.
        has_heads: it classifies by itself, with one head for each modality, and returns `ClassScores`.
        modalities: those that it reads; the encoder of the other one is neither run nor trained.
        is_published: one of the seven fusions of the published BERT + ResNet18 setup.
    """

    build: Callable[..., nn.Module]
    summary: str
    source: str
    reads: Literal["pooled", "tokens"] = "pooled"
    has_heads: bool = False
    modalities: tuple[str, ...] = ("text", "image")
    is_published: bool = False

    @property
    def is_reference(self) -> bool:
        """True for a single modality: a baseline for fusions."""
        return len(self.modalities) == 1


FUSIONS: dict[str, FusionSpec] = {
    "concat": FusionSpec(Concat, "[t; v]", "course system, late fusion", is_published=True),
    "weighted": FusionSpec(
        Weighted, "[σ(a)·t; σ(b)·v], a and b learned", "course system, weighted late fusion", is_published=True
    ),
    "self-attention": FusionSpec(
        SelfAttention,
        "4-head self-attention over the two modality tokens",
        "course system, late fusion; its sequence of one token fixed",
        is_published=True,
    ),
    "early": FusionSpec(
        Early,
        "joint encoder over [LN(t); LN(v)], 1024 and 512 wide",
        "course system, early fusion",
        is_published=True,
    ),
    "clip": FusionSpec(
        Clip,
        "both projected to 512, L2-normalised, concatenated",
        "course system, CLIP style; arXiv 2103.00020",
        is_published=True,
    ),
    "blip": FusionSpec(
        Blip,
        "LN(P [t ⊙ σ(LN(W v)); v]): the image gates the text",
        "course system, BLIP style; arXiv 2201.12086",
        is_published=True,
    ),
    "blip-advanced": FusionSpec(
        BlipAdvanced,
        "LN(P [t ⊙ σ(LN(W v)); v ⊙ σ(LN(U t))]): gates both ways",
        "course system, advanced BLIP style",
        is_published=True,
    ),
    "gmu": FusionSpec(
        Gmu, "z ⊙ tanh(P t) + (1 - z) ⊙ tanh(Q v), z = σ(R [t; v])", "gated multimodal unit, arXiv 1702.01992"
    ),
    "cross-attention": FusionSpec(
        CrossAttention,
        "text tokens query image tokens and the other way round",
        "arXiv 1908.02265, arXiv 1906.00295",
        reads="tokens",
    ),
    "logit-ensemble": FusionSpec(
        LogitEnsemble,
        "two unimodal heads, their log-probabilities scaled and added",
        "products of experts (Hinton 2002), temperatures of arXiv 1706.04599",
        has_heads=True,
    ),
    "text-only": FusionSpec(TextOnly, "t", "reference", modalities=("text",)),
    "image-only": FusionSpec(ImageOnly, "v", "reference", modalities=("image",)),
}


def find_fusion(name: str) -> FusionSpec:
    """The row of a fusion.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in FUSIONS:
        raise unknown_name("fusion", name, list(FUSIONS))
    return FUSIONS[name]


def require_fusion(model: ResolvedModel) -> None:
    """Check that the fusion exists and can train with the settings.

    Raises:
        ConfigError: it does not, or cannot.
    """
    spec = find_fusion(model.fusion)
    if spec.has_heads and not model.auxiliary_weight:
        raise ConfigError(
            f"--auxiliary-weight 0 is not possible with {model.fusion}: its two heads would not be trained",
            "leave it out",
        )
