"""A complete configuration, in which `defaults.resolve` has filled in all defaults.

Its fields are not Optional, so no other code needs default values.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from mmsent_cli.config.settings import FitConfig, ModelConfig, TrainConfig


def required() -> Any:
    """Define a field without a default that overrides a field with one."""
    return field()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedModel(ModelConfig):
    """Encoders, freezing, fusion and head.

    Only `image_size_px` may be None. It means the encoder's native size, which is known after its weights are loaded.
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
    """All settings of a training run."""

    model: ResolvedModel = field()
    fit: ResolvedFit = field()
