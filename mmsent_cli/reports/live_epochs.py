"""`train` while it runs: a live table on a terminal, one plain line an epoch elsewhere.."""

from types import TracebackType
from typing import Self

from rich.table import Table
from rich.text import Text

from mmsent_cli.reports.format import counted, duration, percent
from mmsent_cli.reports.live_view import Bar, LiveView
from mmsent_cli.reports.tables import figures_table
from mmsent_cli.results import EpochResult

__all__ = ["TrainingView"]

COLUMNS = ("Epoch", "Train\nloss", "Val.\nloss", "Accu-\nracy", "Macro\nF1", "Rate\nencoder", "Rate\nhead", "Time")


class TrainingView:
    """Shows a training run on stderr as it goes. Use as a context manager.

    On a terminal: bars for the preparation and for the batches with the time left for all epochs, and a table with a
    row an epoch. Elsewhere: a line for each finished stage and epoch, without control characters.

    Args:
        total_epochs: epochs asked for; fewer may come (early stopping). May be set later as the attribute
            `total_epochs`, when the configuration is resolved; while None, the time left is that of the epoch.
        quiet: show nothing at all.
    """

    def __init__(self, total_epochs: int | None = None, quiet: bool = False) -> None:
        self.total_epochs = total_epochs
        self._view = LiveView(quiet)
        self._history: list[EpochResult] = []
        self._network = ""

    def __enter__(self) -> Self:
        self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.stop(self._table(len(self._history)) if self._history else None)

    def prepare(self, stage: str, done: int, total: int | None) -> None:
        """Report `done` of `total` pairs of a stage, such as checking or encoding; None while the total is unknown."""
        self._view.prepare(stage, done, total)

    def network(self, name: str) -> None:
        """Say which of several networks trains from now on, such as `fold 2 of 5`; its epochs start a new table."""
        self._network, self._history = f"{name}, ", []

    def step(self, epoch: int, done: int, total: int) -> None:
        """Report `done` of `total` batches of an epoch, counted from 1."""
        before, epochs = (0, 1) if self.total_epochs is None else (epoch - 1, self.total_epochs)
        name = self._network + _epoch_name(epoch, self.total_epochs)
        self._view.work(Bar("epochs", name, before * total + done, epochs * total, "batches"))

    def epoch(self, result: EpochResult) -> None:
        """Add a finished epoch."""
        self._history.append(result)
        if self._view.is_live:
            self._view.show(self._table(self._view.rows))
        else:
            self._view.line(self._network + _epoch_line(result, self.total_epochs))

    def _table(self, rows: int) -> Table:
        best = max((result.epoch for result in self._history if result.is_best), default=None)
        table = figures_table(COLUMNS, [_cells(result, best) for result in self._history[-rows:]])
        skipped = sum(result.skipped_steps for result in self._history)
        remark = f"; {_skipped(skipped)}" if skipped else ""
        table.caption, table.caption_justify = Text(f"* best so far{remark}"), "left"
        return table


def _epoch_name(epoch: int, total_epochs: int | None) -> str:
    return f"epoch {epoch}" if total_epochs is None else f"epoch {epoch} of {total_epochs}"


def _cells(result: EpochResult, best: int | None) -> list[str]:
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


def _epoch_line(result: EpochResult, total_epochs: int | None) -> str:
    skipped = f", {_skipped(result.skipped_steps)}" if result.skipped_steps else ""
    return (
        f"{_epoch_name(result.epoch, total_epochs)}: train loss {result.train_loss:.4f}, "
        f"validation loss {result.val_loss:.4f}, accuracy {percent(result.accuracy)}, "
        f"macro-F1 {result.macro_f1:.3f}, rates {_rate(result.encoder_lr)} {_rate(result.head_lr)}, "
        f"{duration(result.seconds)}{skipped}{' *' if result.is_best else ''}"
    )


def _skipped(steps: int) -> str:
    return f"{counted(steps, 'step')} skipped (not finite)"


def _rate(rate: float) -> str:
    return f"{rate:.1e}" if rate else "0"
