"""Encoders + fusion + head -> logits; the only place that knows how a modality is switched off."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmsent_cli.config import ModelConfig
from mmsent_cli.encoders import build_image_encoder, build_text_encoder, unknown_name
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.encoders.staged import Activations, Encoded, Encoder
from mmsent_cli.encoders.weights import WeightSource
from mmsent_cli.fusion import FUSIONS


class Batch(NamedTuple):
    """Pairs on their way into the model.

    Attributes:
        text: activations of the text encoder's frozen stages.
        image: the same of the image encoder.
        present: [B, 2] bool, whether the pair has its text and its image.
        target: [B] class numbers, -1 where unknown.
    """

    text: Activations
    image: Activations
    present: Tensor
    target: Tensor


class Logits(NamedTuple):
    """Class scores: the model's own [B, C], and those of the auxiliary text-only and image-only heads or None."""

    main: Tensor
    text: Tensor | None = None
    image: Tensor | None = None


class SentimentModel(nn.Module):
    """Two encoders, a fusion layer and a head.

    A pair without one modality gets a learned feature in its place (zero until modality dropout trains it).

    Args:
        text: text encoder, frozen as wanted.
        image: image encoder, frozen as wanted.
        fusion: a module from the FUSIONS table.
        head: maps [B, fusion.out_dim] to [B, C].
        modality_dropout: probability that a training pair loses one of its two modalities.
        auxiliary_classes: C if unimodal heads shall train beside the main one, else 0.
    """

    def __init__(
        self,
        text: Encoder[TextInputs],
        image: Encoder[ImageInputs],
        fusion: nn.Module,
        head: nn.Module,
        modality_dropout: float = 0.0,
        auxiliary_classes: int = 0,
    ) -> None:
        super().__init__()
        self.text = text
        self.image = image
        self.fusion = fusion
        self.head = head
        self.modality_dropout = modality_dropout
        self.missing_text = nn.Parameter(torch.zeros(text.out_dim))
        self.missing_image = nn.Parameter(torch.zeros(image.out_dim))
        self.text_head = nn.Linear(text.out_dim, auxiliary_classes) if auxiliary_classes else None
        self.image_head = nn.Linear(image.out_dim, auxiliary_classes) if auxiliary_classes else None

    def forward(self, batch: Batch) -> Logits:
        """Logits of each pair.

        Shapes: activations of B pairs in, [B, C] out.
        """
        present = self._drop_modalities(batch.present) if self.training else batch.present
        text = self.text(batch.text)
        image = self.image(batch.image)
        fused = self.fusion(
            _replace_missing(text, present[:, 0], self.missing_text),
            _replace_missing(image, present[:, 1], self.missing_image),
        )
        return Logits(
            self.head(fused),
            self.text_head(text.pooled) if self.text_head is not None else None,
            self.image_head(image.pooled) if self.image_head is not None else None,
        )

    def trained_state(self) -> dict[str, Tensor]:
        """The state dict without what belongs to frozen stages, which are known by digest."""
        frozen = tuple(
            f"{side}.stages.{stage}." for side in ("text", "image") for stage in range(getattr(self, side).frozen)
        )
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(frozen)}

    def _drop_modalities(self, present: Tensor) -> Tensor:
        """Switch off one modality of some complete pairs: [B, 2] bool in and out."""
        if not self.modality_dropout:
            return present
        draws = torch.rand(len(present), device=present.device)
        is_complete = present.all(dim=1)
        loses_text = is_complete & (draws < self.modality_dropout / 2)
        loses_image = is_complete & ~loses_text & (draws < self.modality_dropout)
        return present & ~torch.stack([loses_text, loses_image], dim=1)


def build_model(
    config: ModelConfig, n_classes: int, weights: WeightSource, vocabulary: tuple[str, ...] | None
) -> SentimentModel:
    """Build the model of a resolved configuration.

    Args:
        config: without gaps, see `encoders.resolve`.
        n_classes: number of labels.
        weights: where pretrained weights may come from.
        vocabulary: words of the training split, for encoders that start from scratch.

    Raises:
        ConfigError: an unknown name, or more frozen layers than there are.
        WeightsUnavailable: pretrained weights that cannot be had.
    """
    if config.fusion not in FUSIONS:
        raise unknown_name("fusion", config.fusion, list(FUSIONS))
    text = build_text_encoder(config, weights, vocabulary)
    image = build_image_encoder(config, weights)
    fusion: Any = FUSIONS[config.fusion].build(text.out_dim, image.out_dim)
    head = build_head(fusion.out_dim, config.head_hidden or (), config.head_dropout or (), n_classes)
    auxiliary = n_classes if config.auxiliary_weight else 0
    return SentimentModel(text, image, fusion, head, config.modality_dropout or 0.0, auxiliary)


def build_head(in_dim: int, hidden: Sequence[int], dropout: Sequence[float], n_classes: int) -> nn.Sequential:
    """Linear, ReLU, dropout for each hidden width, then Linear to the classes: [B, in_dim] -> [B, n_classes]."""
    layers: list[nn.Module] = []
    for width, probability in zip(hidden, dropout, strict=True):
        layers += [nn.Linear(in_dim, width), nn.ReLU(), nn.Dropout(probability)]
        in_dim = width
    return nn.Sequential(*layers, nn.Linear(in_dim, n_classes))


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(n for n, is_trained in counts if is_trained), sum(n for n, _ in counts)


def _replace_missing(encoded: Encoded, is_present: Tensor, missing: Tensor) -> Encoded:
    pooled = torch.where(is_present.unsqueeze(1), encoded.pooled, missing.to(encoded.pooled.dtype))
    return encoded._replace(pooled=pooled)
