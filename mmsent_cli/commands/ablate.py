"""`mmsent ablate`: measure how much a trained model depends on the text and on the image."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Json, Resume, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["ablate"])
def ablate(
    given: dict[str, Any],
    checkpoint: Checkpoint = None,
    split: Annotated[
        str | None, typer.Option(help="With --data: evaluate only on the validation pairs of this split file")
    ] = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Remove the text or the image from the input of a trained model, and measure how much accuracy drops.

    Without --data, the model is evaluated on the validation pairs of its own run. An ensemble is evaluated out of fold:
    each pair is predicted by models, probes and a stacker that were trained on the other folds.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    named = {"checkpoint": checkpoint, "split": split, "resume": resume, "runs_dir": runs_dir}
    with ProgressView(is_brief=json) as progress:
        run = api.ablate(progress=progress, **named, **given)
    print_run(run, json)
