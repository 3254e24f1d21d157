"""`mmsent explain`: which words, image regions and members lead to a prediction."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Json, RunsDir, options


@options(COMMANDS["explain"])
def explain(
    given: dict[str, Any],
    checkpoint: Checkpoint = None,
    text: Annotated[str | None, typer.Option(help="Explain one pair: its text")] = None,
    image: Annotated[Path | None, typer.Option(help="Explain one pair: its image")] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Explain predictions: what words, image regions, text, image and ensemble members contribute."""
    from mmsent_cli import api
    from mmsent_cli.commands.output import print_run
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView() as progress:
        run = api.explain(checkpoint=checkpoint, text=text, image=image, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
