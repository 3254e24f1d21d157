"""What every experiment prints: set-up, tables, the answer in words, notes, files; at most as wide as the terminal."""

from collections.abc import Iterable

from mmsent_cli.reports.blocks import Answer, Grid
from mmsent_cli.reports.console import out
from mmsent_cli.reports.tables import cell, facts_table, print_grid, print_notes, print_paths


def print_experiment(answer: Answer, grids: Iterable[Grid], run: str, files: Iterable[str]) -> None:
    """Print a finished experiment on stdout (80 columns off a terminal); the answer comes last, where eyes end.

    Args:
        answer: the set-up and what was found.
        grids: tables in the order of reading.
        run: the run's folder.
        files: names of the files in it.
    """
    console = out()
    console.print(facts_table([("Run", run), *answer.facts]))
    for grid in grids:
        print_grid(console, grid)
    console.print(cell(f"\n{answer.headline}", "bold"))
    for paragraph in answer.paragraphs:
        console.print(cell(paragraph))
    print_notes(console, answer.notes)
    print_paths(console, f"Written to {run}", files)
