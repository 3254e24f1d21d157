"""The settings of each command, once: options of the command line and keywords of the Python functions are the same.

Standard library only, so that the command line answers at once.
"""

import difflib
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
from mmsent_cli.config.presets import find_preset
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.settings import (
    AblateSettings,
    AugmentSettings,
    CompareSettings,
    PaperSettings,
    TuneSettings,
)

SECTIONS: dict[type, str] = {
    DataConfig: "data",
    SplitConfig: "split",
    ModelConfig: "model",
    FitConfig: "fit",
    RuntimeConfig: "runtime",
}
"""The dataclasses that make up a TrainConfig, and their names in it."""
FOLDS_ONLY = frozenset({"folds", "probes", "models_per_fold", "logit_adjustment"})
"""Settings of a cross-validation run. An experiment trains single models and does not take them."""
Given = dict[type, dict[str, Any]]
"""The settings that were given, by dataclass."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """The settings that a command takes.

    Attributes:
        types: dataclasses whose fields are settings.
        omit: fields that the command does not take.
        rename: settings offered under another name, because two dataclasses have a field of that name.
        epochs: the command's own default, where it differs from the encoders'.
    """

    types: tuple[type, ...]
    omit: frozenset[str] = frozenset()
    rename: Mapping[tuple[type, str], str] = field(default_factory=dict)
    epochs: int | None = None

    def names(self) -> dict[str, tuple[type, str]]:
        """Dataclass and field of each setting, by the name under which it is offered."""
        kept = [(kind, each.name) for kind in self.types for each in fields(kind) if each.name not in self.omit]
        return {self.rename.get(place, place[1]): place for place in kept}

    def sort(self, options: Mapping[str, Any]) -> Given:
        """Settings by dataclass; those that are None are left out.

        Raises:
            ConfigError: a name that is no setting of the command.
        """
        names = self.names()
        for name in options:
            if name in RENAMED:
                raise ConfigError(f"{name} is now called {RENAMED[name]}", f"write {RENAMED[name]}")
            if name not in names:
                near = difflib.get_close_matches(name, names, n=3)
                guess = f"did you mean {', '.join(near)}?" if near else f"known settings: {', '.join(names)}"
                raise ConfigError(f"unknown setting {name!r}", guess)
        given: Given = {kind: {} for kind in self.types}
        for name, value in options.items():
            if value is not None:
                kind, own_name = names[name]
                given[kind][own_name] = os.fspath(value) if isinstance(value, os.PathLike) else value
        return given


COMMANDS = {
    "train": Keywords((*SECTIONS,), frozenset({"jobs"})),
    "predict": Keywords((DataConfig, RuntimeConfig), frozenset({"labels", "limit", "workers", "jobs", "save_all"})),
    "tune": Keywords(
        (TuneSettings, *SECTIONS),
        FOLDS_ONLY | {"jobs"},
        {(SplitConfig, "strategy"): "split_strategy"},
        epochs=5,
    ),
    "ablate": Keywords((AblateSettings, DataConfig, RuntimeConfig), frozenset({"labels", "workers", "save_all"})),
    "compare-fusions": Keywords((CompareSettings, *SECTIONS), FOLDS_ONLY | {"fusion"}),
    "augment-compare": Keywords((AugmentSettings, *SECTIONS), FOLDS_ONLY | {"augmentation"}),
    "paper": Keywords((PaperSettings, *SECTIONS), FOLDS_ONLY | {"augmentation"}, epochs=10),
    "split": Keywords(
        (DataConfig, SplitConfig), frozenset({"split", "fold", "folds"}), {(SplitConfig, "split_seed"): "seed"}
    ),
    "read-pairs": Keywords((DataConfig,)),
    "inspect-encoding": Keywords((DataConfig,), frozenset({"labels", "on_bad", "limit"})),
}
"""Numbers of epochs of the published BERT + ResNet18 setup, for `tune` and `paper`."""


def apply_options(base: TrainConfig, given: Given) -> TrainConfig:
    """A configuration with the given settings over it.

    A new `encoders` replaces the text and image encoder of the base.
    """
    if "encoders" in given.get(ModelConfig, {}):
        base = replace(base, model=replace(base.model, text_encoder=None, image_encoder=None))
    plain = to_dict(base)
    return replace(base, **{name: build(kind, plain[name] | given.get(kind, {})) for kind, name in SECTIONS.items()})


def with_preset(base: TrainConfig, name: str) -> TrainConfig:
    """A configuration with a preset's settings over it.

    Raises:
        ConfigError: no such preset.
    """
    sections = find_preset(name).sections()
    return apply_options(base, {kind: dict(sections.get(section, {})) for kind, section in SECTIONS.items()})
