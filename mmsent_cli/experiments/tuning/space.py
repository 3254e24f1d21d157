"""The settings that `tune` can vary, and the search space: `NAME=A|B|C`, `NAME=LOW:HIGH` or `NAME=LOW:HIGH:log`.

A setting can be tuned if its value is a single number or word, and if it does not change the evaluated pairs, the
metric or the stored features.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

from mmsent_cli.config import KINDS, FitConfig, ModelConfig, ResolvedConfig, build, value_type
from mmsent_cli.errors import ConfigError, unknown_name
from mmsent_cli.fusion import find_fusion, require_fusion
from mmsent_cli.training.plan import Plan

if TYPE_CHECKING:
    from optuna.trial import Trial

Value = float | int | str

TUNABLE = (
    "encoder_lr",
    "head_lr",
    "weight_decay",
    "label_smoothing",
    "modality_dropout",
    "auxiliary_weight",
    "batch_size",
    "accumulation_steps",
    "epochs",
    "warmup",
    "schedule",
    "max_grad_norm",
    "class_weights",
    "patience",
    "fusion",
)
CHANGES_ENCODING = "it changes the features, which are computed once for all trials"
HAS_SEVERAL_NUMBERS = "it is a list of numbers"
IS_OF_FOLDS = "it is a setting of cross-validation, and each trial is a single model"
NOT_TUNABLE = {
    "encoders": CHANGES_ENCODING,
    "text_encoder": CHANGES_ENCODING,
    "image_encoder": CHANGES_ENCODING,
    "freeze_text": CHANGES_ENCODING,
    "freeze_image": CHANGES_ENCODING,
    "max_length_tokens": CHANGES_ENCODING,
    "image_size_px": CHANGES_ENCODING,
    "text_cleaning": CHANGES_ENCODING,
    "augmentation": f"{CHANGES_ENCODING} (see mmsent augment-compare)",
    "augmentation_views": CHANGES_ENCODING,
    "augmentation_seed": CHANGES_ENCODING,
    "head_hidden": HAS_SEVERAL_NUMBERS,
    "head_dropout": HAS_SEVERAL_NUMBERS,
    "probes": IS_OF_FOLDS,
    "optional_probes": IS_OF_FOLDS,
    "models_per_fold": IS_OF_FOLDS,
    "logit_adjustment": IS_OF_FOLDS,
    "monitor": "all trials are compared by the same metric",
    "seed": "the best of several seeds is luck, not a setting (see --seeds)",
}
"""The settings of ModelConfig and FitConfig that cannot be tuned, each with the reason in words."""

FIT, MODEL = ({field.name: field.type for field in fields(section)} for section in (FitConfig, ModelConfig))
SPACE_HINT = "write NAME=A|B|C, NAME=LOW:HIGH or NAME=LOW:HIGH:log, for example encoder_lr=1e-5:1e-3:log"


@dataclass(frozen=True, slots=True)
class Choices:
    """A list of values to try for a setting."""

    name: str
    values: tuple[Value, ...]

    def suggest(self, trial: "Trial") -> Value:
        """Return the value that a trial of Optuna proposes."""
        return cast(Value, trial.suggest_categorical(self.name, self.values))


@dataclass(frozen=True, slots=True)
class Range:
    """A range of numbers from `low` to `high`. If both limits have the type int, all values are whole numbers."""

    name: str
    low: float | int
    high: float | int
    is_log: bool = False

    @property
    def values(self) -> tuple[Value, ...]:
        """Return the two limits of the range."""
        return self.low, self.high

    def suggest(self, trial: "Trial") -> Value:
        """Return the value that a trial of Optuna proposes."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.is_log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.is_log)


def parse_space(items: Iterable[str]) -> tuple[Choices | Range, ...]:
    """Parse a search space.

    Raises:
        ConfigError: a setting is unknown, cannot be tuned or occurs twice, or a value is invalid.
    """
    space = tuple(map(_parse, items))
    names = [item.name for item in space]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"--space contains the setting {', '.join(twice)} more than once", SPACE_HINT)
    return space


def combinations(space: Sequence[Choices | Range]) -> list[dict[str, Value]]:
    """Return every combination of choices. The last setting varies fastest.

    Raises:
        ConfigError: the space contains a range, whose values cannot be listed.
    """
    ranges = [item.name for item in space if isinstance(item, Range)]
    if ranges:
        raise ConfigError(
            f"--strategy grid needs lists of values, but --space has a range for {', '.join(ranges)}",
            f"list the values, as in {ranges[0]}=A|B|C, or use --strategy tpe",
        )
    names = [item.name for item in space]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(item.values for item in space))]


def configure(plan: Plan, settings: dict[str, Value]) -> ResolvedConfig:
    """Return the plan's configuration with the given settings. A new fusion also gets its own default head.

    Raises:
        ConfigError: the settings are incompatible.
    """
    of_fit = {name: value for name, value in settings.items() if name in FIT}
    of_model: dict[str, Any] = {name: value for name, value in settings.items() if name in MODEL}
    fusion = of_model.pop("fusion", None)
    config = plan.variant(fusion, **of_fit)
    config = replace(config, model=replace(config.model, **of_model))
    require_fusion(config.model)
    return config


def _parse(item: str) -> Choices | Range:
    name, _, text = (part.strip() for part in item.partition("="))
    name = name.replace("-", "_")
    if name in NOT_TUNABLE:
        raise ConfigError(
            f"--space: the setting {name} cannot be tuned: {NOT_TUNABLE[name]}",
            f"known names: {', '.join(TUNABLE)}",
        )
    if name not in TUNABLE:
        raise unknown_name("space", name, list(TUNABLE))
    if not text:
        raise ConfigError(f"--space: the setting {name} has no values", SPACE_HINT)
    if ":" in text:
        return _parse_range(name, text)
    return Choices(name, tuple(dict.fromkeys(_value(name, part) for part in text.split("|"))))


def _parse_range(name: str, text: str) -> Range:
    if _kind(name) not in (int, float):
        raise ConfigError(
            f"--space: the values of {name} are words, so they cannot be given as a range",
            f"list the values: {name}=A|B|C",
        )
    ends, scale = text.split(":")[:2], text.split(":")[2:]
    if "|" in text or scale not in ([], ["log"]):
        raise ConfigError(f"--space: the range {text!r} of {name} cannot be read", SPACE_HINT)
    low, high = (cast(float, _value(name, end)) for end in ends)
    if not low < high:
        raise ConfigError(f"--space: the range {text} of {name} is empty", "give the lower end first")
    if scale and low <= 0:
        raise ConfigError(f"--space: the logarithmic range of {name} cannot start at {low:g}", "start above 0")
    return Range(name, low, high, is_log=bool(scale))


def _value(name: str, text: str) -> Value:
    """Convert a value to the type of the setting. The checks are the same as for the option `--NAME`."""
    kind, text = _kind(name), text.strip()
    try:
        value = kind(text) if kind in (int, float) else text
    except ValueError:
        raise ConfigError(f"--space: the value {text!r} of {name} is not {KINDS[kind]}", SPACE_HINT) from None
    build(FitConfig if name in FIT else ModelConfig, {name: value})
    if name == "fusion":
        find_fusion(text)
    return value


def _kind(name: str) -> Any:
    return value_type((FIT | MODEL)[name])
