"""Convert between configurations and plain values, as in JSON files and on the command line."""

import json
import math
from collections.abc import Mapping
from dataclasses import Field, asdict, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

from mmsent_cli.config.settings import OPTIONS_HINT, TrainConfig
from mmsent_cli.errors import ConfigError

C = TypeVar("C")

KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
RENAMED = {
    "experts": "probes",
    "networks": "models_per_fold",
}
"""Earlier names of settings, for the error that gives the new one."""


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
            raise ConfigError(f"{name} is now called {RENAMED[name]}", f"write {RENAMED[name]}")
    if unknown:
        raise ConfigError(f"unknown settings: {', '.join(unknown)}", f"known settings: {', '.join(known)}")
    return config_type(**{name: _convert(known[name], value) for name, value in values.items()})


def to_dict(config: Any) -> dict[str, Any]:
    """Convert a config to plain JSON values."""
    return json.loads(json.dumps(asdict(config)))


def read_train_config(path: Path) -> TrainConfig:
    """Read a `config.json`, given by its path or by its run folder.

    Raises:
        ConfigError: the file does not exist, is not JSON, or has unknown settings.
    """
    path = path / "config.json" if path.is_dir() else path
    hint = "give the config.json of an earlier run, or its folder"
    try:
        parts = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}", hint) from error
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
                raise ValueError(f"not one of {', '.join(get_args(kind))}")
            return value
        return _scalar(kind, value)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"invalid value for --{setting.name.replace('_', '-')}: {value!r} ({error})", OPTIONS_HINT
        ) from None


def _scalar(kind: type, value: Any, is_text: bool = False) -> Any:
    """Check a single value. If `is_text`, the value is text, and numbers are parsed. Nothing is rounded."""
    if is_text and kind in (int, float):
        try:
            value = kind(value)
        except ValueError:
            raise ValueError(f"{value!r} is not {KINDS[kind]}") from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"not {KINDS[kind]}")
    if kind is float and not math.isfinite(value):
        raise ValueError("not a finite number")
    return value
