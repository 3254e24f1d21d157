"""Command-line options, built from the config dataclasses.

Chosen: one `options(DataConfig, …)` decorator that writes a command's signature from the dataclass fields.
Rejected: forty `Annotated` aliases, which repeat each name, type and default, and drift. An option that was not
given stays out of the collected values, so that a default is never mistaken for a choice (`--config` relies on it).
"""

import functools
import inspect
import types
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer

from mmsent_cli.config import build, value_type

Given = dict[str, Any]
"""The settings of one config dataclass that were given on the command line, by name."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing output file")]
Checkpoint = Annotated[
    str | None,
    typer.Option(help="A checkpoint file, a run folder, or a name in the newest run (default: the newest run's best)"),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Folder that keeps the runs")]


def options(*config_types: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of some config dataclasses.

    The command's parameters that are annotated with one of `config_types` receive the dataclass, built from the
    options given; those annotated `Given` are not used: see `given_options` for the raw values.

    Example:
        @options(DataConfig)
        def inspect_encoding(data: DataConfig, json: Json = False) -> None: ...
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        targets = {name: p.annotation for name, p in own.items() if p.annotation in config_types}

        @functools.wraps(command)
        def run(**values: Any) -> None:
            built = {name: build(kind, _pop_given(values, kind)) for name, kind in targets.items()}
            command(**built, **values)

        return _with_signature(run, own, targets, config_types)

    return decorate


def given_options(*config_types: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Like `options`, for a command that layers the options over another configuration.

    The command's `given` parameter receives `{config type: {setting: value}}` with only what was typed.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters

        @functools.wraps(command)
        def run(**values: Any) -> None:
            command(given={kind: _pop_given(values, kind) for kind in config_types}, **values)

        return _with_signature(run, own, {"given": None}, config_types)

    return decorate


def _with_signature(run: Any, own: Any, replaced: Any, config_types: tuple[type, ...]) -> Callable[..., None]:
    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, p in own.items() if name not in replaced]
    added = [_parameter(f) for kind in config_types for f in fields(kind)]
    parameters = kept + added
    del run.__wrapped__
    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _parameter(config_field: Any) -> inspect.Parameter:
    """The keyword parameter, with its Typer option, for one config field."""
    kind = value_type(config_field.type)
    is_listed = get_origin(kind) is tuple
    option = typer.Option(
        f"--{config_field.name.replace('_', '-')}",
        help=config_field.metadata["help"] + _default_text(config_field.default),
        show_default=False,
        metavar="A,B,…" if is_listed else None,
    )
    shown = str if is_listed or isinstance(kind, types.UnionType) else kind
    return inspect.Parameter(
        config_field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[shown | None, option]
    )


def _default_text(default: Any) -> str:
    if default is None or default is False:
        return ""
    return f" [default: {default}]"


def _pop_given(values: dict[str, Any], config_type: type) -> Given:
    popped = {f.name: values.pop(f.name) for f in fields(config_type)}
    return {name: value for name, value in popped.items() if value is not None}
