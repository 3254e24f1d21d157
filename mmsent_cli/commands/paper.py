"""`mmsent paper`: repeat the experiments of a published student project."""

from pathlib import Path
from typing import Any

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Config, Json, Resume, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["paper"])
def paper(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Repeat all experiments of a published student project (BERT + ResNet18), and compare with its scores.

    The steps are tune, train, ablate, compare-fusions and augment-compare. One report shows all of them."""
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.paper(config=config, resume=resume, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
