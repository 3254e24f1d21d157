"""What `ablate` prints."""

from collections.abc import Iterable

from mmsent_cli.findings import AblateResult
from mmsent_cli.render.ablate_sections import ablate_answer
from mmsent_cli.render.ablate_tables import ablate_grids
from mmsent_cli.render.experiment import print_experiment


def print_ablate(result: AblateResult, run: str, files: Iterable[str], seconds: float) -> None:
    """Print a finished ablation on stdout.

    Args:
        result: the ablation.
        run: its folder.
        files: names of the files in it.
        seconds: how long it took.
    """
    print_experiment(ablate_answer(result, seconds), ablate_grids(result), run, files)
