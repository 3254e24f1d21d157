"""A configuration without gaps: what `defaults.resolve` makes of the settings that the user gave.

The types say that a value is there, so no code behind them needs a second default.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from mmsent_cli.config.settings import FitConfig, ModelConfig, TrainConfig


def required() -> Any:
    """A field without a default, where the class above has one."""
    return field()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedModel(ModelConfig):
    """Encoders, freezing, fusion and head.

    `image_size_px` alone may stay None: the encoder's native size, which only its weights contain.
    """

    text_encoder: str = required()
    image_encoder: str = required()
    freeze_text: str = required()
    freeze_image: str = required()
    max_length_tokens: int = required()
    text_cleaning: tuple[str, ...] = required()
    head_hidden: tuple[int, ...] = required()
    head_dropout: tuple[float, ...] = required()
    modality_dropout: float = required()
    auxiliary_weight: float = required()
    probes: tuple[str, ...] = required()
    logit_adjustment: float = required()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFit(FitConfig):
    """How the model is trained."""

    epochs: int = required()
    batch_size: int = required()
    accumulation_steps: int = required()
    encoder_lr: float = required()
    head_lr: float = required()
    weight_decay: float = required()
    warmup: float = required()
    schedule: Literal["cosine", "linear", "constant"] = required()
    max_grad_norm: float = required()
    label_smoothing: float = required()
    class_weights: Literal["none", "balanced", "sqrt"] = required()
    patience: int = required()
    monitor: Literal["accuracy", "macro_f1", "loss"] = required()
    augmentation: Literal["none", "standard", "flip", "geometry", "color", "strong"] = required()
    augmentation_views: int = required()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig(TrainConfig):
    """A training run as it is done."""

    model: ResolvedModel = field()
    fit: ResolvedFit = field()
