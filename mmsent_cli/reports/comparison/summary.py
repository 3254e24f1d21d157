"""What `compare-fusions` and `augment-compare` print."""

from collections.abc import Iterable

from mmsent_cli.reports.comparison.sections import compare_answer
from mmsent_cli.reports.comparison.tables import compare_grids
from mmsent_cli.reports.experiment import print_experiment
from mmsent_cli.results import CompareResult


def print_compare(result: CompareResult, run: str, files: Iterable[str], seconds: float) -> None:
    """Print a finished comparison on stdout.

    Args:
        result: the comparison.
        run: its folder.
        files: names of the files in it.
        seconds: how long it took.
    """
    print_experiment(compare_answer(result, seconds), compare_grids(result), run, files)
