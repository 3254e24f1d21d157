"""What `ablate` prints."""

from collections.abc import Iterable

from mmsent_cli.reports.ablation.sections import ablate_answer
from mmsent_cli.reports.ablation.tables import ablate_grids
from mmsent_cli.reports.experiment import print_experiment
from mmsent_cli.results import AblateResult


def print_ablate(result: AblateResult, run: str, files: Iterable[str], seconds: float) -> None:
    """Print a finished ablation on stdout.

    Args:
        result: the ablation.
        run: its folder.
        files: names of the files in it.
        seconds: how long it took.
    """
    print_experiment(ablate_answer(result, seconds), ablate_grids(result), run, files)
