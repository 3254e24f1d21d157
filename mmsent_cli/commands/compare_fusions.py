"""`mmsent compare-fusions`: train several fusion layers, and test their differences."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Config, Json, Resume, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["compare-fusions"])
def compare_fusions(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="List all fusions with source and number of parameters, and train nothing")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train models that differ only in their fusion layer, and test the differences in accuracy."""
    from mmsent_cli import api
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.fusions import print_fusions
    from mmsent_cli.reports.progress import ProgressView

    if not show_list:
        with ProgressView(is_brief=json) as progress:
            run = api.compare_fusions(config=config, resume=resume, runs_dir=runs_dir, progress=progress, **given)
        print_run(run, json)
        return
    encoders, rows = api.list_fusions(config, **given)
    if json:
        print_json({"encoders": encoders, "fusions": [asdict(row) for row in rows]})
    else:
        print_fusions(rows, encoders)
