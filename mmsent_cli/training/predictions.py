"""What a finished run says: its prediction for each validation pair, and its result."""

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from mmsent_cli.ensemble import softmax
from mmsent_cli.features.table import Table
from mmsent_cli.model import SentimentModel, count_parameters
from mmsent_cli.records import Run
from mmsent_cli.results import TrainResult
from mmsent_cli.training.checkpoints import Description, frozen_digests
from mmsent_cli.training.loop import Trainer
from mmsent_cli.training.metrics import majority_accuracy

if TYPE_CHECKING:
    from mmsent_cli.training.plan import Plan

METRICS = "metrics.jsonl"
VAL_PREDICTIONS = "val_predictions.csv"


def describe_run(plan: "Plan", run: Run, model: SentimentModel, vocabulary: tuple[str, ...] | None) -> Description:
    """What the run's checkpoints say of its model."""
    return Description(
        model=plan.config.model,
        labels=plan.dataset.labels,
        vocabulary=vocabulary,
        encoding=plan.dataset.decision.to_dict(),
        run=run.name,
        precision=plan.compute.precision,
        frozen=frozen_digests(model),
    )


def read_predictions(run: Run, name: str = VAL_PREDICTIONS) -> list[dict[str, str]]:
    """The rows of a file of predictions: guid, tag, predicted, and one probability a label."""
    with run.path(name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_predictions(run: Run, plan: "Plan", table: Table, trainer: Trainer) -> None:
    """The best epoch's prediction for each validation pair, with its probabilities."""
    ordered = sorted(zip(table.val, trainer.best.logits, strict=True), key=lambda item: item[0])
    write_rows(run, VAL_PREDICTIONS, plan, [(row, softmax(logits)) for row, logits in ordered])


def write_rows(run: Run, name: str, plan: "Plan", answers: Iterable[tuple[int, np.ndarray]]) -> None:
    """A file of predictions: a line for each pair's row number and its class probabilities [C]."""
    labels = plan.dataset.labels
    text = io.StringIO()
    table_out = csv.writer(text, lineterminator="\n")
    table_out.writerow(["guid", "tag", "predicted", *labels])
    for row, shares in answers:
        pair = plan.dataset.pairs[row]
        predicted = labels[int(shares.argmax())]
        table_out.writerow([pair.guid, pair.tag or "", predicted, *(f"{share:.6f}" for share in shares)])
    run.write(name, text.getvalue())


def summary(
    plan: "Plan",
    run: Run,
    model: SentimentModel,
    table: Table,
    trainer: Trainer,
    prepare_seconds: float,
    seconds: float,
    notes: list[str],
) -> TrainResult:
    """The result of a run whose training is over; `prepare_seconds` is the part of `seconds` before the first epoch."""
    best, last = trainer.best.metrics(plan.dataset.labels), trainer.last.metrics(plan.dataset.labels)
    trainable, total = count_parameters(model)
    targets = table.targets
    return TrainResult(
        run=str(run.folder),
        encoders=plan.config.model.encoders,
        fusion=plan.config.model.fusion,
        accuracy=best.accuracy,
        macro_f1=best.macro_f1,
        majority_accuracy=majority_accuracy(targets[list(table.train)].tolist(), targets[list(table.val)].tolist()),
        best_epoch=max(result.epoch for result in trainer.history if result.is_best),
        epochs=len(trainer.history),
        seconds=seconds,
        prepare_seconds=prepare_seconds,
        labels=plan.dataset.labels,
        best=best,
        last=last,
        history=tuple(trainer.history),
        train_pairs=len(table.train),
        val_pairs=len(table.val),
        trainable_parameters=trainable,
        total_parameters=total,
        device=plan.compute.device,
        precision=plan.compute.precision,
        encoding=plan.dataset.decision.encoding,
        problems=len(plan.dataset.problems),
        notes=(*plan.notes, *notes),
    )
