"""The settings of each command, as command-line options and as keywords of the Python functions.

This module imports the standard library only, so that `mmsent --help` is fast.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mmsent_cli.config import (
    RENAMED,
    DataConfig,
    FitConfig,
    ModelConfig,
    RuntimeConfig,
    SplitConfig,
    TrainConfig,
    build,
    to_dict,
)
from mmsent_cli.config.build import find_preset, meant_names
from mmsent_cli.config.command_settings import (
    AblateSettings,
    AugmentSettings,
    CompareSettings,
    EvaluateSettings,
    ExplainSettings,
    ExportSettings,
    PaperSettings,
    PredictSettings,
    ServeSettings,
    TuneSettings,
)
from mmsent_cli.errors import ConfigError

SECTIONS: dict[type, str] = {
    DataConfig: "data",
    SplitConfig: "split",
    ModelConfig: "model",
    FitConfig: "fit",
    RuntimeConfig: "runtime",
}
"""The dataclasses in a TrainConfig, and their names in `config.json`."""
FOLDS_ONLY = frozenset({"folds", "probes", "optional_probes", "models_per_fold", "logit_adjustment"})
"""Settings of cross-validation. Experiments train single models and do not take these settings."""
TRAIN_ONLY = FOLDS_ONLY | {"auto_batch", "log"}
"""Settings of `train` only. The models of an experiment share one batch size and may be trained in parallel."""
TRAINING_DATA = frozenset({"labels", "label_map", "exclude_labels", "limit"})
"""Settings that only concern labelled pairs."""
REPORT_ONLY = frozenset({"figure_format", "no_examples"})
"""Settings of a report. A command that writes no run folder does not take these settings."""
TRAINING_ONLY = frozenset({"workers", "jobs", "save_all", "auto_batch", "compile", "log"})
"""Settings that only affect how a model is trained."""
NOT_USED_BY_A_MODEL = TRAINING_DATA | REPORT_ONLY | TRAINING_ONLY | {"lang"}
"""Settings of training that do not affect the use of a trained model."""
NOT_CHECKED = frozenset(
    {"freeze_text", "freeze_image", "head_hidden", "head_dropout", "modality_dropout", "auxiliary_weight", "probes"}
    | {"optional_probes", "models_per_fold", "logit_adjustment", "precision", "engine", "no_deterministic"}
    | TRAINING_ONLY
)
"""Settings of training that do not affect how pairs are read and divided."""
NOT_OF_A_MACHINE = REPORT_ONLY | {
    "precision",
    "engine",
    "no_deterministic",
    "workers",
    "jobs",
    "save_all",
    "log",
}
"""Runtime settings that do not affect what a machine can do."""
NOT_OF_TEXTS = frozenset(each.name for each in fields(RuntimeConfig)) - {"lang", "no_examples"} | {"on_bad"}
"""Settings that do not affect how texts are decoded."""
CPU_ONLY = frozenset({"device", "precision", "engine"})
OWN_PAIRS = {"data": "pairs of the model's own run"}
Given = dict[type, dict[str, Any]]
"""The settings that the user gave, grouped by dataclass."""


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """The settings that a command takes.

    Attributes:
        types: the dataclasses whose fields are settings of the command.
        omit: fields of these dataclasses that are not settings of the command.
        rename: new names of settings, needed when two dataclasses have a field of the same name.
        epochs: the command's default number of epochs; None for the default of the encoders.
        shown: for some settings, the default that `--help` shows for this command instead of the usual default.
    """

    types: tuple[type, ...]
    omit: frozenset[str] = frozenset()
    rename: Mapping[tuple[type, str], str] = field(default_factory=dict)
    epochs: int | None = None
    shown: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, tuple[type, str]]:
        """Return, for the name of each setting, its dataclass and the name of its field."""
        kept = [(kind, each.name) for kind in self.types for each in fields(kind) if each.name not in self.omit]
        return {self.rename.get(place, place[1]): place for place in kept}

    def sort(self, options: Mapping[str, Any]) -> Given:
        """Group settings by the dataclass that defines them. Settings with the value None are left out.

        Raises:
            ConfigError: the command has no setting of that name.
        """
        names = self.names()
        for name in options:
            if name in RENAMED:
                raise ConfigError(f"the setting {name} is now called {RENAMED[name]}", f"write {RENAMED[name]}")
            if name not in names:
                near = meant_names(name, names)
                guess = f"did you mean {', '.join(near)}?" if near else f"known settings: {', '.join(names)}"
                raise ConfigError(f"unknown setting {name!r}", guess)
        given: Given = {kind: {} for kind in self.types}
        for name, value in options.items():
            if value is not None:
                kind, own_name = names[name]
                given[kind][own_name] = os.fspath(value) if isinstance(value, os.PathLike) else value
        return given


COMMANDS = {
    "train": CommandSettings((*SECTIONS,)),
    "predict": CommandSettings((PredictSettings, DataConfig, RuntimeConfig), NOT_USED_BY_A_MODEL),
    "explain": CommandSettings((ExplainSettings, DataConfig, RuntimeConfig), NOT_USED_BY_A_MODEL - {"lang"}),
    "serve": CommandSettings((ServeSettings, RuntimeConfig), NOT_USED_BY_A_MODEL),
    "export": CommandSettings(
        (ExportSettings, DataConfig, RuntimeConfig), NOT_USED_BY_A_MODEL | CPU_ONLY, shown=OWN_PAIRS
    ),
    "tune": CommandSettings(
        (TuneSettings, *SECTIONS),
        TRAIN_ONLY | {"jobs"},
        {(SplitConfig, "strategy"): "split_strategy"},
        epochs=5,
        shown={"epochs": "5"},
    ),
    "ablate": CommandSettings(
        (AblateSettings, DataConfig, RuntimeConfig), (TRAINING_ONLY - {"jobs"}) | {"labels"}, shown=OWN_PAIRS
    ),
    "evaluate": CommandSettings((EvaluateSettings, DataConfig, RuntimeConfig), TRAINING_ONLY, shown=OWN_PAIRS),
    "compare": CommandSettings((DataConfig, RuntimeConfig), TRAINING_ONLY, shown=OWN_PAIRS),
    "compare-fusions": CommandSettings((CompareSettings, *SECTIONS), TRAIN_ONLY | {"fusion"}),
    "augment-compare": CommandSettings((AugmentSettings, *SECTIONS), TRAIN_ONLY | {"augmentation"}),
    "paper": CommandSettings(
        (PaperSettings, *SECTIONS), TRAIN_ONLY | {"augmentation"}, epochs=10, shown={"epochs": "10"}
    ),
    "split": CommandSettings((DataConfig, SplitConfig), frozenset({"split", "fold", "folds"})),
    "env": CommandSettings((RuntimeConfig,), NOT_OF_A_MACHINE),
    "check": CommandSettings((DataConfig, SplitConfig, ModelConfig, RuntimeConfig), NOT_CHECKED),
    "read-pairs": CommandSettings((DataConfig,)),
    "inspect-encoding": CommandSettings((DataConfig, RuntimeConfig), TRAINING_DATA | NOT_OF_TEXTS),
}
"""The settings of each command. `tune` and `paper` train as many epochs as the published BERT + ResNet18 setup."""


def apply_options(base: TrainConfig, given: Given) -> TrainConfig:
    """Return a configuration in which the given settings replace the settings of `base`.

    If `encoders` is given, it also replaces the `text_encoder` and `image_encoder` of the configuration.
    """
    if "encoders" in given.get(ModelConfig, {}):
        base = replace(base, model=replace(base.model, text_encoder=None, image_encoder=None))
    plain = to_dict(base)
    return replace(base, **{name: build(kind, plain[name] | given.get(kind, {})) for kind, name in SECTIONS.items()})


def with_preset(base: TrainConfig, name: str) -> TrainConfig:
    """Return a configuration in which the settings of a preset replace the settings of `base`.

    Raises:
        ConfigError: there is no preset of that name.
    """
    sections = find_preset(name).sections()
    return apply_options(base, {kind: dict(sections.get(section, {})) for kind, section in SECTIONS.items()})
