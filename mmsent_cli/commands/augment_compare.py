"""`mmsent augment-compare`: one fusion trained with and without augmented images."""

from pathlib import Path
from typing import Any

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Config, Json, Resume, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["augment-compare"])
def augment_compare(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train the same model with and without augmented images, and test the difference."""
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.augment_compare(config=config, resume=resume, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
