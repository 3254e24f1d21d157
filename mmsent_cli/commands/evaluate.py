"""`mmsent evaluate`: the scores of a trained model, or of a file of predictions, on labelled pairs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["evaluate"])
def evaluate(
    given: dict[str, Any],
    model: Annotated[
        str | None,
        typer.Argument(
            help="A run, a checkpoint file, or a .csv or .jsonl file of predictions \\[default: the newest run]",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Measure a trained model, or a file of predictions, on labelled pairs.

    Pairs that the model was trained on are reported separately. Without --data, the labelled pairs of the model's own
    run are used.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.evaluate(model, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
