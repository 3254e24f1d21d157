"""Encoders + fusion + head -> logits; the only place that knows how a modality is switched off."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmsent_cli.config import ModelConfig
from mmsent_cli.encoders.contract import Activations, Encoded, Encoder
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.encoders.registry import build_image_encoder, build_text_encoder
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError
from mmsent_cli.fusion import FusionSpec, find_fusion

MODALITIES = ("text", "image")


class Batch(NamedTuple):
    """Pairs on their way into the model.

    Attributes:
        text: activations of the text encoder's stored stages.
        image: the same of the image encoder.
        present: [B, 2] bool, whether the pair has its text and its image.
        target: [B] class numbers, -1 where unknown.
    """

    text: Activations
    image: Activations
    present: Tensor
    target: Tensor


class Logits(NamedTuple):
    """What the model says of each pair.

    Attributes:
        main: class scores [B, C].
        text, image: those of the unimodal heads [B, C], or None where there is no such head.
        gates: in eval mode, learned weights by name, each [B] in [0, 1]; None in training. `text` and `image` are the
            weights of the modalities; a fusion that learns none gives an empty dict.
    """

    main: Tensor
    text: Tensor | None = None
    image: Tensor | None = None
    gates: dict[str, Tensor] | None = None


class SentimentModel(nn.Module):
    """Two encoders, a fusion layer and a head.

    A pair without one modality gets a learned feature in its place (zero until modality dropout trains it).

    Args:
        text: text encoder, frozen and cut as wanted.
        image: image encoder, likewise.
        fusion: a module from the FUSIONS table.
        head: maps [B, fusion.out_dim] to [B, C].
        modality_dropout: probability that a training pair loses one of its two modalities.
        auxiliary_classes: C if unimodal heads shall train beside the main one, else 0.
        modalities: those that the fusion reads; the other one's encoder does not run, and nothing of it is trained.
        unimodal_heads: each maps a pooled feature to [B, C]; the fusion gets their log-probabilities, without
            gradient, in place of features.
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
        unimodal_heads: tuple[nn.Module, nn.Module] | None = None,
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
        self.fuses_logits = unimodal_heads is not None
        self.text_head, self.image_head = unimodal_heads or (
            nn.Linear(getattr(self, side).out_dim, auxiliary_classes)
            if auxiliary_classes and side in modalities
            else None
            for side in MODALITIES
        )
        self._leave_out_unread()

    def forward(self, batch: Batch) -> Logits:
        """Logits of each pair.

        Shapes: activations of B pairs in, [B, C] out.
        """
        return self.classify(*self.encode(batch), batch.present)

    def encode(self, batch: Batch) -> tuple[Encoded, Encoded]:
        """The features of both modalities; for one that the fusion does not read, its stand-in."""
        rows = len(batch.present)
        return (
            self.text(batch.text) if "text" in self.modalities else Encoded(self.missing_text.expand(rows, -1)),
            self.image(batch.image) if "image" in self.modalities else Encoded(self.missing_image.expand(rows, -1)),
        )

    def classify(self, text: Encoded, image: Encoded, present: Tensor) -> Logits:
        """Logits from features.

        Args:
            text: of B pairs, as `encode` gives it.
            image: likewise.
            present: [B, 2] bool; a modality that is not present is replaced by its learned feature.
        """
        present = self._drop_modalities(present) if self.training else present
        seen_text = replace_feature(text, present[:, 0], self.missing_text)
        seen_image = replace_feature(image, present[:, 1], self.missing_image)
        if self.fuses_logits:
            text, image = seen_text, seen_image
        text_logits = None if self.text_head is None else self.text_head(text.pooled)
        image_logits = None if self.image_head is None else self.image_head(image.pooled)
        if text_logits is not None and image_logits is not None and self.fuses_logits:
            seen_text, seen_image = _log_probabilities(text_logits), _log_probabilities(image_logits)
        main = self.head(self.fusion(seen_text, seen_image))
        return Logits(main, text_logits, image_logits, self._gates(seen_text, seen_image))

    def trained_state(self) -> dict[str, Tensor]:
        """The state dict without frozen stages, which are known by digest, and encoders that do not run."""
        frozen = [f"{side}.stages.{stage}." for side in MODALITIES for stage in range(getattr(self, side).frozen)]
        unread = [f"{side}." for side in MODALITIES if side not in self.modalities]
        left_out = (*frozen, *unread)
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(left_out)}

    def _leave_out_unread(self) -> None:
        """Train nothing of a modality that the fusion does not read."""
        for side in MODALITIES:
            if side not in self.modalities:
                getattr(self, side).requires_grad_(False)
                getattr(self, f"missing_{side}").requires_grad_(False)

    @torch.no_grad()
    def _gates(self, text: Encoded, image: Encoded) -> dict[str, Tensor] | None:
        if self.training:
            return None
        weigh = getattr(self.fusion, "gates", None)
        return {} if weigh is None else weigh(text, image)

    def _drop_modalities(self, present: Tensor) -> Tensor:
        """Switch off one modality of some complete pairs: [B, 2] bool in and out."""
        if not self.modality_dropout or len(self.modalities) == 1:
            return present
        draws = torch.rand(len(present), device=present.device)
        is_complete = present.all(dim=1)
        loses_text = is_complete & (draws < self.modality_dropout / 2)
        loses_image = is_complete & ~loses_text & (draws < self.modality_dropout)
        return present & ~torch.stack([loses_text, loses_image], dim=1)


