"""What `tune` prints."""

from collections.abc import Iterable
from pathlib import Path

from mmsent_cli.reports.console import out
from mmsent_cli.reports.experiment import print_experiment
from mmsent_cli.reports.tables import print_paths
from mmsent_cli.reports.tuning.sections import tune_answer
from mmsent_cli.reports.tuning.tables import tune_grids
from mmsent_cli.results import TuneResult


def print_tune(result: TuneResult, run: str, files: Iterable[str], seconds: float) -> None:
    """Print a finished tuning on stdout, and the command that trains with the settings found.

    Args:
        result: the tuning.
        run: its folder.
        files: names of the files in it.
        seconds: how long it took.
    """
    print_experiment(tune_answer(result, seconds), tune_grids(result), run, files)
    print_paths(out(), "Next", [f"mmsent train --config {Path(run) / result.best_config}"])
