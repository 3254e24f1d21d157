"""Per-class scores as grids, the same for every kind of result."""

from collections.abc import Sequence

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.format import score
from mmsent_cli.results import ClassMetrics

MOST_FREQUENT = "(most frequent class)"
"""Name of the row that always predicts the class most frequent in training."""


def class_grid(title: str, per_class: Sequence[ClassMetrics], foot: str = "") -> Grid:
    """Make the table: precision, recall, F1 and support, one row per class."""
    return Grid(
        name="classes",
        title=title,
        columns=("Class", "Precision", "Recall", "F1", "Support"),
        rows=tuple(
            (one.label, score(one.precision), score(one.recall), score(one.f1), str(one.support)) for one in per_class
        ),
        foot=foot,
    )


def recall_grid(title: str, rows: Sequence[tuple[str, Sequence[ClassMetrics]]], foot: str = "") -> Grid:
    """Make the table: recall of each class, a row for each name; all rows have the same classes in the same order."""
    labels = tuple(one.label for one in rows[0][1]) if rows else ()
    return Grid(
        name="recall",
        title=title,
        columns=("", *labels),
        rows=tuple((name, *(score(one.recall) for one in per_class)) for name, per_class in rows),
        foot=foot,
    )


def confusion_grid(title: str, confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Grid:
    """Make the table: pairs of each true class (rows) by predicted class (columns)."""
    rows = tuple((label, *map(str, counts)) for label, counts in zip(labels, confusion, strict=True))
    return Grid(name="confusion", title=title, columns=("true \\ predicted", *labels), rows=rows)
