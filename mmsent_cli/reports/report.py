"""The one-page report of a training run."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.reports.blocks import Picture, ReportExample
from mmsent_cli.reports.classes import class_grid
from mmsent_cli.reports.figures import confusion_png, curves_png
from mmsent_cli.reports.page import flat_rows, render_page, settings_rows
from mmsent_cli.reports.tables import majority_macro_f1, parameters, seconds
from mmsent_cli.results import TrainResult

__all__ = ["ReportExample", "example_groups", "train_facts", "train_pictures", "train_report"]


def train_report(
    result: TrainResult,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    examples: Sequence[ReportExample],
) -> str:
    """Write the report of a finished training run as one self-contained HTML page.

    Args:
        result: the run.
        config: its resolved configuration, as in `config.json`: sections of settings.
        environment: versions, device and digests, in any nesting.
        examples: validation pairs, right and wrong, in the order to be shown.
    """
    return render_page(
        "report.html",
        result=result,
        facts=train_facts(result),
        majority_macro_f1=majority_macro_f1(result.majority_accuracy, len(result.labels)),
        classes=class_grid(f"Epoch {result.best_epoch}", result.best.per_class),
        pictures=train_pictures(result),
        groups=example_groups(examples),
        settings=settings_rows(config),
        environment=flat_rows(environment),
        command=shlex.join(["mmsent", "train", "--config", str(Path(result.run) / "config.json")]),
    )


def example_groups(examples: Sequence[ReportExample]) -> list[tuple[str, list[ReportExample]]]:
    """The wrong examples, then the right ones, each under its heading; a group without any is left out."""
    wrong = [example for example in examples if example.true != example.predicted]
    right = [example for example in examples if example.true == example.predicted]
    return [(name, group) for name, group in (("Wrong", wrong), ("Right", right)) if group]


def train_facts(result: TrainResult) -> list[tuple[str, str]]:
    """The set-up of a run as rows of a name and a value."""
    return [
        ("Training pairs", f"{result.train_pairs:,}"),
        ("Validation pairs", f"{result.val_pairs:,}"),
        ("Classes", ", ".join(result.labels)),
        ("Text encoding", result.encoding),
        ("Encoders", result.encoders),
        ("Fusion", result.fusion),
        ("Parameters", parameters(result.trainable_parameters, result.total_parameters)),
        ("Device", f"{result.device}, {result.precision}"),
        ("Time", f"{seconds(result.seconds)}, of it {seconds(result.prepare_seconds)} to prepare"),
        ("Epochs", f"{result.epochs}, best {result.best_epoch}"),
        ("Pairs with problems", str(result.problems)),
        ("Run", result.run),
    ]


def train_pictures(result: TrainResult) -> tuple[Picture, ...]:
    """Curves over the epochs, where there are any, and the confusion matrix of the best one."""
    curves = Picture(
        png=curves_png(result.history, result.majority_accuracy) if result.history else b"",
        alt="Losses, accuracy and macro-F1 over the epochs",
        caption="Losses, and accuracy and macro-F1 on the validation pairs, over the epochs. "
        "The dotted line marks the best epoch.",
    )
    confusion = Picture(
        png=confusion_png(result.best.confusion, result.labels),
        alt="Confusion matrix of the best epoch",
        caption=f"Validation pairs by true and predicted class, epoch {result.best_epoch}: counts, and per cent of the "
        "true class.",
    )
    return (curves, confusion) if result.history else (confusion,)
