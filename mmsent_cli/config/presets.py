"""Presets: named sets of settings. Other options override those of the preset."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmsent_cli.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Preset:
    """The settings of a preset by section of TrainConfig, and a summary for readers of this file."""

    summary: str
    model: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)

    def sections(self) -> dict[str, Mapping[str, Any]]:
        """Return the settings by section."""
        return {"model": self.model, "fit": self.fit, "split": self.split}


IMAGE = {"image_encoder": "efficientnet-lite0-stages", "image_size_px": 320, "freeze_image": "all"}
"""Larger images, and features of the middle stages too. docs/accuracy.md shows the gain of each."""

BEST = Preset(
    "ensemble over 5 folds: fine-tuned compact text encoder and five linear probes, one of them on MPNet",
    model={
        **IMAGE,
        "encoders": "compact",
        "freeze_text": "3",
        "probes": ("image", "minilm", "mpnet", "characters", "lexicon"),
        "logit_adjustment": 0.2,
    },
    fit={"epochs": 3, "batch_size": 32, "encoder_lr": 1e-4, "head_lr": 1e-3},
    split={"folds": 5},
)

PRESETS: dict[str, Preset] = {
    "fast": Preset(
        "ensemble over 5 folds: frozen compact encoders and four linear probes",
        model={
            **IMAGE,
            "image_size_px": 256,
            "encoders": "compact",
            "text_encoder": "minilm-layers",
            "freeze_text": "all",
            "text_cleaning": (),
            "probes": ("image", "text", "characters", "lexicon"),
            "logit_adjustment": 0.25,
        },
        fit={"epochs": 4, "batch_size": 64, "head_lr": 1e-3},
        split={"folds": 5},
    ),
    "best": BEST,
    "max": replace(
        BEST,
        summary="best with three models per fold, a kernel regression, and probes on words and faces in images",
        model={
            **BEST.model,
            "probes": (*BEST.model["probes"], "kernel"),
            "optional_probes": ("ocr", "ocr-characters", "minilm-ocr", "faces"),
            "models_per_fold": 3,
        },
    ),
    "best-hub": replace(
        BEST,
        summary="best, and probes on CLIP and on a RoBERTa trained on tweets, if their weights are found",
        model={**BEST.model, "optional_probes": ("clip-text", "clip-image", "clip", "twitter-roberta")},
    ),
    "compact": Preset("compact encoders with their defaults, one validation split", model={"encoders": "compact"}),
    "light": Preset("a BiGRU and a small CNN, trained from scratch", model={"encoders": "light"}),
    "bert-resnet18": Preset("BERT and ResNet18, as in a published project", model={"encoders": "bert-resnet18"}),
    "clip": Preset("CLIP ViT-B/32, as in a published project", model={"encoders": "clip"}),
}


def find_preset(name: str) -> Preset:
    """Return the preset of this name.

    Raises:
        ConfigError: there is no such preset.
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, list(PRESETS))
    return PRESETS[name]
