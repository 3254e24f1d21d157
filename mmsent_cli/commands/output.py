"""Print a finished run."""

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsent_cli.finish import FinishedRun


def print_run(run: "FinishedRun", as_json: bool) -> None:
    """Print a finished run on standard output: as JSON with folder and duration, or as tables and text."""
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.outputs import print_result

    if as_json:
        print_json({"run": str(run.folder), "seconds": run.seconds, **asdict(run.result)})
    else:
        print_result(run.result, folder=run.folder, files=run.files, seconds=run.seconds)
