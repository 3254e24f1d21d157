"""Encoders + fusion + head -> logits; the only module that masks a modality."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmsent_cli.config import ResolvedModel
from mmsent_cli.encoders.contract import Activations, Encoded, Encoder
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.encoders.registry import build_image_encoder, build_text_encoder
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError
from mmsent_cli.fusion import FusionSpec, find_fusion
from mmsent_cli.fusion.logit_ensemble import ClassScores

MODALITIES = ("text", "image")


class Batch(NamedTuple):
    """B pairs as the model reads them.

    Attributes:
        text: activations after the text encoder's stored stages.
        image: activations after the image encoder's stored stages.
        present: [B, 2] bool, whether the pair has a text and an image.
        target: [B] class numbers, -1 where unknown.
    """

    text: Activations
    image: Activations
    present: Tensor
    target: Tensor


class Logits(NamedTuple):
    """The model's output.

    Attributes:
        main: logits [B, C].
        text, image: logits of the unimodal heads [B, C], or None where there is no such head.
        gates: in eval mode, learned weights by name, each [B] in [0, 1], empty for a fusion without; None in training.
            `text` and `image` are the weights of the modalities.
    """

    main: Tensor
    text: Tensor | None = None
    image: Tensor | None = None
    gates: dict[str, Tensor] | None = None


class SentimentModel(nn.Module):
    """Two encoders, a fusion layer and a head.

    A missing modality is replaced by a learned feature, which is zero until modality dropout trains it.

    Args:
        text: text encoder, frozen and cut already.
        image: image encoder, frozen and cut already.
        fusion: a module from the FUSIONS table.
        head: maps [B, fusion.out_dim] to [B, C]; not used with a fusion that has its own heads.
        modality_dropout: probability that a training pair loses one of its two modalities.
        auxiliary_classes: C to train unimodal heads as well, else 0.
        modalities: those that the fusion reads. The other encoder does not run and is not trained.
    """

    def __init__(
        self,
        text: Encoder[TextInputs],
        image: Encoder[ImageInputs],
        fusion: nn.Module,
        head: nn.Module,
        modality_dropout: float = 0.0,
        auxiliary_classes: int = 0,
        modalities: Sequence[str] = MODALITIES,
    ) -> None:
        super().__init__()
        self.text = text
        self.image = image
        self.fusion = fusion
        self.head = head
        self.modality_dropout = modality_dropout
        self.modalities = tuple(modalities)
        self.missing_text = nn.Parameter(torch.zeros(text.out_dim))
        self.missing_image = nn.Parameter(torch.zeros(image.out_dim))
        self.text_head, self.image_head = (
            nn.Linear(encoder.out_dim, auxiliary_classes) if auxiliary_classes and modality in modalities else None
            for modality, encoder in (("text", text), ("image", image))
        )
        for modality in set(MODALITIES) - set(modalities):
            getattr(self, modality).requires_grad_(False)
            getattr(self, f"missing_{modality}").requires_grad_(False)

    def forward(self, batch: Batch) -> Logits:
        """Logits [B, C] from the activations of B pairs."""
        return self.classify(*self.encode(batch), batch.present)

    def encode(self, batch: Batch) -> tuple[Encoded, Encoded]:
        """The features of both modalities; the learned feature for a modality that the fusion does not read."""
        rows = len(batch.present)
        return (
            self.text(batch.text) if "text" in self.modalities else Encoded(self.missing_text.expand(rows, -1)),
            self.image(batch.image) if "image" in self.modalities else Encoded(self.missing_image.expand(rows, -1)),
        )

    def classify(self, text: Encoded, image: Encoded, present: Tensor) -> Logits:
        """Logits from features.

        Args:
            text: of B pairs, as returned by `encode`.
            image: of the same pairs.
            present: [B, 2] bool; a modality that is not present is replaced by its learned feature.
        """
        present = self._drop_modalities(present) if self.training else present
        seen_text = replace_feature(text, present[:, 0], self.missing_text)
        seen_image = replace_feature(image, present[:, 1], self.missing_image)
        fused = self.fusion(seen_text, seen_image)
        gates = self._gates(seen_text, seen_image)
        if isinstance(fused, ClassScores):
            return Logits(*fused, gates)
        text_logits = None if self.text_head is None else self.text_head(text.pooled)
        image_logits = None if self.image_head is None else self.image_head(image.pooled)
        return Logits(self.head(fused), text_logits, image_logits, gates)

    def trained_state(self) -> dict[str, Tensor]:
        """The state dict without frozen stages, whose digest a checkpoint records, and without encoders not in use."""
        frozen = [f"{name}.stages.{stage}." for name in MODALITIES for stage in range(getattr(self, name).frozen)]
        unread = [f"{name}." for name in MODALITIES if name not in self.modalities]
        left_out = (*frozen, *unread)
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(left_out)}

    @torch.no_grad()
    def _gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor] | None:
        if self.training:
            return None
        gates = getattr(self.fusion, "gates", None)
        return {} if gates is None else gates(text, image)

    def _drop_modalities(self, present: Tensor) -> Tensor:
        """Mask one modality of some complete pairs: [B, 2] bool in and out."""
        if not self.modality_dropout or len(self.modalities) == 1:
            return present
        draws = torch.rand(len(present), device=present.device)
        is_complete = present.all(dim=1)
        loses_text = is_complete & (draws < self.modality_dropout / 2)
        loses_image = is_complete & ~loses_text & (draws < self.modality_dropout)
        return present & ~torch.stack([loses_text, loses_image], dim=1)


def build_model(
    config: ResolvedModel, n_classes: int, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> SentimentModel:
    """Build the model of a resolved configuration: `build_encoders`, then `assemble`.

    Args:
        config: without gaps, see `config.resolve`.
        n_classes: number of labels.
        weights: where to look for pretrained weights.
        vocabulary: words of the training split, for encoders that are trained from scratch.

    Raises:
        ConfigError: an unknown name, more frozen layers than there are, or encoders that do not suit the fusion.
        WeightsUnavailable: pretrained weights cannot be found or loaded.
    """
    find_fusion(config.fusion)  # raises before the encoders are built, which takes time
    return assemble(config, n_classes, *build_encoders(config, weights, vocabulary))


def build_encoders(
    config: ResolvedModel, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> tuple[Encoder[TextInputs], Encoder[ImageInputs]]:
    """The two encoders of a resolved configuration, frozen as configured."""
    return build_text_encoder(config, weights, vocabulary), build_image_encoder(config, weights)


def assemble(
    config: ResolvedModel, n_classes: int, text: Encoder[TextInputs], image: Encoder[ImageInputs]
) -> SentimentModel:
    """Put fusion and head on two encoders.

    The encoders may come from a model that is no longer used: where they are cut and what is trained is set again.

    Raises:
        ConfigError: an unknown fusion, or one that reads tokens with an encoder that has none.
    """
    spec = find_fusion(config.fusion)
    for encoder in (text, image):
        encoder.freeze(encoder.frozen)
        if spec.reads == "tokens":
            encoder.keep_tokens()

    def new_head(in_dim: int) -> nn.Module:
        return build_head(in_dim, config.head_hidden, config.head_dropout, n_classes)

    if spec.has_heads:
        fusion: Any = spec.build(new_head(text.out_dim), new_head(image.out_dim), n_classes)
        return SentimentModel(text, image, fusion, nn.Identity(), config.modality_dropout)
    fusion = spec.build(*_widths(spec, text, image))
    auxiliary = n_classes if config.auxiliary_weight else 0
    head = new_head(fusion.out_dim)
    return SentimentModel(text, image, fusion, head, config.modality_dropout, auxiliary, spec.modalities)


def build_head(in_dim: int, hidden: Sequence[int], dropout: Sequence[float], n_classes: int) -> nn.Sequential:
    """Linear, ReLU, dropout for each hidden width, then Linear to the classes: [B, in_dim] -> [B, n_classes]."""
    layers: list[nn.Module] = []
    for width, probability in zip(hidden, dropout, strict=True):
        layers += [nn.Linear(in_dim, width), nn.ReLU(), nn.Dropout(probability)]
        in_dim = width
    return nn.Sequential(*layers, nn.Linear(in_dim, n_classes))


def copy_model(model: SentimentModel) -> SentimentModel:
    """A copy with its own trained parameters. Frozen stages and tokenizers are shared, not copied."""
    shared = [
        part for encoder in (model.text, model.image) for part in (encoder.inputs, *encoder.stages[: encoder.frozen])
    ]
    return copy.deepcopy(model, {id(part): part for part in shared})


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(n for n, is_trained in counts if is_trained), sum(n for n, _ in counts)


def replace_feature(encoded: Encoded, is_kept: Tensor, feature: Tensor) -> Encoded:
    """Replace the features of some pairs by another feature without tokens.

    Args:
        encoded: of B pairs.
        is_kept: [B] bool, the pairs whose features stay.
        feature: [D] for all replaced pairs, or [B, D] with one for each pair.
    """
    pooled = torch.where(is_kept.unsqueeze(1), encoded.pooled, feature.to(encoded.pooled.dtype))
    if encoded.tokens is None or encoded.mask is None:
        return Encoded(pooled)
    # Zero as well as masked: a masked token that is not finite would still spread through the attention.
    tokens = encoded.tokens.masked_fill(~is_kept[:, None, None], 0.0)
    return Encoded(pooled, tokens, encoded.mask & is_kept.unsqueeze(1))


def _widths(spec: FusionSpec, text: Encoder, image: Encoder) -> tuple[int, ...]:
    """The widths of the features that a fusion reads, as its `build` takes them."""
    pooled = text.out_dim, image.out_dim
    return (*pooled, _token_dim(text), _token_dim(image)) if spec.reads == "tokens" else pooled


def _token_dim(encoder: Encoder) -> int:
    width = encoder.token_dim()
    if width is None:
        raise ConfigError(
            f"this fusion needs tokens, but the encoder {encoder.name} returns pooled features only",
            "choose another fusion or another encoder",
        )
    return width
