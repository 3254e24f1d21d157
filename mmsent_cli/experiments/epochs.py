"""Make a CSV table with every epoch of every model of an experiment."""

import csv
import io
from collections.abc import Iterable, Mapping

from mmsent_cli.results import EpochScore

SCORE_COLUMNS = ("epoch", "train_loss", "train_objective", "val_loss", "accuracy", "macro_f1")


def epochs_csv(curves: Iterable[tuple[Mapping[str, object], Iterable[EpochScore]]]) -> str:
    """Make a CSV table with one row per epoch.

    Args:
        curves: for each model, the columns that identify it (the same for all models), and its epochs.
    """
    rows = [
        {**named, **{name: getattr(score, name) for name in SCORE_COLUMNS}, **_gates(score)}
        for named, curve in curves
        for score in curve
    ]
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _gates(score: EpochScore) -> dict[str, float]:
    return {f"gate_{name}": value for name, value in score.gates.items()}
