"""The table of fusion layers. A fusion combines text and image features to one feature.

A fusion is an `nn.Module`. It is built from the widths of its input features, has an attribute `out_dim`, and is called
as `fusion(text: Encoded, image: Encoded) -> [B, out_dim]`. A fusion that weights the modalities may have a method
`gates(text, image) -> {name: [B]}`. It returns the weights, with values in [0, 1]. The weights of the modalities have
the names `text` and `image`.

To add a fusion, write the module in a new file, and add a row to FUSIONS. Its default settings go to FUSION_DEFAULTS in
`config/defaults.py`. All other code, including the contract tests, finds the fusion by its row.

Shape letters: B pairs, T text tokens, T' image positions, Dt and Dv widths of the pooled features, C classes. In
formulas, t [Dt] and v [Dv] are the pooled features of text and image, σ is the sigmoid, ⊙ the elementwise product, LN
layer normalization, and P, Q, R, U, W are affine maps with learned weights and biases.
"""

from collections.abc import Callable, Sequence
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
    """The definition of a fusion.

    Attributes:
        build: a function, called as `build(text_dim, image_dim)`; for a fusion that reads tokens, as
            `build(text_dim, image_dim, text_token_dim, image_token_dim)`; for a fusion with heads, as
            `build(text_head, image_head, n_classes)`.
        summary: what the fusion computes, in words.
        formula: what the fusion computes, in symbols.
        source: a published student project (BERT + ResNet18), or a paper.
        reads: `pooled` for pooled features; `tokens` for tokens and pooled features.
        has_heads: True if the fusion has a head for each modality and returns `ClassScores`.
        modalities: the modalities that the fusion reads. Only the encoders of these modalities are run and trained.
        is_published: True for the seven fusions of the published student project.
    """

    build: Callable[..., nn.Module]
    summary: str
    formula: str
    source: str
    reads: Literal["pooled", "tokens"] = "pooled"
    has_heads: bool = False
    modalities: tuple[str, ...] = ("text", "image")
    is_published: bool = False

    @property
    def is_reference(self) -> bool:
        """True if the fusion reads only one modality. Such a fusion is a reference for the other fusions."""
        return len(self.modalities) == 1


FUSIONS: dict[str, FusionSpec] = {
    "concat": FusionSpec(
        Concat, "both features side by side", "[t; v]", "student project, late fusion", is_published=True
    ),
    "weighted": FusionSpec(
        Weighted,
        "both features side by side, each scaled by one learned weight",
        "[σ(a)·t; σ(b)·v]",
        "student project, weighted late fusion",
        is_published=True,
    ),
    "self-attention": FusionSpec(
        SelfAttention,
        "text and image are two tokens that attend to each other",
        "LN(x + attention(LN(x))), x = (P t, Q v), 4 heads, 512 wide",
        "student project, late fusion; its sequence of one token fixed",
        is_published=True,
    ),
    "early": FusionSpec(
        Early,
        "two common layers over both normalized features",
        "f(g([LN(t); LN(v)])), f and g(x) = LN(ReLU(W x)), 1024 and 512 wide",
        "student project, early fusion",
        is_published=True,
    ),
    "clip": FusionSpec(
        Clip,
        "both features are projected to the same width and scaled to length 1",
        "[P t / |P t|; Q v / |Q v|], each 512 wide",
        "student project, CLIP style; arXiv 2103.00020",
        is_published=True,
    ),
    "blip": FusionSpec(
        Blip,
        "the image gates each text feature",
        "LN(P [t ⊙ σ(LN(W v)); v])",
        "student project, BLIP style; arXiv 2201.12086",
        is_published=True,
    ),
    "blip-advanced": FusionSpec(
        BlipAdvanced,
        "each modality gates the features of the other",
        "LN(P [t ⊙ σ(LN(W v)); v ⊙ σ(LN(U t))])",
        "student project, advanced BLIP style",
        is_published=True,
    ),
    "gmu": FusionSpec(
        Gmu,
        "a gate mixes both features, for each pair anew",
        "z ⊙ tanh(P t) + (1 - z) ⊙ tanh(Q v), z = σ(R [t; v])",
        "gated multimodal unit, arXiv 1702.01992",
    ),
    "cross-attention": FusionSpec(
        CrossAttention,
        "text tokens attend to image tokens and the other way round",
        "[mean LN(x + attention(x, y, y)); mean LN(y + attention(y, x, x))], x and y all tokens of text and image",
        "arXiv 1908.02265, arXiv 1906.00295",
        reads="tokens",
    ),
    "logit-ensemble": FusionSpec(
        LogitEnsemble,
        "a classifier for each modality, whose log-probabilities are scaled and added",
        "exp(a)·log p(c | t) + exp(b)·log p(c | v) + bias(c)",
        "products of experts (Hinton 2002), temperatures of arXiv 1706.04599",
        has_heads=True,
    ),
    "text-only": FusionSpec(TextOnly, "the text feature alone", "t", "reference", modalities=("text",)),
    "image-only": FusionSpec(ImageOnly, "the image feature alone", "v", "reference", modalities=("image",)),
}


def find_fusion(name: str) -> FusionSpec:
    """Return the row of a fusion.

    Raises:
        ConfigError: there is no fusion of this name.
    """
    if name not in FUSIONS:
        raise unknown_fusion("fusion", name)
    return FUSIONS[name]


USUAL_NAMES = {"gated": "gmu", "concatenation": "concat", "attention": "cross-attention", "late": "concat"}
"""Other usual names of fusions, each with the name that mmsent uses."""


def unknown_fusion(option: str, name: str, more: Sequence[str] = ()) -> ConfigError:
    """Make the error for an unknown fusion.

    If the name is another name of a fusion (`USUAL_NAMES`), the error suggests this fusion, else a similar name.

    Args:
        option: the option that was given, without dashes.
        name: the unknown name.
        more: further names that the option allows.
    """
    error = unknown_name(option, name, [*more, *FUSIONS])
    meant = USUAL_NAMES.get(name.casefold())
    return ConfigError(f"--{option}: unknown name {name!r}; did you mean {meant}?", error.hint) if meant else error


def require_fusion(model: ResolvedModel) -> None:
    """Check that the fusion exists and works with the settings.

    Raises:
        ConfigError: the name is unknown, or the settings are incompatible.
    """
    spec = find_fusion(model.fusion)
    if spec.has_heads and not model.auxiliary_weight:
        raise ConfigError(
            f"--auxiliary-weight 0 is not possible with {model.fusion}: its two heads would not be trained",
            "leave out --auxiliary-weight",
        )
