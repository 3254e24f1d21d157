"""Command-line options, built from the config dataclasses.

Chosen: one `options(DataConfig, …)` decorator that writes a command's signature from the dataclass fields.
Rejected: forty `Annotated` aliases, which repeat each name, type and default, and drift. An option that was not
given stays out of the collected values, so that a default is never mistaken for a choice (`--config` relies on it).
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from mmsent_cli.config import (
    DataConfig,
    FitConfig,
    ModelConfig,
    RuntimeConfig,
    SplitConfig,
    build,
    value_type,
)

Given = dict[str, Any]
"""The settings of one config dataclass that were given on the command line, by name."""

RUN_PANEL = "Run"
EXPERIMENT_PANEL = "Experiment"
PANELS: dict[type, str] = {
    DataConfig: "Data",
    SplitConfig: "Split",
    ModelConfig: "Model",
    FitConfig: "Optimization",
    RuntimeConfig: "Runtime",
}
"""Panel of each dataclass's options in `--help`; those of an experiment's own settings stand under its own."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing output file")]
Checkpoint = Annotated[
    str | None,
    typer.Option(help="A checkpoint file, a run folder, or a name in the newest run (default: the newest run's best)"),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Folder that keeps the runs")]


Command = Callable[..., None]


def options(
    *config_types: type, omit: Collection[str] = (), rename: Mapping[tuple[type, str], str] | None = None
) -> Callable[[Command], Command]:
    """Give a command the options of some config dataclasses.

    The command's parameters annotated with one of `config_types` receive that dataclass, built from the options
    given. A parameter named `given` instead receives `{config type: {setting: value}}` with only what was typed, for
    a command that layers its options over another configuration.

    Args:
        config_types: dataclasses of `config`.
        omit: settings that are no option of this command and keep their default.
        rename: option names in place of a setting's own, such as `{(SplitConfig, "split_seed"): "seed"}`.

    Example:
        @options(DataConfig)
        def inspect_encoding(data: DataConfig, json: Json = False) -> None: ...
    """
    offered = {kind: [f for f in fields(kind) if f.name not in omit] for kind in config_types}

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        targets = {name: p.annotation for name, p in own.items() if p.annotation in config_types}

        def run(**values: Any) -> None:
            given = {kind: _pop_given(values, kind, settings) for kind, settings in offered.items()}
            built: dict[str, Any] = {name: build(kind, given[kind]) for name, kind in targets.items()}
            if "given" in own:
                built["given"] = given
            command(**built, **values)

        kept = [_in_run_panel(p) for p in own.values() if p.name not in {*targets, "given"}]
        names = rename or {}
        added = [_parameter(kind, f, names.get((kind, f.name), f.name)) for kind in offered for f in offered[kind]]
        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]  # Typer reads it
        run.__annotations__ = {p.name: p.annotation for p in [*kept, *added]}
        return run

    return decorate


def _in_run_panel(parameter: inspect.Parameter) -> inspect.Parameter:
    """A command's own parameter, keyword-only, with its option in the panel of the run."""
    for option in getattr(parameter.annotation, "__metadata__", ()):
        option.rich_help_panel = RUN_PANEL
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _parameter(config_type: type, config_field: Any, name: str) -> inspect.Parameter:
    """The keyword parameter, with its Typer option, for one config field."""
    kind = value_type(config_field.type)
    is_listed = get_origin(kind) is tuple
    metadata = config_field.metadata
    has_aliases = bool(metadata["aliases"])  # a Literal would refuse them before `build` sees them
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=_markup_free(f"{metadata['help']} [default: {_default_text(config_field)}]"),
        show_default=False,
        rich_help_panel=metadata["panel"] or PANELS.get(config_type, EXPERIMENT_PANEL),
        metavar="A,B,…" if is_listed else "|".join(get_args(kind)) if has_aliases else None,
    )
    shown = str if is_listed or has_aliases else kind
    return inspect.Parameter(
        _key(config_type, config_field),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[shown | None, option],
    )


def _default_text(config_field: Field[Any]) -> str:
    """The default as `--help` shows it; a switch that is off reads "no"."""
    default = config_field.default
    if config_field.metadata["shown"]:
        return config_field.metadata["shown"]
    if isinstance(default, bool):
        return "yes" if default else "no"
    return (
        ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in default)
        if isinstance(default, tuple)
        else str(default)
    )


def _markup_free(text: str) -> str:
    """The text with its square brackets escaped: Rich reads `[ocr]` as a style and leaves it out."""
    return text.replace("[", r"\[")


def _key(config_type: type, config_field: Field[Any]) -> str:
    """Name of the parameter: two dataclasses may have a setting of one name."""
    return f"{config_type.__name__}_{config_field.name}"


def _pop_given(values: dict[str, Any], config_type: type, settings: list[Field[Any]]) -> Given:
    popped = {f.name: values.pop(_key(config_type, f)) for f in settings}
    return {name: value for name, value in popped.items() if value is not None}
