"""Command-line options, built from the dataclasses of settings.

Chosen: a decorator that adds one option to the command's signature for each dataclass field. Rejected: writing each
option by hand, which repeats its name, type and default. Options that the user did not type are not passed on, so that
they do not override the settings of `--config` and `--preset`.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from mmsent_cli.command_settings import CommandSettings
from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, RuntimeConfig, SplitConfig, value_type
from mmsent_cli.config.command_settings import (
    EvaluateSettings,
    ExplainSettings,
    ExportSettings,
    PredictSettings,
    ServeSettings,
)
from mmsent_cli.errors import ConfigError
from mmsent_cli.extras import require_for_options

EMPTY_HINT = "write a value, or leave it out; check the variables of the command line"
LIST = "A,B,..."
"""What `--help` shows for a comma-separated list."""
KEYWORD = inspect.Parameter.KEYWORD_ONLY
RUN_PANEL = "Run"
EXPERIMENT_PANEL = "Experiment"
SHOWN_CHOICES = 17
"""Maximum number of characters that `--help` shows as the choices next to an option's name. Longer lists of choices are
shown in the help text."""
PANELS: dict[type, str] = {
    DataConfig: "Data",
    SplitConfig: "Split",
    ModelConfig: "Model",
    FitConfig: "Optimization",
    RuntimeConfig: "Runtime",
    PredictSettings: "Prediction",
    EvaluateSettings: "Evaluation",
    ExplainSettings: "Explanation",
    ExportSettings: "Export",
    ServeSettings: "Server",
}
"""For each dataclass of settings, the panel (group of options) in `--help`. Options of all other dataclasses are in
`EXPERIMENT_PANEL`."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only the result and errors, without progress and other messages"),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite output files that exist")]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        help=r"Checkpoint file, run folder, or name of a file in the newest run"
        r" \[default: best_model.pt of the newest run]"
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Use the settings of an earlier run: its folder, or a config.json"),
]
Resume = Annotated[
    str | None,
    typer.Option("--resume", help="Unfinished run to continue: its folder, its name, or latest (the newest run)"),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="Folder that contains all runs")]


Command = Callable[..., None]


def _without_switch_types(params: list[Any]) -> list[Any]:
    """Remove the type `<bool>` from the help of options that take no value. Users could take it for a value."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


class SwitchHelp(TyperCommand):
    """A command whose help shows no type for options that take no value, and that refuses empty values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command line.

        Raises:
            ConfigError: a value is empty, as from a shell variable that is not set, and has no meaning.
        """
        _require_values(self, ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, `--help` included."""
        return _without_switch_types(super().get_params(ctx))


def _may_be_empty(param: Any) -> bool:
    """Return True for a text, for a list, and for a column that a table does not have."""
    return param.metavar == LIST or param.name == "text" or param.name.endswith("_column")


def _require_values(command: Any, ctx: Any, args: list[str]) -> None:
    typed, _, _ = command.make_parser(ctx).parse_args(list(args))
    for param in command.params:
        value = typed.get(param.name)
        if "" in (value if isinstance(value, list | tuple) else (value,)) and not _may_be_empty(param):
            what = f"{param.opts[-1]}: the value" if param.param_type_name == "option" else "an argument"
            raise ConfigError(f"{what} is empty", EMPTY_HINT)


class SwitchHelpGroup(TyperGroup):
    """A group of commands. It treats its own options as `SwitchHelp` does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command line up to the name of a command; see `SwitchHelp.parse_args`."""
        _require_values(self, ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, `--help` included."""
        return _without_switch_types(super().get_params(ctx))


def unwrapped(docstring: str | None) -> str:
    """Return a docstring with one line for each paragraph. `--help` wraps these lines to the width of the terminal."""
    paragraphs = inspect.cleandoc(docstring or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)


def options(keywords: CommandSettings) -> Callable[[Command], Command]:
    """Return a decorator that adds the option `--quiet`, and an option for each setting, to a command.

    The options that the user typed are passed to the command as a dictionary, in the parameter `given`.

    Args:
        keywords: the settings of the command.

    Example:
        @options(COMMANDS["inspect-encoding"])
        def inspect_encoding(given: dict[str, Any], json: Json = False) -> None: ...
    """
    places = keywords.names()

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters

        def run(quiet: bool, **values: Any) -> None:
            given = {name: value for name in places if (value := values.pop(name)) is not None}
            require_for_options(given)
            with _without_messages() if quiet else nullcontext():
                command(given=given, **values)

        taken = [p for p in own.values() if p.name != "given"]
        kept = [
            _in_run_panel(p) for p in (*taken, inspect.Parameter("quiet", KEYWORD, default=False, annotation=Quiet))
        ]
        added = [
            _parameter(kind, _field(kind, setting), name, keywords.shown.get(name))
            for name, (kind, setting) in places.items()
        ]
        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]  # Typer reads it
        run.__annotations__ = {p.name: p.annotation for p in [*kept, *added]}
        return run

    return decorate


def _without_messages() -> AbstractContextManager[None]:
    from mmsent_cli.reports.tables import without_messages

    return without_messages()


def _in_run_panel(parameter: inspect.Parameter) -> inspect.Parameter:
    """Make a parameter of a command keyword-only, and show its option in the panel "Run"."""
    for option in getattr(parameter.annotation, "__metadata__", ()):
        option.rich_help_panel = RUN_PANEL
    return parameter.replace(kind=KEYWORD)


def _parameter(config_type: type, config_field: Any, name: str, shown_default: str | None) -> inspect.Parameter:
    """Make the keyword parameter for one setting, with its Typer option."""
    kind = value_type(config_field.type)
    is_listed = get_origin(kind) is tuple
    metadata = config_field.metadata
    has_aliases = bool(metadata["aliases"])  # a Literal would reject the aliases before `build` converts them
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    is_long = len("|".join(choices)) > SHOWN_CHOICES
    help_text = (
        metadata["help"]
        if all(choice in metadata["help"] for choice in choices) or not is_long
        else (f"{metadata['help']}: {', '.join(choices)}")
    )
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=_markup_free(f"{help_text}{_default_text(config_field, shown_default)}"),
        show_default=False,
        rich_help_panel=metadata["panel"] or PANELS.get(config_type, EXPERIMENT_PANEL),
        metavar=LIST if is_listed else "<name>" if is_long else None,
    )
    shown = str if is_listed or has_aliases else kind
    return inspect.Parameter(
        name,
        KEYWORD,
        default=None,
        annotation=Annotated[shown | None, option],
    )


def _default_text(config_field: Field[Any], shown: str | None) -> str:
    """Return the text that shows the default in `--help`. For a switch, which is off by default, it is empty."""
    default = config_field.default
    shown = shown or config_field.metadata["shown"] or _plain_default(default)
    return "" if isinstance(default, bool) else f" [default: {shown}]"


def _plain_default(default: Any) -> str:
    return (
        ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in default)
        if isinstance(default, tuple)
        else str(default)
    )


def _markup_free(text: str) -> str:
    """Escape square brackets. Otherwise, Rich would treat a text such as `[ocr]` as a style and not print it."""
    return text.replace("[", r"\[")


def _field(config_type: type, name: str) -> Field[Any]:
    return next(each for each in fields(config_type) if each.name == name)
