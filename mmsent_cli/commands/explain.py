"""`mmsent explain`: which words, image regions and members lead to a prediction."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Json, RunsDir, options
from mmsent_cli.extras import EXPLAIN, require_installed


@options(COMMANDS["explain"])
def explain(
    given: dict[str, Any],
    checkpoint: Checkpoint = None,
    text: Annotated[str | None, typer.Option(help="Text of a single pair to explain")] = None,
    image: Annotated[Path | None, typer.Option(help="Image of a single pair to explain")] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Explain predictions: show how much each word, image region, modality and ensemble member contributes.

    Needs the extra explain (see README).
    """
    require_installed(*EXPLAIN)
    from mmsent_cli import api
    from mmsent_cli.commands.output import print_run
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.explain(checkpoint=checkpoint, text=text, image=image, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
