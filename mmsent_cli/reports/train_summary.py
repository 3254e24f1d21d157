"""What `train` prints at its end: set-up, figures beside their baseline, classes, confusions, files, what is next."""

from collections.abc import Iterator

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from mmsent_cli.reports.classes import class_grid
from mmsent_cli.reports.console import out
from mmsent_cli.reports.tables import (
    cell,
    counted,
    facts_table,
    figures_table,
    interval,
    majority_macro_f1,
    parameters,
    percent,
    print_grid,
    print_notes,
    print_paths,
    print_table,
    seconds,
)
from mmsent_cli.results import TrainResult

OPTIMISTIC = "* chosen on these same pairs, so optimistic"
NEXT = "mmsent predict --out submission.txt"


def print_train(result: TrainResult) -> None:
    """Print the summary of a finished run on stdout, at most as wide as the terminal (80 columns off a terminal)."""
    console = out()
    console.print(facts_table(_facts(result)))
    print_table(console, f"Validation, {counted(result.val_pairs, 'pair')}", _headline(result), OPTIMISTIC)
    print_grid(console, class_grid(f"Classes, epoch {result.best_epoch} *", result.best.per_class))
    _print_confusion(console, result)
    print_notes(console, result.notes)
    print_paths(console, f"Written to {result.run}", result.files)
    print_paths(console, "Next", [NEXT])


def _facts(result: TrainResult) -> Iterator[tuple[str, object]]:
    yield "Run", result.run
    yield "Data", f"{result.train_pairs} training and {result.val_pairs} validation pairs, texts in {result.encoding}"
    if result.problems:
        yield "Problems", f"{counted(result.problems, 'pair')} with an unusable text or image, listed in the run"
    yield "Encoders", result.encoders
    yield "Fusion", result.fusion
    yield "Device", f"{result.device}, {result.precision}"
    yield "Parameters", parameters(result.trainable_parameters, result.total_parameters)
    yield "Time", f"{seconds(result.seconds)}, of it {seconds(result.prepare_seconds)} to prepare"


def _headline(result: TrainResult) -> Table:
    best, last = result.best, result.last
    majority = majority_macro_f1(result.majority_accuracy, len(result.labels))
    rows = [
        ("Accuracy", cell(percent(best.accuracy), "bold"), percent(last.accuracy), percent(result.majority_accuracy)),
        ("95 % interval", interval(best.interval), interval(last.interval), ""),
        ("Macro-F1", cell(f"{best.macro_f1:.3f}", "bold"), f"{last.macro_f1:.3f}", f"{majority:.3f}"),
        ("Loss", f"{best.loss:.4f}", f"{last.loss:.4f}", ""),
    ]
    columns = ("", f"Best epoch ({result.best_epoch}) *", f"Last epoch ({result.epochs})", "Always most frequent")
    return figures_table(columns, rows)


def _print_confusion(console: Console, result: TrainResult) -> None:
    rows = [
        (label, *(cell(count, "bold") if i == j else count for j, count in enumerate(counts)))
        for i, (label, counts) in enumerate(zip(result.labels, result.best.confusion, strict=True))
    ]
    columns = ("true \\ predicted", *result.labels)
    table = figures_table(columns, rows)
    if Measurement.get(console, console.options.update(max_width=10_000), table).maximum <= console.width:
        print_table(console, f"Confusions, epoch {result.best_epoch} *: rows true, columns predicted", table)
    else:
        console.print(f"\nThe confusion matrix of {len(result.labels)} classes is too wide here: see the report.")
