"""What `runs` prints."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.console import out
from mmsent_cli.reports.format import DASH, duration, number, number_interval, score, score_interval
from mmsent_cli.reports.tables import cell, facts_table, print_grid, print_paths
from mmsent_cli.results import RunRow, RunsResult

SHORT_DIGEST = 6


def print_runs(result: RunsResult) -> None:
    """Print the list as a table."""
    console = out()
    if not result.runs:
        console.print(cell(f"no run in {result.folder}"))
        return
    for grid in runs_grids(result):
        print_grid(console, grid)


def runs_grids(result: RunsResult) -> list[Grid]:
    """Make the table, with one row per run."""
    rows = tuple(
        (
            row.name,
            "finished" if row.is_finished else "unfinished",
            row.data or DASH,
            row.split[:SHORT_DIGEST] or DASH,
            DASH if row.seed is None else str(row.seed),
            DASH if row.accuracy is None else number(row.accuracy),
            DASH if row.macro_f1 is None else score(row.macro_f1),
            f"{row.rank} of {row.ranked}" if row.rank else DASH,
            DASH if row.minutes is None else duration(60 * row.minutes),
            f"{row.megabytes:,.1f}",
        )
        for row in result.runs
    )
    return [
        Grid(
            title=f"Runs in {result.folder}",
            columns=("", "State", "Data", "Split", "Seed", "Accuracy, %", "Macro-F1", "Rank", "Time", "MB"),
            rows=rows,
            words=frozenset({0, 1, 2}),
            foot="Runs of the same split have the same characters under Split; mmsent runs show RUN has the split in "
            "words, and 95 % intervals. Rank by accuracy among the trainings of the same data and split. Without "
            "folds the metrics are those of the best epoch, which is optimistic. mmsent compare tests differences.",
        ),
    ]


def print_runs_csv(result: RunsResult) -> None:
    """Print the list as comma-separated values on standard output."""
    rows = [_flat(row) for row in result.runs]
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else ["name"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_run_row(row: RunRow, folder: Path, files: Sequence[str]) -> None:
    """Print one run with its files."""
    console = out()
    scores = {
        "Accuracy": row.accuracy_interval
        and f"{number(row.accuracy or 0.0)} % ({number_interval(row.accuracy_interval)})",
        "Macro-F1": row.macro_f1_interval and f"{score(row.macro_f1 or 0.0)} ({score_interval(row.macro_f1_interval)})",
    }
    facts = {
        "Run": str(folder),
        "Command": row.command,
        "When": row.when,
        "State": "finished" if row.is_finished else f"unfinished; mmsent {row.command} --resume {folder}",
        "Data": row.data,
        "Split": f"{row.split_words} ({row.split[:SHORT_DIGEST]})" if row.split else "",
        "Model": row.model,
        "Seed": row.seed,
        **scores,
        "Time": None if row.minutes is None else duration(60 * row.minutes),
        "Size": f"{row.megabytes:.1f} MB",
    }
    console.print(facts_table(facts.items()))
    print_paths(console, "Files", files)


def _flat(row: RunRow) -> dict[str, object]:
    values = asdict(row)
    for name in ("accuracy_interval", "macro_f1_interval"):
        ends = values.pop(name) or (None, None)
        values |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return values
