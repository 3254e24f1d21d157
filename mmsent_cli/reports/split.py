"""A `SplitResult` as terminal tables."""

from rich.table import Table

from mmsent_cli.reports.console import out
from mmsent_cli.reports.format import percent
from mmsent_cli.reports.tables import print_paths
from mmsent_cli.results import SplitResult


def print_split(result: SplitResult, next_command: str) -> None:
    """Print sizes and class balance of each split, what grouping caught, and where the file is."""
    console = out()
    leaks = result.leaks_without_groups
    plain = "" if leaks is None else f" (a plain stratified split of this size and seed: {leaks})"
    console.print(_sides(result))
    console.print(
        f"near-duplicates: {result.grouped_pairs} pairs in {result.groups} groups, "
        f"{result.conflicting_groups} groups with conflicting tags",
        f"validation pairs with a near-duplicate in training: {result.leaks}{plain}",
        f"wrote {result.path} (digest {result.digest})",
        sep="\n",
        soft_wrap=True,
        markup=False,
    )
    print_paths(console, "Next", [next_command])


def _sides(result: SplitResult) -> Table:
    table = Table(title=f"{result.strategy} split", title_justify="left")
    table.add_column("side")
    table.add_column("pairs", justify="right")
    for label in result.train_counts:
        table.add_column(label, justify="right")
    if result.folds is None:
        rows = {"training": result.train_counts, "validation": result.val_counts}
    else:
        rows = {f"fold {number}": counts for number, counts in enumerate(result.fold_counts, 1)}
    for name, counts in rows.items():
        table.add_row(name, *_cells(counts))
    return table


def _cells(counts: dict[str, int]) -> list[str]:
    total = sum(counts.values())
    return [str(total), *(f"{count} ({percent(count / max(total, 1))})" for count in counts.values())]
