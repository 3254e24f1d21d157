"""A `SplitResult` as terminal tables."""

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.console import out
from mmsent_cli.reports.format import counted, percent
from mmsent_cli.reports.tables import facts_table, print_grid, print_paths
from mmsent_cli.results import SplitResult


def print_split(result: SplitResult, next_command: str) -> None:
    """Print sizes and class balance of each part, what grouping caught, and where the file is."""
    console = out()
    leaks = result.leaks_without_groups
    plain = "" if leaks is None else f"; {leaks} if near-duplicates were ignored"
    facts = {
        "Strategy": result.strategy,
        "Near-duplicates": f"{counted(result.grouped_pairs, 'pair')} in {counted(result.groups, 'group')}, "
        f"{counted(result.conflicting_groups, 'group')} with conflicting labels",
        "Divided": f"{result.leaks} validation pairs have a near-duplicate in training{plain}",
        "Digest": f"{result.digest}, equal for equal splits",
    }
    console.print(facts_table(facts.items()))
    print_grid(console, _parts(result))
    print_paths(console, "Written", [result.path])
    print_paths(console, "Next", [next_command])


def _parts(result: SplitResult) -> Grid:
    if result.folds is None:
        rows = {"training": result.train_counts, "validation": result.val_counts}
    else:
        rows = {f"fold {number}": counts for number, counts in enumerate(result.fold_counts, 1)}
    return Grid(
        title="Pairs",
        columns=("", "All", *result.train_counts),
        rows=tuple((name, *_cells(counts)) for name, counts in rows.items()),
    )


def _cells(counts: dict[str, int]) -> list[str]:
    total = sum(counts.values())
    return [str(total), *(f"{count} ({percent(count / max(total, 1))})" for count in counts.values())]
