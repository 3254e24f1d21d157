"""What `train --folds` prints at its end, and its one-page report."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.reports.blocks import Grid, Picture, ReportExample
from mmsent_cli.reports.classes import class_grid
from mmsent_cli.reports.console import out
from mmsent_cli.reports.figures import confusion_png
from mmsent_cli.reports.page import flat_rows, render_page, settings_rows
from mmsent_cli.reports.report import example_groups
from mmsent_cli.reports.tables import (
    counted,
    facts_table,
    interval,
    majority_macro_f1,
    parameters,
    percent,
    print_grid,
    print_notes,
    print_paths,
    seconds,
)
from mmsent_cli.reports.train_summary import NEXT
from mmsent_cli.results import FoldsResult

WORDS = {
    "network": "Network (text and image)",
    "image": "Image, linear",
    "text": "Text, linear",
    "minilm": "Text by MiniLM, linear",
    "mpnet": "Text by MPNet, linear",
    "characters": "Characters, linear",
    "lexicon": "Lexicon, linear",
    "ocr": "Words in the image, linear",
    "ocr-characters": "Their characters, linear",
}
"""What the members are called; one without words goes by its name."""
KEPT = (
    "The ensemble that is kept averages the networks of all folds and has its probes fit on all pairs. It has seen"
    " every pair, so nothing can be measured on it here; the figures are those of its parts out of fold, joined"
    " without the fold that is judged."
)


def print_folds(result: FoldsResult) -> None:
    """Print the summary of a finished training over folds on stdout."""
    console = out()
    console.print(facts_table(_facts(result)))
    print_grid(console, headline_grid(result))
    print_grid(console, members_grid(result))
    print_grid(console, fold_grid(result))
    print_grid(console, class_grid("Classes, out of fold", result.figures.per_class))
    print_notes(console, (KEPT, *result.notes))
    print_paths(console, f"Written to {result.run}", result.files)
    print_paths(console, "Next", [NEXT])


def headline_grid(result: FoldsResult) -> Grid:
    """The ensemble's figures beside those of always answering the most frequent class."""
    figures, majority = result.figures, result.majority_accuracy
    return Grid(
        title=f"Out of fold, {counted(result.pairs, 'pair')}",
        columns=("", "Ensemble", "Always most frequent"),
        rows=(
            ("Accuracy", percent(figures.accuracy), percent(majority)),
            ("95 % interval", interval(figures.interval), ""),
            ("Macro-F1", f"{figures.macro_f1:.3f}", f"{majority_macro_f1(majority, len(result.labels)):.3f}"),
            ("Loss", f"{figures.loss:.4f}", ""),
            ("Calibration error", f"{result.calibration_error:.3f}", ""),
        ),
    )


def members_grid(result: FoldsResult) -> Grid:
    """What each judge is worth alone, and all together."""
    rows = [
        (WORDS.get(judge.name, judge.name), percent(judge.accuracy), f"{judge.macro_f1:.3f}", f"{judge.loss:.4f}")
        for judge in result.members
    ]
    figures = result.figures
    joined = ("All, joined", percent(figures.accuracy), f"{figures.macro_f1:.3f}", f"{figures.loss:.4f}")
    offsets = ", ".join(f"{label} {offset:+.2f}" for label, offset in result.class_offsets.items())
    is_moved = any(result.class_offsets.values())
    foot = f"Log-probabilities moved towards rare classes: {offsets}" if is_moved else ""
    columns = ("Judge, out of fold", "Accuracy", "Macro-F1", "Loss")
    return Grid(title="Judges", columns=columns, rows=(*rows, joined), foot=foot)


def fold_grid(result: FoldsResult) -> Grid:
    """The networks' figures, a row a fold."""
    rows = tuple(
        (str(fold.fold), str(fold.val_pairs), percent(fold.accuracy), f"{fold.macro_f1:.3f}", seconds(fold.seconds))
        for fold in result.folds
    )
    return Grid(title="Networks", columns=("Fold", "Pairs", "Accuracy", "Macro-F1", "Time"), rows=rows)


def folds_report(
    result: FoldsResult,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    examples: Sequence[ReportExample],
) -> str:
    """Write the report of a training over folds as one self-contained HTML page.

    Args:
        result: the run.
        config: its resolved configuration, as in `config.json`: sections of settings.
        environment: versions, device and digests, in any nesting.
        examples: pairs, right and wrong out of fold, in the order to be shown.
    """
    confusion = Picture(
        png=confusion_png(result.figures.confusion, result.labels),
        alt="Confusion matrix, out of fold",
        caption="Pairs by true and predicted class, out of fold: counts, and per cent of the true class.",
    )
    return render_page(
        "folds.html",
        result=result,
        facts=[(name, str(value)) for name, value in _facts(result) if value],
        kept=KEPT,
        majority_macro_f1=majority_macro_f1(result.majority_accuracy, len(result.labels)),
        grids=[members_grid(result), fold_grid(result)],
        classes=class_grid("Out of fold", result.figures.per_class),
        pictures=(confusion,),
        groups=example_groups(examples),
        settings=settings_rows(config),
        environment=flat_rows(environment),
        command=shlex.join(["mmsent", "train", "--config", str(Path(result.run) / "config.json")]),
    )


def _facts(result: FoldsResult) -> Iterator[tuple[str, object]]:
    yield "Run", result.run
    yield "Data", f"{result.pairs} pairs in {len(result.folds)} folds, texts in {result.encoding}"
    if result.problems:
        yield "Problems", f"{counted(result.problems, 'pair')} with an unusable text or image, listed in the run"
    yield "Encoders", result.encoders
    yield "Fusion", result.fusion
    yield "Probes", ", ".join(result.probes)
    yield "Epochs", result.epochs
    yield "Device", f"{result.device}, {result.precision}"
    yield "Parameters", f"{parameters(result.trainable_parameters, result.total_parameters)}, each network"
    yield "Time", f"{seconds(result.seconds)}, of it {seconds(result.prepare_seconds)} to prepare"