def build_model(
    config: ModelConfig, n_classes: int, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> SentimentModel:
    """Build the model of a resolved configuration: `build_encoders`, then `assemble`.

    Args:
        config: without gaps, see `fusion.fill_defaults` and `encoders.resolve`.
        n_classes: number of labels.
        weights: where pretrained weights may come from.
        vocabulary: words of the training split, for encoders that start from scratch.

    Raises:
        ConfigError: an unknown name, more frozen layers than there are, or encoders that do not suit the fusion.
        WeightsUnavailable: pretrained weights that cannot be had.
    """
    find_fusion(config.fusion)  # before the encoders, which take their time
    return assemble(config, n_classes, *build_encoders(config, weights, vocabulary))


def build_encoders(
    config: ModelConfig, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> tuple[Encoder[TextInputs], Encoder[ImageInputs]]:
    """The two encoders of a resolved configuration, frozen as it says."""
    return build_text_encoder(config, weights, vocabulary), build_image_encoder(config, weights)


def assemble(
    config: ModelConfig, n_classes: int, text: Encoder[TextInputs], image: Encoder[ImageInputs]
) -> SentimentModel:
    """Put fusion and head on two encoders.

    Sets anew where the encoders are cut and what of them is trained, so they may come from another model, one that
    is not used any more.

    Raises:
        ConfigError: an unknown fusion, or an encoder that cannot give what it reads.
    """
    spec = find_fusion(config.fusion)
    for encoder in (text, image):
        encoder.freeze(encoder.frozen)
        if spec.reads == "tokens":
            encoder.keep_tokens()
    fusion: Any = spec.build(*_widths(spec, text, image, n_classes))
    hidden, dropout = config.head_hidden or (), config.head_dropout or ()
    if spec.reads == "logits":
        heads = (
            build_head(text.out_dim, hidden, dropout, n_classes),
            build_head(image.out_dim, hidden, dropout, n_classes),
        )
        return SentimentModel(text, image, fusion, nn.Identity(), config.modality_dropout or 0.0, unimodal_heads=heads)
    head = build_head(fusion.out_dim, hidden, dropout, n_classes)
    auxiliary = n_classes if config.auxiliary_weight else 0
    return SentimentModel(text, image, fusion, head, config.modality_dropout or 0.0, auxiliary, spec.modalities)


def build_head(in_dim: int, hidden: Sequence[int], dropout: Sequence[float], n_classes: int) -> nn.Sequential:
    """Linear, ReLU, dropout for each hidden width, then Linear to the classes: [B, in_dim] -> [B, n_classes]."""
    layers: list[nn.Module] = []
    for width, probability in zip(hidden, dropout, strict=True):
        layers += [nn.Linear(in_dim, width), nn.ReLU(), nn.Dropout(probability)]
        in_dim = width
    return nn.Sequential(*layers, nn.Linear(in_dim, n_classes))


def copy_network(model: SentimentModel) -> SentimentModel:
    """A copy with its own trained parameters; frozen stages and tokenizers are shared."""
    shared = [
        part for encoder in (model.text, model.image) for part in (encoder.inputs, *encoder.stages[: encoder.frozen])
    ]
    return copy.deepcopy(model, {id(part): part for part in shared})


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(n for n, is_trained in counts if is_trained), sum(n for n, _ in counts)


def replace_feature(encoded: Encoded, is_kept: Tensor, feature: Tensor) -> Encoded:
    """Put one feature in the place of a modality, and leave it no token, in the pairs that do not keep theirs.

    Args:
        encoded: of B pairs.
        is_kept: [B] bool, the pairs that stay as they are.
        feature: [D], or [B, D] for one a pair.
    """
    pooled = torch.where(is_kept.unsqueeze(1), encoded.pooled, feature.to(encoded.pooled.dtype))
    if encoded.tokens is None or encoded.mask is None:
        return Encoded(pooled)
    # Zero as well as masked: a masked token that is not finite would still make what attends to it so.
    tokens = encoded.tokens.masked_fill(~is_kept[:, None, None], 0.0)
    return Encoded(pooled, tokens, encoded.mask & is_kept.unsqueeze(1))


def _widths(spec: FusionSpec, text: Encoder, image: Encoder, n_classes: int) -> tuple[int, ...]:
    """The widths of what a fusion reads, as its `build` takes them."""
    if spec.reads == "logits":
        return n_classes, n_classes
    if spec.reads == "pooled":
        return text.out_dim, image.out_dim
    return text.out_dim, image.out_dim, _token_dim(text), _token_dim(image)


def _token_dim(encoder: Encoder) -> int:
    width = encoder.token_dim()
    if width is None:
        raise ConfigError(
            f"this fusion reads tokens, and the encoder {encoder.name} gives none",
            "choose another fusion, or an encoder that is cut into layers",
        )
    return width


def _log_probabilities(logits: Tensor) -> Encoded:
    return Encoded(logits.detach().log_softmax(dim=-1))
