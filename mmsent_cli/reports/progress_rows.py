"""Make the rows of the live view: tables of epochs or models, and lines of text with the same content."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.table import Table

from mmsent_cli.progress import ModelDone, Stage, Step
from mmsent_cli.reports.format import LOSSES, counted, duration, percent
from mmsent_cli.reports.tables import cell, figures_table
from mmsent_cli.results import EpochResult

SILENT_SECONDS = 30.0
"""Minimum number of seconds between two lines."""


class Heartbeat:
    """Makes lines of text that report the progress of long steps, with at least `SILENT_SECONDS` between two lines.

    Args:
        clock: a function that returns increasing seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spoken = clock()
        self._begun: dict[str, tuple[float, int]] = {}

    def spoke(self) -> None:
        """Record that a line was printed."""
        self._spoken = self._clock()

    def line(self, event: Stage | Step, of_models: str = "") -> str:
        """Return the line for an event; empty if a line was printed recently.

        Args:
            event: an event of an unfinished step.
            of_models: the model that is trained, such as `model 2 of 6`; empty if there is only one model.
        """
        name, unit = (event.name, event.unit) if isinstance(event, Stage) else (_step_name(event, of_models), "batch")
        start, before = self._begun.setdefault(name, (self._clock(), event.done))
        if self._clock() - self._spoken < SILENT_SECONDS:
            return ""
        self.spoke()
        done = counted(event.done, unit) if event.total is None else f"{event.done:,} of {counted(event.total, unit)}"
        worked, seconds = event.done - before, self._clock() - start
        if worked <= 0 or seconds <= 0:
            return f"{name}: {done}"
        rate = worked / seconds
        left = "" if event.total is None else f", {duration((event.total - event.done) / rate)} left"
        pace = f"{rate:.1f} a second" if rate >= 1 else f"{duration(1 / rate)} a {unit}"
        return f"{name}: {done}, {pace}{left}"


def _step_name(step: Step, of_models: str) -> str:
    return f"{of_models}{': ' if of_models else ''}{step.model}, seed {step.seed}, epoch {step.epoch}"


EPOCH_COLUMNS = (
    "Epoch",
    "Train\nloss",
    "Val.\nloss",
    "Accu-\nracy",
    "Macro\nF1",
    "Rate\nencoder",
    "Rate\nhead",
    "Time",
)
MODEL_COLUMNS = {
    "best": ("Model", "Seed", "Best\naccuracy *", "Macro\nF1 *", "Time"),
    "last": ("Model", "Seed", "Accuracy\n*", "Macro\nF1 *", "Time"),
}
MODEL_FOOT = {"best": "* best epoch, chosen on the same pairs: optimistic", "last": "* after the last epoch"}
RESUMED = "done before"


class FinishedModel(NamedTuple):
    """A finished model. `duration_s` is None if the model was read from an earlier run."""

    event: ModelDone
    duration_s: float | None

    def time(self) -> str:
        return RESUMED if self.duration_s is None else duration(self.duration_s)


def model_table(finished: Sequence[FinishedModel], rows: int) -> Table:
    """Make the table of the newest finished models, at most `rows`. Below it is a remark on their metrics."""
    kind = finished[-1].event.epoch
    cells = [
        (each.event.model, each.event.seed, percent(each.event.accuracy), f"{each.event.macro_f1:.3f}", each.time())
        for each in finished[-rows:]
    ]
    return _with_foot(figures_table(MODEL_COLUMNS[kind], cells), MODEL_FOOT[kind])


def epoch_table(epochs: Sequence[EpochResult], rows: int) -> Table:
    """Make the table of the newest epochs of a model, at most `rows`. The best epoch so far has a star."""
    best = max((result.epoch for result in epochs if result.is_best), default=None)
    skipped = sum(result.skipped_steps for result in epochs)
    table = figures_table(EPOCH_COLUMNS, [_epoch_cells(result, best) for result in epochs[-rows:]])
    return _with_foot(table, f"* best so far{f'; {_skipped(skipped)}' if skipped else ''}. {LOSSES}")


def epoch_name(epoch: int, epochs: int) -> str:
    """Return the number of an epoch and the number of all epochs as text, such as `epoch 2 of 10`."""
    return f"epoch {epoch} of {epochs}"


def epoch_line(result: EpochResult, epochs: int) -> str:
    """Describe a finished epoch in a line."""
    skipped = f", {_skipped(result.skipped_steps)}" if result.skipped_steps else ""
    return (
        f"{epoch_name(result.epoch, epochs)}: train loss {result.train_loss:.4f}, "
        f"validation loss {result.val_loss:.4f}, accuracy {percent(result.accuracy)}, "
        f"macro-F1 {result.macro_f1:.3f}, learning rate of encoder {_rate(result.encoder_lr)}, "
        f"of head {_rate(result.head_lr)}, "
        f"{duration(result.seconds)}{skipped}{' *' if result.is_best else ''}"
    )


def model_line(model: FinishedModel, number: int, total: int) -> str:
    """Describe a finished model in a line. It is model `number` of `total`."""
    event = model.event
    accuracy = f"{'best accuracy' if event.epoch == 'best' else 'accuracy'} {percent(event.accuracy)}"
    return (
        f"model {number} of {total}: {event.model}, seed {event.seed}: {accuracy}, macro-F1 {event.macro_f1:.3f} "
        f"({event.epoch} epoch), {model.time()}"
    )


def _with_foot(table: Table, foot: str) -> Table:
    table.caption, table.caption_justify = cell(foot), "left"
    return table


def _epoch_cells(result: EpochResult, best: int | None) -> list[str]:
    return [
        f"{result.epoch} {'*' if result.epoch == best else ' '}",
        f"{result.train_loss:.4f}",
        f"{result.val_loss:.4f}",
        percent(result.accuracy),
        f"{result.macro_f1:.3f}",
        _rate(result.encoder_lr),
        _rate(result.head_lr),
        duration(result.seconds),
    ]


def _skipped(steps: int) -> str:
    return f"{counted(steps, 'step')} skipped (not finite)"


def _rate(rate: float) -> str:
    return f"{rate:.1e}" if rate else "0"
