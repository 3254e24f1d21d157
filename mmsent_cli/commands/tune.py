"""`mmsent tune`: try training settings, and write the best ones to a configuration file for `train`."""

from pathlib import Path
from typing import Any

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Config, Json, Resume, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["tune"])
def tune(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Try training settings (5 epochs per trial by default), and write the best ones to a configuration file."""
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.tune(config=config, resume=resume, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
