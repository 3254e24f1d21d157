"""What a finished run says: its prediction for each validation pair, and its result."""

import csv
import io
from typing import TYPE_CHECKING

from mmsent_cli.model import SentimentModel, count_parameters
from mmsent_cli.records import Run
from mmsent_cli.results import TrainResult
from mmsent_cli.training.batches import Table
from mmsent_cli.training.loop import Trainer, softmax
from mmsent_cli.training.metrics import majority_accuracy

if TYPE_CHECKING:
    from mmsent_cli.training.plan import Plan

VAL_PREDICTIONS = "val_predictions.csv"


def validation_predictions(run: Run) -> list[dict[str, str]]:
    """The rows of a run's `val_predictions.csv`: guid, tag, predicted, and one probability a label."""
    with run.path(VAL_PREDICTIONS).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_predictions(run: Run, plan: "Plan", table: Table, trainer: Trainer) -> None:
    """The best epoch's prediction for each validation pair, with its probabilities."""
    labels = plan.dataset.labels
    text = io.StringIO()
    table_out = csv.writer(text, lineterminator="\n")
    table_out.writerow(["guid", "tag", "predicted", *labels])
    for row, logits in sorted(zip(table.val, trainer.best.logits, strict=True), key=lambda item: item[0]):
        pair = plan.dataset.pairs[row]
        shares = [f"{share:.6f}" for share in softmax(logits)]
        table_out.writerow([pair.guid, pair.tag or "", labels[int(logits.argmax())], *shares])
    run.write(VAL_PREDICTIONS, text.getvalue())


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
        device=plan.arithmetic.device,
        precision=plan.arithmetic.precision,
        encoding=plan.dataset.decision.encoding,
        problems=len(plan.dataset.problems),
        notes=(*plan.notes, *notes),
    )
