"""Print the results of short commands: cache, export, fusions, predict, runs, serve and split."""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.format import (
    DASH,
    counted,
    duration,
    listed,
    number,
    number_interval,
    percent,
    score,
    score_interval,
    sentence,
)
from mmsent_cli.reports.tables import (
    cell,
    facts_table,
    figures_table,
    out,
    print_grid,
    print_notes,
    print_paths,
    print_table,
)
from mmsent_cli.reports.trained import LEGEND
from mmsent_cli.results import (
    ExportResult,
    FusionRow,
    Prediction,
    PredictResult,
    RunRow,
    RunsResult,
    SplitResult,
    StoredFeatures,
    StoreResult,
)

MEGABYTE = 10**6
FEATURE_SETS = "A feature set has the same stages, image size and cleaning. --json lists each with its folder."


def print_store(result: StoreResult) -> None:
    """Print the content of the feature store, and the sizes of the other caches, on stdout."""
    console = out()
    size = f"{result.bytes / MEGABYTE:,.1f} MB"
    kinds = ((result.compiled_models_bytes, "compiled models"), (result.weights_bytes, "unpacked weights"))
    beside = listed([f"{each / MEGABYTE:.1f} MB of {kind}" for each, kind in kinds if each])
    facts = [("Folder", result.folder), ("Cleared" if result.cleared else "Size", size), ("Beside it", beside)]
    facts += [("Not mmsent's", f"{folder} (never deleted)") for folder in result.foreign]
    console.print(facts_table(facts))
    if result.feature_sets and not result.cleared:
        columns = ("Encoder", "Feature sets", "Entries", "MB", "Last written")
        print_table(console, "Features", figures_table(columns, list(_by_encoder(result))), FEATURE_SETS)


def _by_encoder(result: StoreResult) -> Iterator[tuple[str, ...]]:
    """Yield a row for each encoder with the totals of its feature sets. The encoder with the most bytes is first."""
    sets: dict[str, list[StoredFeatures]] = {}
    for each in result.feature_sets:
        sets.setdefault(each.encoder, []).append(each)
    for encoder, own in sorted(sets.items(), key=lambda item: -sum(one.bytes for one in item[1])):
        size, entries = sum(one.bytes for one in own), sum(one.entries for one in own)
        yield encoder, f"{len(own):,}", f"{entries:,}", f"{size / MEGABYTE:,.1f}", max(one.used for one in own)


def print_export(result: ExportResult) -> None:
    """Print a finished export on stdout."""
    console = out()
    checked = (
        f"{counted(result.checked_pairs, 'pair')}, computed in fp32: largest difference of a probability"
        f" {result.largest_difference:.1e}, predicted class differs in {result.changed_labels}"
        if result.checked_pairs
        else ""
    )
    facts = {"Checkpoint": result.checkpoint, "Format": result.format, "Compared": checked}
    console.print(facts_table({**facts, "Time": duration(result.seconds)}.items()))
    rows = [(name, cell(f"{size / 1e6:,.2f}")) for name, size in result.files.items()]
    print_table(console, f"Written to {result.out}", figures_table(("File", "MB"), rows))
    print_notes(console, result.notes)
    print_paths(console, "Next", [f'python {result.out}/predict.py --text "what a day"'])


def print_fusions(rows: Sequence[FusionRow], encoders: str = "") -> None:
    """Print the fusions on stdout.

    Args:
        rows: the fusions in the order to show.
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


BAR_COLUMNS = 30


def print_predict(result: PredictResult, next_commands: Iterable[str] = ()) -> None:
    """Print on stdout what a finished prediction did, and the suggested next commands."""
    console = out()
    console.print(facts_table(_facts(result)))
    if result.prediction is None:
        _print_counts(console, result)
    else:
        _print_single(console, result.prediction)
    said = [str(finding) for finding in result.findings]
    for line in said:
        console.print(cell(f"\n{sentence(line)}.", "bold yellow"))
    print_notes(console, [note for note in result.notes if note not in said])
    print_paths(console, "Written", [result.out] if result.out else [])
    print_paths(console, "Next", next_commands)


def _facts(result: PredictResult) -> Iterator[tuple[str, object]]:
    yield "Checkpoint", result.checkpoint
    if result.prediction is None:
        text, image = result.missing_text, result.missing_image
        yield "Pairs", f"{result.pairs:,}"
        yield "Time", duration(result.seconds)
        yield "Without text", f"{text:,}, counting texts without words" if text else ""
        yield "Without image", f"{image:,} predicted from the text alone" if image else ""
    if result.threshold is not None:
        yield "Left empty", f"{counted(result.abstained, 'pair')} with a probability below {result.threshold:.3f}"
    if result.replaced_characters:
        yield "Undecodable", f"{counted(result.replaced_characters, 'character')} replaced by U+FFFD"


def _print_counts(console: Console, result: PredictResult) -> None:
    rows = []
    empty = {"left empty": result.abstained} if result.threshold is not None else {}
    for label, count in [*result.counts.items(), *empty.items()]:
        share = count / result.pairs if result.pairs else 0.0
        rows.append((label, f"{count:,}", percent(share), cell(_bar(console, share))))
    table = figures_table(("Class", "Pairs", "Share", ""), rows)
    table.columns[3].justify = "left"
    print_table(console, "Predicted", table)


def _print_single(console: Console, prediction: Prediction) -> None:
    missing = (
        f"This pair has no {prediction.missing}: predicted from the other modality alone." if prediction.missing else ""
    )
    rows = [
        (label, percent(probability), cell(_bar(console, probability), "bold" if label == prediction.tag else ""))
        for label, probability in prediction.probabilities.items()
    ]
    table = figures_table(("Class", "Probability", ""), rows)
    table.columns[2].justify = "left"
    print_table(console, prediction.tag, table, missing)


def _bar(console: Console, share: float) -> str:
    block = "█" if console.encoding.startswith("utf") else "#"
    return block * round(share * BAR_COLUMNS)


SHORT_DIGEST = 6


def print_runs(result: RunsResult) -> None:
    """Print the list of runs as a table."""
    console = out()
    if not result.runs:
        console.print(cell(f"no run in {result.folder}"))
        return
    for grid in runs_grids(result):
        print_grid(console, grid)


def runs_grids(result: RunsResult) -> list[Grid]:
    """Make the table of runs, with one row per run."""
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
            words=frozenset({1, 2}),
            foot="Runs of the same split have the same characters under Split; mmsent runs show RUN has the split in "
            "words, and 95 % intervals. Rank by accuracy among the trainings of the same data and split. Without "
            "folds the metrics are those of the best epoch, which is optimistic. mmsent compare tests differences.",
        ),
    ]


def print_runs_csv(result: RunsResult) -> None:
    """Print the list of runs as comma-separated values on standard output."""
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


def print_address(address: str) -> None:
    """Print the address of the page on one line, so that it can be copied."""
    out().print(cell(f"Serving at {address}  (Ctrl-C stops it)"), soft_wrap=True)


def print_split(result: SplitResult, next_command: str) -> None:
    """Print sizes and class counts of each part, the effect of grouping, and the path of the file."""
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
