"""What `compare-fusions --list` prints: each fusion with what it computes, where it comes from, how large it is."""

from collections.abc import Sequence

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.console import out
from mmsent_cli.reports.tables import print_grid
from mmsent_cli.reports.trained import LEGEND
from mmsent_cli.results import FusionRow


def print_fusions(rows: Sequence[FusionRow], encoders: str = "") -> None:
    """Print the fusions on stdout.

    Args:
        rows: in the order to be shown.
        encoders: the encoders for which the parameters are counted.
    """
    grid = Grid(
        name="fusions",
        title=f"Fusions, parameters of fusion and head{f' over {encoders}' if encoders else ''}",
        columns=("Fusion", "Parameters", "What it computes", "Source"),
        rows=tuple((row.name, f"{row.parameters:,}", f"{row.summary}: {row.formula}", row.source) for row in rows),
        foot=LEGEND,
        words=frozenset({0, 2, 3}),
    )
    print_grid(out(), grid)
