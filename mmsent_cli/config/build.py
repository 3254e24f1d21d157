"""Convert between configurations and plain values. Define the presets, and names of settings in other libraries."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

from mmsent_cli.config.settings import OPTIONS_HINT, TrainConfig
from mmsent_cli.errors import ConfigError, unknown_name
from mmsent_cli.files import read_plain, reason

LIKENESS = 0.75
"""Minimum similarity of two names, 0 to 1. A name that is less similar is not suggested."""
USUAL_NAMES = {
    "encoders": ("model", "model_name", "encoder", "backbone", "pretrained", "arch"),
    "text_encoder": ("text_model", "bert", "language_model"),
    "image_encoder": ("image_model", "vision_model", "cnn"),
    "fusion": ("fusion_type", "fusion_method"),
    "checkpoint": ("model", "model_path", "checkpoint_path", "ckpt", "weights", "load"),
    "weights_dir": ("weights",),
    "data": ("input", "inputs", "dataset", "data_dir", "data_path", "data_folder", "train_file", "file", "path"),
    "out": ("output", "output_file", "output_path", "save"),
    "runs_dir": ("output_dir", "out_dir", "save_dir", "log_dir", "results_dir"),
    "head_lr": ("learning_rate", "lr"),
    "encoder_lr": ("learning_rate", "lr", "bert_lr", "backbone_lr"),
    "rates": ("learning_rate", "lr", "learning_rates"),
    "batch_size": ("batch", "bs", "train_batch_size", "per_device_train_batch_size"),
    "accumulation_steps": ("gradient_accumulation_steps", "grad_accum", "accumulate"),
    "epochs": ("num_epochs", "n_epochs", "num_train_epochs", "max_epochs", "epoch", "iterations"),
    "weight_decay": ("wd", "l2"),
    "warmup": ("warmup_ratio", "warmup_steps"),
    "schedule": ("scheduler", "lr_scheduler", "lr_scheduler_type", "lr_schedule"),
    "max_grad_norm": ("grad_clip", "clip", "clip_grad_norm", "gradient_clip"),
    "patience": ("early_stopping", "early_stop"),
    "monitor": ("metric", "metric_for_best_model"),
    "head_dropout": ("dropout", "drop_rate"),
    "head_hidden": ("hidden", "hidden_size", "hidden_dim"),
    "max_length_tokens": ("max_length", "max_len", "max_seq_length", "max_seq_len"),
    "image_size_px": ("image_size", "img_size", "imgsz", "resolution"),
    "val_size": ("test_size", "val_split", "validation_split", "valid_size", "val_ratio"),
    "split_seed": ("seed", "split_random_state"),
    "seed": ("random_seed", "random_state", "manual_seed"),
    "folds": ("k", "k_folds", "num_folds", "n_folds", "n_splits", "cv"),
    "trials": ("n_trials", "num_trials"),
    "device": ("gpu", "gpus", "cuda", "gpu_id", "cpu", "accelerator"),
    "precision": ("fp16", "bf16", "amp", "mixed_precision", "dtype"),
    "workers": ("num_workers", "n_workers", "dataloader_num_workers"),
    "jobs": ("n_jobs", "parallel", "threads"),
    "text_column": ("text_col", "sentence_column"),
    "image_column": ("image_col", "img_column", "image_path_column"),
    "tag_column": ("label_column", "label_col", "target", "target_column", "class_column"),
    "guid_column": ("id_column", "id_col", "index_column"),
    "labels": ("classes", "class_names", "label_names"),
    "limit": ("max_samples", "num_samples", "n_samples", "subset", "max_train_samples"),
    "lang": ("language", "locale"),
    "log": ("tracker", "report_to", "logger", "wandb"),
    "force": ("overwrite", "yes", "overwrite_output_dir"),
    "resume": ("resume_from_checkpoint", "continue"),
    "offline": ("local_files_only",),
}
"""For each setting of mmsent, its names in other libraries of this field."""


def meant_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the settings that the user may have meant by an unknown name.

    If another library uses this name (`USUAL_NAMES`), return mmsent's setting for it. Otherwise, return settings with
    similar names.

    Args:
        name: the unknown name, with underscores.
        known: the names of all settings, with underscores.
    """
    known = list(known)
    usual = [setting for setting in known if name in USUAL_NAMES.get(setting, ())]
    return usual or difflib.get_close_matches(name, known, n=3, cutoff=LIKENESS)


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset: its settings, grouped by section of TrainConfig, and a summary."""

    summary: str
    model: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)

    def sections(self) -> dict[str, Mapping[str, Any]]:
        """Return the settings by section."""
        return {"model": self.model, "fit": self.fit, "split": self.split}


IMAGE = {"image_encoder": "efficientnet-lite0-stages", "image_size_px": 320, "freeze_image": "all"}
"""Image settings of the presets: larger images, and features of the encoder's middle stages. docs/accuracy.md shows the
gain of each setting."""

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


C = TypeVar("C")

KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
RENAMED = {
    "experts": "probes",
    "networks": "models_per_fold",
}
"""Earlier names of settings, with the new names for an error message."""


def build(config_type: type[C], values: Mapping[str, Any]) -> C:
    """Build a config from plain values, as they come from JSON or the command line.

    Lists and comma-separated strings become tuples.

    Raises:
        ConfigError: there is no setting of that name, or a value has the wrong type or is out of range.
    """
    known = {f.name: f for f in fields(cast(Any, config_type))}
    unknown = sorted(set(values) - set(known))
    for name in unknown:
        if name in RENAMED:
            raise ConfigError(f"the setting {name} is now called {RENAMED[name]}", f"write {RENAMED[name]}")
    if unknown:
        raise ConfigError(f"unknown settings: {', '.join(unknown)}", f"known settings: {', '.join(known)}")
    return config_type(**{name: _convert(known[name], value) for name, value in values.items()})


def to_dict(config: Any) -> dict[str, Any]:
    """Convert a config to plain JSON values."""
    return json.loads(json.dumps(asdict(config)))


def read_train_config(path: Path) -> TrainConfig:
    """Read a `config.json`. `path` is the file, or the run folder that contains the file.

    Raises:
        ConfigError: the file does not exist, is not JSON, or has unknown settings.
    """
    path = path / "config.json" if path.is_dir() else path
    hint = "give the config.json of an earlier run, or its folder"
    try:
        parts = json.loads(read_plain(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {reason(error)}", hint) from error
    except ValueError as error:
        raise ConfigError(f"the configuration {path} is not JSON: {error}", hint) from error
    if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        raise ConfigError(f"{path} is not an mmsent configuration", hint)
    try:
        return train_config(parts)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", error.hint) from error


def train_config(parts: Mapping[str, Mapping[str, Any]]) -> TrainConfig:
    """Build a TrainConfig from nested plain values, as `to_dict` returns them."""
    sections: dict[str, Any] = {f.name: f.default_factory for f in fields(TrainConfig)}
    unknown = sorted(set(parts) - set(sections))
    if unknown:
        raise ConfigError(f"unknown sections: {', '.join(unknown)}", f"known sections: {', '.join(sections)}")
    return TrainConfig(**{name: build(sections[name], values) for name, values in parts.items()})


def value_type(annotation: Any) -> Any:
    """Return the type of a setting without `| None`."""
    if get_origin(annotation) in (None, tuple, Literal):
        return annotation
    return next(part for part in get_args(annotation) if part is not type(None))


def _convert(setting: "Field[Any]", value: Any) -> Any:
    """Convert a JSON or command-line value to the type of the setting.

    Raises:
        ConfigError: the value cannot be converted.
    """
    kind = value_type(setting.type)
    if value is None and type(None) in get_args(setting.type):
        return None
    aliases = setting.metadata.get("aliases", {})
    try:
        if get_origin(kind) is tuple:
            value = [f"{old}={new}" for old, new in value.items()] if isinstance(value, Mapping) else value
            parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
            values = [_scalar(get_args(kind)[0], part, is_text=isinstance(value, str)) for part in cast(Any, parts)]
            return tuple(aliases.get(part, part) for part in values)
        if get_origin(kind) is Literal:
            value = aliases.get(value, value)
            if value not in get_args(kind):
                raise ValueError(f"the value must be one of {', '.join(get_args(kind))}")
            return value
        return _scalar(kind, value)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"invalid value {value!r} for --{setting.name.replace('_', '-')}: {error}", OPTIONS_HINT
        ) from None


def _scalar(kind: type, value: Any, is_text: bool = False) -> Any:
    """Check or convert a single value. With `is_text`, numbers are parsed from the text. Numbers are not rounded."""
    if is_text and kind in (int, float):
        try:
            value = kind(value)
        except ValueError:
            raise ValueError(f"{value!r} is not {KINDS[kind]}") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"the value must be {KINDS[kind]}")
    if kind is float and not math.isfinite(value):
        raise ValueError("the value must be a finite number")
    return value
