"""`mmsent ablate`: how much a trained model depends on the text and on the image."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.commands.options import Checkpoint, Json, Resume, RunsDir, options
from mmsent_cli.commands.output import print_run
from mmsent_cli.keywords import COMMANDS


@options(COMMANDS["ablate"])
def ablate(
    given: dict[str, Any],
    checkpoint: Checkpoint = None,
    split: Annotated[
        str | None, typer.Option(help="With --data: use only the validation split of this split file")
    ] = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Remove the text or the image from a trained model's input, in several ways, and measure what is left.

    By default the pairs are the validation pairs of the checkpoint's run.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    named = {"checkpoint": checkpoint, "split": split, "resume": resume, "runs_dir": runs_dir}
    with ProgressView() as progress:
        run = api.ablate(progress=progress, **named, **given)
    print_run(run, json)
