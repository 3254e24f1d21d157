"""The live view of every command: progress bars and a table on a terminal, plain lines elsewhere.

For a single model, the table has one row per epoch. For several models, it has one row per model.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Timer
from types import TracebackType
from typing import NamedTuple, Self

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column, Table
from rich.text import Text

from mmsent_cli.errors import plural
from mmsent_cli.interrupts import on_interrupt
from mmsent_cli.progress import Epoch, Event, ExperimentBegun, ModelBegun, ModelDone, Stage, Step
from mmsent_cli.reports.format import counted, duration, percent
from mmsent_cli.reports.progress_rows import (
    FinishedModel,
    Heartbeat,
    epoch_line,
    epoch_name,
    epoch_table,
    model_line,
    model_table,
)
from mmsent_cli.reports.tables import cell, err
from mmsent_cli.results import EpochResult

NAME_COLUMNS = 30
"""Width of a name next to a bar, so that a bar with the time left fits 80 columns. A longer name is wrapped."""


class Pace(NamedTuple):
    """The speed of training. `models` is the number of trained models.

    `seconds` is the time during which at least one model was in training. Models that were read from an earlier run are
    not counted.
    """

    models: int = 0
    seconds: float = 0.0

    def left(self, fraction: float, busy_s: float, rest: float) -> float:
        """Estimate the seconds until all models are trained.

        Args:
            fraction: the finished part of the running models, as a number of models.
            busy_s: seconds for which at least one model has been in training without a pause, until now.
            rest: the part that is still to be trained, as a number of models.

        Returns:
            The estimated seconds; NaN if nothing is trained yet.
        """
        worked = self.models + fraction
        return (self.seconds + busy_s) / worked * rest if worked > 0 else math.nan


LOADING_SECONDS = 2.0
"""If there is no event for this number of seconds, a line reports that libraries and models are being loaded."""


@dataclass
class RunningModel:
    """A model in training, since `start`, with `epochs` finished epochs. `task` is its progress bar."""

    event: ModelBegun
    start: float
    task: TaskID
    epochs: float = 0.0
    accuracy: str = ""

    @property
    def fraction(self) -> float:
        return min(1.0, self.epochs / self.event.epochs) if self.event.epochs else 0.0


class TimeLeft(TimeRemainingColumn):
    """A column with the time left: the task's field `left` in seconds, or Rich's estimate if this field is None."""

    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        if left is None:
            return super().render(task)
        return Text(f"{duration(left)} left" if math.isfinite(left) else "", "progress.remaining")


class ProgressView:
    """Shows events of `mmsent_cli.progress` on stderr. Use it as a context manager, and call it with each event.

    On a terminal, there is a bar for each stage of the preparation. Then there are bars for the models in training with
    the time left, below a table of epochs or models. Without a terminal, there is a line for each finished stage, epoch
    or model, and a line every half minute during a long step, without control characters. If there is no event for two
    seconds, as during imports, a line reports that libraries and models are being loaded.

    Args:
        clock: a function that returns increasing seconds.
        is_brief: if there is no terminal, print no lines about unfinished steps.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, is_brief: bool = False) -> None:
        self._clock = clock
        self._is_brief = is_brief
        self._loading: Timer | None = None
        self._heartbeat = None if is_brief else Heartbeat(clock)
        self._console: Console = err()
        names = Column(overflow="fold", max_width=NAME_COLUMNS)
        self._bars = Bars(
            TextColumn("{task.description}", markup=False, table_column=names),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeLeft(table_column=Column(no_wrap=True)),
            console=self._console,
        )
        self.is_live = self._console.is_terminal and not self._console.is_dumb_terminal and not self._console.quiet
        self._live = Live(self._bars, console=self._console, refresh_per_second=4) if self.is_live else None
        self._on_interrupt = ExitStack()
        self._stages: dict[str, TaskID] = {}
        self._finished_stages: set[str] = set()
        self._running: dict[tuple[str, int], RunningModel] = {}
        self._all_models: TaskID | None = None
        self._newest = ModelBegun("", 0, 0, 0, 0)
        self._any_since = 0.0
        self._pace = Pace()
        self._epochs: list[EpochResult] = []
        self._finished: list[FinishedModel] = []

    def __enter__(self) -> Self:
        if not self._is_brief or self.is_live:
            self._loading = Timer(LOADING_SECONDS, self._print_loading)
            self._loading.daemon = True
            self._loading.start()
        if self._live:
            self._on_interrupt.enter_context(on_interrupt(_show_cursor))
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the live view. The whole table stays on the screen, and the bars are removed."""
        self.stop_loading()
        if self._live:
            self._live.update(self._table(len(self._rows())) if self._rows() else Text(""))
            self._live.stop()
            self._on_interrupt.close()

    def _print_loading(self) -> None:
        self._print("loading the libraries and the model")

    def stop_loading(self) -> None:
        """Cancel the line that would report loading, since something else is shown now."""
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None

    def __call__(self, event: Event) -> None:
        self.stop_loading()
        if self._heartbeat and not self.is_live and isinstance(event, Stage | Step) and event.done != event.total:
            line = self._heartbeat.line(event, self._place(event))
            if line:
                self._print(line)
        match event:
            case Stage():
                self._show_stage(event)
            case ExperimentBegun():
                self._begin_experiment(event)
            case ModelBegun():
                self._begin(event)
            case Step():
                self._clear_stages()
                model = self._running[event.model, event.seed]
                model.epochs = event.epoch - 1 + event.done / max(1, event.total)
                self._show_batches(model, event) if self._is_single else self._show_models(model)
            case Epoch():
                self._end_epoch(self._running[event.model, event.seed], event.result)
            case ModelDone():
                self._end(event)

    def _place(self, event: Stage | Step) -> str:
        """Return the model that an event belongs to, such as `model 2 of 6`; empty if there is only one model."""
        model = None if isinstance(event, Stage) or self._is_single else self._running[event.model, event.seed].event
        return "" if model is None else f"model {model.number} of {model.total}"

    @property
    def _is_single(self) -> bool:
        """True if there is only one model. In this case, its epochs are shown."""
        return self._newest.total == 1 and not self._finished

    def _show_stage(self, stage: Stage) -> None:
        is_done = stage.total is not None and stage.done >= stage.total
        if self.is_live:
            if stage.name not in self._stages:
                self._stages[stage.name] = self._bars.add_task(stage.name, total=stage.total, unit=plural(stage.unit))
                self._draw()
            self._bars.update(self._stages[stage.name], completed=stage.done, total=stage.total)
        elif is_done and stage.name not in self._finished_stages:
            self._print(f"{stage.name}: {counted(stage.done, stage.unit)}")
        if is_done:
            self._finished_stages.add(stage.name)

    def _begin_experiment(self, event: ExperimentBegun) -> None:
        """Print the name of the experiment that begins, and start to count its models."""
        self._print(f"step {event.number} of {event.total}: {event.command}")
        if self._all_models is not None:
            self._bars.remove_task(self._all_models)
            self._all_models = None

    def _begin(self, event: ModelBegun) -> None:
        now = self._clock()
        if not self._running:
            self._any_since = now
        self._newest = event
        self._clear_stages()
        if not self._is_single and self._all_models is None:
            self._all_models = self._bars.add_task("all models", total=None, unit="models")
        model = RunningModel(event, now, self._bars.add_task("", total=None, unit="", visible=False))
        self._running[event.model, event.seed] = model
        if not self._is_single:
            self._show_models(model)
        self._draw()

    def _clear_stages(self) -> None:
        for task in self._stages.values():
            self._bars.remove_task(task)
        self._stages.clear()

    def _show_batches(self, model: RunningModel, step: Step) -> None:
        self._bars.update(
            model.task,
            description=epoch_name(step.epoch, model.event.epochs),
            completed=(step.epoch - 1) * step.total + step.done,
            total=model.event.epochs * step.total,
            unit="batches",
            visible=True,
        )

    def _show_models(self, model: RunningModel | None = None) -> None:
        """Update the bar of a model, the bar of all models, and the time left."""
        if model is not None:
            busy_s = self._clock() - model.start if model.fraction else 0.0
            self._bars.update(
                model.task,
                description=_name_of(model.event),
                completed=model.epochs,
                total=model.event.epochs,
                unit=f"epochs{model.accuracy}",
                left=Pace().left(model.fraction, busy_s, 1 - model.fraction),
                visible=True,
            )
        fraction = sum(running.fraction for running in self._running.values())
        done, total = self._newest.number - len(self._running) + fraction, self._newest.total
        left = self._pace.left(fraction, self._busy_s() if self._running else 0.0, total - done)
        if self._all_models is not None:
            self._bars.update(self._all_models, completed=done, total=total, left=left)

    def _end_epoch(self, model: RunningModel, result: EpochResult) -> None:
        if self._is_single:
            self._epochs.append(result)
            if not self.is_live:
                self._print(epoch_line(result, model.event.epochs))
            self._draw()
            return
        model.epochs = result.epoch
        model.accuracy = f", {percent(result.accuracy)}"
        self._show_models(model)

    def _end(self, event: ModelDone) -> None:
        is_single = self._is_single
        model = self._running.pop((event.model, event.seed))
        self._bars.remove_task(model.task)
        if not event.is_resumed:
            self._pace = Pace(self._pace.models + 1, self._pace.seconds)
        if not self._running:
            self._pace = Pace(self._pace.models, self._pace.seconds + (0.0 if event.is_resumed else self._busy_s()))
        if is_single:
            return
        self._finished.append(FinishedModel(event, None if event.is_resumed else self._clock() - model.start))
        if not self.is_live:
            self._print(model_line(self._finished[-1], model.event.number, model.event.total))
        self._show_models()
        self._draw()

    def _busy_s(self) -> float:
        """Return the seconds for which at least one model has been in training without a pause, until now."""
        return self._clock() - self._any_since

    def _rows(self) -> Sequence[EpochResult | FinishedModel]:
        return self._finished or self._epochs

    def _draw(self) -> None:
        """Draw as many of the newest rows as fit above the bars. One terminal line is left free."""
        if self._live is None or not self._rows():
            return
        room = self._console.height - 1 - self._lines(self._bars)
        rows = min(len(self._rows()), max(1, room))
        while rows > 1 and (lines := self._lines(self._table(rows))) > room:
            rows -= max(1, rows * (lines - room) // lines)  # a row may take several lines
        self._live.update(Group(self._table(rows), self._bars), refresh=True)

    def _lines(self, part: RenderableType) -> int:
        """Return the number of terminal lines of a part."""
        return len(self._console.render_lines(part, pad=False))

    def _table(self, rows: int) -> Table:
        """Make the table of the newest rows."""
        return model_table(self._finished, rows) if self._finished else epoch_table(self._epochs, rows)

    def _print(self, line: str) -> None:
        if self._heartbeat:
            self._heartbeat.spoke()
        self._console.print(cell(line), soft_wrap=True)


def _show_cursor() -> None:
    """Show the terminal's cursor again. The console is not used, since another thread may hold it."""
    os.write(2, b"\x1b[?25h")


def _name_of(event: ModelBegun) -> str:
    """Return the name of a running model. If the name is too long, return the number of the model instead."""
    name = f"{event.model}, seed {event.seed}"
    return name if cell_len(name) <= NAME_COLUMNS else f"model {event.number} of {event.total}, seed {event.seed}"
