"""Read and write predictions: one row per pair, with true label, predicted label and probabilities."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmsent_cli.ensemble import softmax
from mmsent_cli.features.table import Table
from mmsent_cli.run_folders import Run
from mmsent_cli.training.loop import Trainer

if TYPE_CHECKING:
    from mmsent_cli.training.plan import Plan

METRICS = "metrics.jsonl"
VAL_PREDICTIONS = "val_predictions.csv"
OUT_OF_FOLD = "oof_predictions.csv"
PREDICTIONS = "predictions.csv"
"""File with the predictions of an evaluation, or of every arm of an ablation."""


class PredictionRow(NamedTuple):
    """A row of a predictions file. `probabilities` are in the order of the labels."""

    guid: str
    tag: str
    predicted: str
    probabilities: tuple[float, ...]


def read_predictions(run: Run, name: str = VAL_PREDICTIONS) -> list[PredictionRow]:
    """Read the rows of a predictions file. Columns are found by position, since a class may be called `tag`."""
    with run.path(name).open(encoding="utf-8", newline="") as stream:
        _, *rows = csv.reader(stream)
    return [PredictionRow(guid, tag, predicted, tuple(map(float, shares))) for guid, tag, predicted, *shares in rows]


def write_predictions(run: Run, plan: "Plan", table: Table, trainer: Trainer) -> None:
    """Write the best epoch's prediction for each validation pair to `val_predictions.csv`."""
    ordered = sorted(zip(table.val, trainer.best.logits, strict=True), key=lambda item: item[0])
    write_rows(run, VAL_PREDICTIONS, plan, [(row, softmax(logits)) for row, logits in ordered])


def write_rows(run: Run, name: str, plan: "Plan", answers: Iterable[tuple[int, np.ndarray]]) -> None:
    """Write a predictions file from row numbers of pairs and their class probabilities [C]."""
    labels, pairs = plan.dataset.labels, plan.dataset.pairs
    rows = [(pairs[row].guid, pairs[row].tag or "", labels[int(shares.argmax())], shares) for row, shares in answers]
    run.write(name, predictions_csv(labels, rows))


def predictions_csv(labels: Sequence[str], rows: Iterable[tuple[str, str, str, Iterable[float]]]) -> str:
    """Make a CSV table of predictions: guid, true and predicted label, and the probabilities, if there are any."""
    text = io.StringIO()
    table_out = csv.writer(text, lineterminator="\n")
    table_out.writerow(["guid", "tag", "predicted", *labels])
    for guid, tag, predicted, shares in rows:
        table_out.writerow([guid, tag, predicted, *(f"{share:.6f}" for share in shares)])
    return text.getvalue()
