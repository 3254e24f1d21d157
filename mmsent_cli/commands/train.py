"""`mmsent train`: train a model and write a report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.output import print_run
from mmsent_cli.config.build import PRESETS


@options(COMMANDS["train"])
def train(
    given: dict[str, Any],
    preset: Annotated[
        str | None, typer.Option(help=f"Named set of settings: {', '.join(PRESETS)}. Other options override the preset")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Use the settings of an earlier run: its folder, or a config.json. Other options override them"
        ),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Unfinished run to continue: its folder, its name, or latest (the newest run)")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train a model on labelled pairs, evaluate it, and write the model, metrics and a report to a new run folder."""
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    named = {"preset": preset, "config": config, "resume": resume, "runs_dir": runs_dir}
    with ProgressView(is_brief=json) as progress:
        run = api.train(progress=progress, **named, **given)
    print_run(run, json)
