"""`mmsent env`: whether training can run on this machine, and how long it would take."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Json, RunsDir, options


@options(COMMANDS["env"])
def env(
    given: dict[str, Any],
    no_timing: Annotated[
        bool, typer.Option("--no-timing", help="Do not measure how long the presets would take")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Check this machine: torch, GPU, cores, memory, disk, weights, and how long training would take.

    The exit code is 1 if training cannot run.
    """
    # Not by way of `api`, which needs torch: a torch that cannot be imported is one of the findings.
    from mmsent_cli.checks.env import check_machine
    from mmsent_cli.config import RuntimeConfig, build
    from mmsent_cli.reports.checks import print_env
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.reports.translate import language_of

    runtime = build(RuntimeConfig, COMMANDS["env"].sort(given)[RuntimeConfig])
    with ProgressView(is_brief=json) as progress:
        result = check_machine(runtime, runs_dir, not no_timing, progress)
    print_json(result) if json else print_env(result, language_of(runtime.lang))
    if not result.can_train:
        raise typer.Exit(1)
