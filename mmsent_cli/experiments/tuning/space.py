"""What `tune` may vary, and how a search space is written: `NAME=A|B|C`, `NAME=LOW:HIGH`, `NAME=LOW:HIGH:log`.

A setting may be tuned if the trials stay comparable and cheap: one number or word, judged on the same pairs by the
same figure, and without another pass over the encoders.
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
ENCODED = "what the encoders compute once for all trials would change with it"
SEVERAL = "it holds several numbers"
JOINED = "it is a setting of cross-validation, and each trial is a single model"
NOT_TUNABLE = {
    "encoders": ENCODED,
    "text_encoder": ENCODED,
    "image_encoder": ENCODED,
    "freeze_text": ENCODED,
    "freeze_image": ENCODED,
    "max_length_tokens": ENCODED,
    "image_size_px": ENCODED,
    "text_cleaning": ENCODED,
    "augmentation": f"{ENCODED} (see mmsent augment-compare)",
    "augmentation_views": ENCODED,
    "augmentation_seed": ENCODED,
    "head_hidden": SEVERAL,
    "head_dropout": SEVERAL,
    "probes": JOINED,
    "models_per_fold": JOINED,
    "logit_adjustment": JOINED,
    "monitor": "all trials are judged by the same figure",
    "seed": "the best of several seeds is luck and no setting (see --seeds)",
}
"""The other settings of ModelConfig and FitConfig, each with the reason."""

FIT, MODEL = ({field.name: field.type for field in fields(section)} for section in (FitConfig, ModelConfig))
HOW = "write NAME=A|B|C, NAME=LOW:HIGH or NAME=LOW:HIGH:log, for example encoder_lr=1e-5:1e-3:log"


@dataclass(frozen=True, slots=True)
class Choices:
    """Values of a setting to try, each once."""

    name: str
    values: tuple[Value, ...]

    def suggest(self, trial: "Trial") -> Value:
        """The value that a trial of Optuna proposes."""
        return cast(Value, trial.suggest_categorical(self.name, self.values))


@dataclass(frozen=True, slots=True)
class Range:
    """Every number from `low` to `high`; whole ones where both are."""

    name: str
    low: float | int
    high: float | int
    is_log: bool = False

    @property
    def values(self) -> tuple[Value, ...]:
        """Both ends."""
        return self.low, self.high

    def suggest(self, trial: "Trial") -> Value:
        """The value that a trial of Optuna proposes."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.is_log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.is_log)


def parse_space(items: Iterable[str]) -> tuple[Choices | Range, ...]:
    """The search space, in the order given.

    Raises:
        ConfigError: a setting that is unknown, cannot be tuned or is there twice; values that it cannot have.
    """
    space = tuple(map(_parse, items))
    names = [item.name for item in space]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"--space names {', '.join(twice)} twice", HOW)
    return space


def combinations(space: Sequence[Choices | Range]) -> list[dict[str, Value]]:
    """Every combination of choices; the last setting varies fastest.

    Raises:
        ConfigError: a range, of which there is no every value.
    """
    ranges = [item.name for item in space if isinstance(item, Range)]
    if ranges:
        raise ConfigError(
            f"--strategy grid tries every value, and {', '.join(ranges)} is a range",
            f"name its values, as in {ranges[0]}=A|B|C, or use --strategy tpe",
        )
    names = [item.name for item in space]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(item.values for item in space))]


def configure(plan: Plan, settings: dict[str, Value]) -> ResolvedConfig:
    """The plan's configuration with other settings; another fusion brings its own head.

    Raises:
        ConfigError: settings that do not go together.
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
        raise ConfigError(f"--space: {name} cannot be tuned: {NOT_TUNABLE[name]}", f"known: {', '.join(TUNABLE)}")
    if name not in TUNABLE:
        raise unknown_name("space", name, list(TUNABLE))
    if not text:
        raise ConfigError(f"--space: {name} has no values", HOW)
    if ":" in text:
        return _parse_range(name, text)
    return Choices(name, tuple(dict.fromkeys(_value(name, part) for part in text.split("|"))))


def _parse_range(name: str, text: str) -> Range:
    if _kind(name) not in (int, float):
        raise ConfigError(f"--space: {name} is a word and has no range", f"name its values: {name}=A|B|C")
    ends, scale = text.split(":")[:2], text.split(":")[2:]
    if "|" in text or scale not in ([], ["log"]):
        raise ConfigError(f"--space: {name}: {text!r} is no range", HOW)
    low, high = (cast(float, _value(name, end)) for end in ends)
    if not low < high:
        raise ConfigError(f"--space: {name}: the range {text} is empty", "give the lower end first")
    if scale and low <= 0:
        raise ConfigError(f"--space: {name}: a logarithmic range cannot begin at {low:g}", "begin above 0")
    return Range(name, low, high, is_log=bool(scale))


def _value(name: str, text: str) -> Value:
    """A value as the setting's own type, checked as `--NAME` would be."""
    kind, text = _kind(name), text.strip()
    try:
        value = kind(text) if kind in (int, float) else text
    except ValueError:
        raise ConfigError(f"--space: {name}: {text!r} is not {KINDS[kind]}", HOW) from None
    build(FitConfig if name in FIT else ModelConfig, {name: value})
    if name == "fusion":
        find_fusion(text)
    return value


def _kind(name: str) -> Any:
    return value_type((FIT | MODEL)[name])
