"""The `mmsent` application, which prints expected errors as two lines on stderr.

Each command imports heavy packages inside its function, so that `mmsent --help` is fast.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from mmsent_cli import __version__
from mmsent_cli.commands.data import check, inspect_encoding, split
from mmsent_cli.commands.deployment import export, serve
from mmsent_cli.commands.evaluation import compare, evaluate, explain
from mmsent_cli.commands.experiments import ablate, augment_compare, compare_fusions, paper, tune
from mmsent_cli.commands.machine import cache, env
from mmsent_cli.commands.options import SwitchHelp, SwitchHelpGroup, unwrapped
from mmsent_cli.commands.predict import predict
from mmsent_cli.commands.runs import runs
from mmsent_cli.commands.train import train
from mmsent_cli.config import RENAMED
from mmsent_cli.config.build import meant_names
from mmsent_cli.errors import MmsentError, printable
from mmsent_cli.files import FREE_SPACE, NO_SPACE
from mmsent_cli.interrupts import AGAIN, INTERRUPTED

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""The class of the option parser's errors. Typer does not export this class."""
COMMAND = "COMMAND"
"""Placeholder for the command's name in hints."""
EXTRA, WRONG_TYPE = "Got unexpected extra argument", "Input should be"
"""First words of the option parser's messages that do not name the wrong value or the remedy."""
INTERNAL = "Value error, "
"""The prefix of error messages from the library that checks choices."""


class ErrorBoundary(SwitchHelpGroup):
    """The command group of mmsent. Expected errors are printed as a message and a hint, and the exit code is 1.

    Other errors keep their traceback.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed = {arg.partition("=")[0] for arg in args}
        for old, new in RENAMED.items():
            if f"--{old}" in typed:
                new = new.replace("_", "-")
                _fail(f"--{old} is now called --{new}", f"write --{new}")
        ctx.meta[COMMAND] = next((arg for arg in args if not arg.startswith("-")), COMMAND)
        with _expected_failures(COMMAND):  # the help may be printed to a full disk
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _expected_failures(ctx.meta[COMMAND]), _plain_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _expected_failures(command: str) -> Iterator[None]:
    try:
        yield
    except MmsentError as error:
        _fail(error.message, error.hint.replace(f"mmsent {COMMAND} ", f"mmsent {command} "))
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        _fail(f"no space left while writing {error.filename or 'the output'}", FREE_SPACE)
    except KeyboardInterrupt as interruption:
        print(f"\n{interruption}" if interruption.args else f"\ninterrupted; {AGAIN}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


@contextmanager
def _plain_usage_errors() -> Iterator[None]:
    """Reword the errors of the option parser. For an unknown option, add the most similar options."""
    try:
        yield
    except USAGE_ERROR as error:
        parts: Any = error
        parts.message = parts.message.replace(INTERNAL, "")
        if parts.message.startswith(EXTRA):
            parts.message += (
                ". Put quotes around a text with spaces, and write a list without spaces: --fusions concat,gmu"
            )
        cause: Any = error.__cause__ or error.__context__
        if parts.message.startswith(WRONG_TYPE) and hasattr(cause, "errors"):
            parts.message = f"{cause.errors()[0]['input']!r}: {parts.message[0].lower()}{parts.message[1:]}"
        if hasattr(error, "possibilities"):
            known = [option.lstrip("-").replace("-", "_") for each in parts.ctx.command.params for option in each.opts]
            meant = meant_names(parts.option_name.lstrip("-").replace("-", "_"), known)
            parts.possibilities = [f"--{name.replace('_', '-')}" for name in meant]
        raise


def _fail(message: str, hint: str) -> None:
    one_line = " ".join(message.split())
    print(printable(f"error: {one_line}\nhint: {hint}"), file=sys.stderr)
    raise SystemExit(1)


app = typer.Typer(
    cls=ErrorBoundary,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find the sentiment of a text with its image: train a model, predict new pairs, compare models.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"mmsent {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version of mmsent"
    ),
) -> None:
    """Define the options of `mmsent` itself."""


for command in (
    inspect_encoding,
    split,
    check,
    tune,
    train,
    evaluate,
    compare,
    ablate,
    compare_fusions,
    augment_compare,
    paper,
    predict,
    explain,
    serve,
    export,
    env,
    cache,
):
    app.command(command.__name__.replace("_", "-"), cls=SwitchHelp, help=unwrapped(command.__doc__))(command)
app.add_typer(runs, name="runs")
