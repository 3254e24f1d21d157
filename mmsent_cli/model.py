"""The model: two encoders, a fusion and a head. Missing modalities are masked only in this module."""

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
    """A batch of B pairs.

    Attributes:
        text: activations after the stored stages (`Encoder.cut`) of the text encoder.
        image: activations after the stored stages of the image encoder.
        present: [B, 2] bool. The first value of a pair is True if it has a text, the second if it has an image.
        target: class numbers [B], -1 if unknown.
    """

    text: Activations
    image: Activations
    present: Tensor
    target: Tensor


class Logits(NamedTuple):
    """The output of the model for B pairs and C classes.

    Attributes:
        main: logits [B, C].
        text, image: logits [B, C] of the text-only and the image-only head; None if there are no such heads.
        gates: learned weights of the fusion by name, each with a number from 0 to 1 for each pair [B]. Empty for a
            fusion without such weights; None in training mode.
    """

    main: Tensor
    text: Tensor | None = None
    image: Tensor | None = None
    gates: dict[str, Tensor] | None = None


class SentimentModel(nn.Module):
    """Two encoders, a fusion layer and a head.

    A missing modality is replaced by a learned feature, which is trained by modality dropout. Without modality dropout,
    this feature is zero.

    Args:
        text: the text encoder, after `Encoder.freeze`.
        image: the image encoder, after `Encoder.freeze`.
        fusion: a module from the FUSIONS table.
        head: a module that computes C logits for each of B pairs, [B, fusion.out_dim] -> [B, C]; not used if the fusion
            has its own heads.
        modality_dropout: probability that one modality of a training pair is removed.
        auxiliary_classes: number of classes of the unimodal heads; 0 for a model without such heads.
        modalities: the modalities that the fusion reads. Other encoders are neither run nor trained.
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
        """Compute the logits of a batch."""
        return self.classify(*self.encode(batch), batch.present)

    def encode(self, batch: Batch) -> tuple[Encoded, Encoded]:
        """Compute the features of both modalities.

        If the fusion does not read a modality, the learned feature of this modality is returned.
        """
        rows = len(batch.present)
        return (
            self.text(batch.text) if "text" in self.modalities else Encoded(self.missing_text.expand(rows, -1)),
            self.image(batch.image) if "image" in self.modalities else Encoded(self.missing_image.expand(rows, -1)),
        )

    def classify(self, text: Encoded, image: Encoded, present: Tensor) -> Logits:
        """Compute the logits from features.

        Args:
            text: text features of B pairs, from `encode`.
            image: image features of the same pairs.
            present: [B, 2] bool; a missing modality (False) is replaced by its learned feature.
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
        """Return the state dict without unused encoders and frozen stages.

        For the frozen stages, checkpoints contain a digest of the weights.
        """
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
        """Mask one modality of randomly chosen complete pairs: [B, 2] bool -> [B, 2] bool for B pairs."""
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
        config: a resolved configuration, see `config.resolve`.
        n_classes: number of classes.
        weights: where to look for pretrained weights.
        vocabulary: words of the training split, for encoders that are trained from scratch.

    Raises:
        ConfigError: a name is unknown, too many layers are frozen, or the fusion cannot use the encoders.
        WeightsUnavailable: pretrained weights cannot be found or loaded.
    """
    find_fusion(config.fusion)  # raises before the encoders are built, which takes time
    return assemble(config, n_classes, *build_encoders(config, weights, vocabulary))


def build_encoders(
    config: ResolvedModel, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> tuple[Encoder[TextInputs], Encoder[ImageInputs]]:
    """Build the two encoders of a resolved configuration, with frozen stages."""
    return build_text_encoder(config, weights, vocabulary), build_image_encoder(config, weights)


def assemble(
    config: ResolvedModel, n_classes: int, text: Encoder[TextInputs], image: Encoder[ImageInputs]
) -> SentimentModel:
    """Make a model from two encoders, a fusion and a head.

    The encoders may be from another model. Which of their stages are stored (`Encoder.cut`) and which are
    trained is decided for the new model.

    Raises:
        ConfigError: the fusion is unknown, or it reads tokens and an encoder has none.
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
    """Build the head, which computes logits for B pairs: [B, in_dim] -> [B, n_classes].

    It has a linear layer, ReLU and dropout for each hidden width, and then a last linear layer.
    """
    layers: list[nn.Module] = []
    for width, probability in zip(hidden, dropout, strict=True):
        layers += [nn.Linear(in_dim, width), nn.ReLU(), nn.Dropout(probability)]
        in_dim = width
    return nn.Sequential(*layers, nn.Linear(in_dim, n_classes))


def copy_model(model: SentimentModel, shares_tensors: bool = False) -> SentimentModel:
    """Copy a model. The copy has its own trained parameters. Frozen stages and tokenizers are shared.

    Args:
        model: the model.
        shares_tensors: also share the trained parameters, which the caller then replaces.
    """
    shared: list[Any] = [
        part for encoder in (model.text, model.image) for part in (encoder.inputs, *encoder.stages[: encoder.frozen])
    ]
    shared += [*model.parameters(), *model.buffers()] if shares_tensors else []
    return copy.deepcopy(model, {id(part): part for part in shared})


def trains_encoders(model: "SentimentModel") -> bool:
    """Return True if any parameter of the encoders is trained."""
    return any(p.requires_grad for encoder in (model.text, model.image) for p in encoder.parameters())


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return the numbers of trainable parameters and of all parameters."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(n for n, is_trained in counts if is_trained), sum(n for n, _ in counts)


def replace_feature(encoded: Encoded, is_kept: Tensor, feature: Tensor) -> Encoded:
    """Replace the features of some pairs by a feature without tokens.

    Args:
        encoded: features of B pairs.
        is_kept: [B] bool, True for pairs that keep their features.
        feature: the new feature with D values: one for all pairs [D], or one for each pair [B, D].
    """
    pooled = torch.where(is_kept.unsqueeze(1), encoded.pooled, feature.to(encoded.pooled.dtype))
    if encoded.tokens is None or encoded.mask is None:
        return Encoded(pooled)
    # Set masked tokens to zero, since a masked token that is not finite would still spread through the attention.
    tokens = encoded.tokens.masked_fill(~is_kept[:, None, None], 0.0)
    return Encoded(pooled, tokens, encoded.mask & is_kept.unsqueeze(1))


def _widths(spec: FusionSpec, text: Encoder, image: Encoder) -> tuple[int, ...]:
    """Return the widths of the features that a fusion reads, as arguments of its `build`."""
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
