"""`mmsent train`: one training run with its report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.output import print_run
from mmsent_cli.config.presets import PRESETS
from mmsent_cli.keywords import COMMANDS


@options(COMMANDS["train"])
def train(
    given: dict[str, Any],
    preset: Annotated[
        str | None, typer.Option(help=f"Named set of settings, which other options override: {', '.join(PRESETS)}")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Repeat an earlier run from its config.json, which other options override")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Continue an unfinished run: its folder, its name, or latest")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train a model on labelled pairs, validate it, and write everything to a new run folder."""
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    named = {"preset": preset, "config": config, "resume": resume, "runs_dir": runs_dir}
    with ProgressView() as progress:
        run = api.train(progress=progress, **named, **given)
    print_run(run, json)
