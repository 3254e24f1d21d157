"""`mmsent check`: whether a model can be trained on pairs, and which of them a person should look at."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.output import print_run
from mmsent_cli.config.presets import PRESETS


@options(COMMANDS["check"])
def check(
    given: dict[str, Any],
    preset: Annotated[
        str | None, typer.Option(help=f"Check for a training with this preset: {', '.join(PRESETS)}")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Check the pairs before a training: classes, texts, images, duplicates, files.

    The run folder lists all problems by guid. The exit code is 1 if training cannot run.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.check(preset=preset, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
    if not run.result.can_train:
        raise typer.Exit(1)
