"""`mmsent compare`: trained models or files of predictions, compared on the same pairs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["compare"])
def compare(
    given: dict[str, Any],
    models: Annotated[
        list[str],
        typer.Argument(
            help="Two or more runs, checkpoints or prediction files. If a model was trained with several seeds, give"
            " its runs as one argument, separated by commas: RUN1,RUN2,RUN3",
        ),
    ],
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Compare trained models, or files of predictions, on the same pairs, and test each difference.

    Without --data, the runs are compared on their own validation or out-of-fold pairs.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    named = [[model] if Path(model).exists() else model.split(",") for model in models]
    with ProgressView(is_brief=json) as progress:
        run = api.compare(*named, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
