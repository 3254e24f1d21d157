"""An experiment while it runs: a row for each trained model and the time left for all of them, on stderr."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from rich.table import Table
from rich.text import Text

from mmsent_cli.reports.format import duration, percent
from mmsent_cli.reports.live_view import Bar, LiveView
from mmsent_cli.reports.tables import figures_table
from mmsent_cli.results import EpochResult

COLUMNS = ("Model", "Seed", "Best\naccuracy *", "Macro\nF1 *", "Time")
FOOT = "* best epoch, chosen on the same pairs: optimistic"
RESUMED = "done before"


class Finished(NamedTuple):
    """One finished model; `duration` in seconds, None where it was read back from an earlier run."""

    name: str
    seed: int
    accuracy: float
    macro_f1: float
    duration: float | None


class Pace(NamedTuple):
    """How fast models are trained here, one or several at a time: `models` in `seconds` during which any trained.

    Those read back from an earlier run cost nothing and tell nothing.
    """

    models: int = 0
    seconds: float = 0.0

    def left(self, fraction: float, busy: float, rest: float) -> float:
        """Seconds for the `rest` of the models, `fraction` of the running ones done in `busy` seconds.

        Not a number before there is anything to reckon with.
        """
        worked = self.models + fraction
        return (self.seconds + busy) / worked * rest if worked > 0 else math.nan


@dataclass
class Model:
    """A model in training: `number` of `total`, counted from 1, begun at `start`, `epochs` of it done.

    `place` tells the bars of models that train side by side apart.
    """

    name: str = ""
    seed: int = 0
    number: int = 0
    total: int = 0
    start: float = 0.0
    epochs: float = 0.0
    accuracy: str = ""
    place: int = 0

    @property
    def bar(self) -> str:
        """Key of its bar."""
        return f"model-{self.place}"

    def title(self) -> str:
        """`model 3 of 21: weighted, seed 1`."""
        return f"model {self.number} of {self.total}: {self.name}, seed {self.seed}"


class ExperimentView:
    """Shows an experiment that trains many models on stderr as it goes. Use as a context manager.

    On a terminal: bars for the preparation and for the models with the time left for the whole experiment, and a
    table with a row a model. Elsewhere: a line for each finished stage and model, without control characters.

    Args:
        total_epochs: epochs of each model; may be set later as the attribute `total_epochs`. While None, a model
            counts only when it is finished.
        quiet: show nothing at all.
        clock: seconds that only go up.
    """

    def __init__(
        self, total_epochs: int | None = None, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total_epochs = total_epochs
        self._view = LiveView(quiet)
        self._clock = clock
        self._model = self._newest = Model()
        self._running: dict[tuple[str, int], Model] = {}
        self._begun = 0.0
        self._pace = Pace()
        self._finished: list[Finished] = []

    def __enter__(self) -> Self:
        self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.stop(self._table(len(self._finished)) if self._finished else None)

    def prepare(self, stage: str, done: int, total: int | None) -> None:
        """Report `done` of `total` pairs of a stage, such as checking or encoding; None while the total is unknown."""
        self._view.prepare(stage, done, total)

    def begin(self, name: str, seed: int, done: int, total: int) -> None:
        """Model `done` + 1 of `total` starts; others may still be in training."""
        now = self._clock()
        if not self._running:
            self._begun = now
        taken = {model.place for model in self._running.values()}
        place = next(place for place in range(len(taken) + 1) if place not in taken)
        self._model = self._newest = Model(name, seed, done + 1, total, now, place=place)
        self._running[name, seed] = self._model
        self._show_bars()

    def turn(self, name: str, seed: int) -> None:
        """What is reported next is of this model, which was begun before."""
        self._model = self._running[name, seed]

    def step(self, epoch: int, done: int, total: int) -> None:
        """Report `done` of `total` batches of an epoch of the model in training, counted from 1."""
        self._model.epochs = epoch - 1 + done / max(1, total)
        self._show_bars()

    def epoch(self, result: EpochResult) -> None:
        """An epoch of the model in training is finished."""
        self._model.epochs = result.epoch
        self._model.accuracy = f", {percent(result.accuracy)}"
        self._show_bars()

    def finish(self, name: str, seed: int, accuracy: float, macro_f1: float, resumed: bool) -> None:
        """A model is finished: the figures of its best epoch, and whether they were read back from an earlier run."""
        model = self._running.pop((name, seed), None)
        if model is None:  # read back without having been begun
            number = self._newest.number + 1
            model = self._newest = Model(name, seed, number, max(self._newest.total, number))
        duration = None if resumed else self._clock() - model.start
        if duration is not None:
            self._pace = Pace(self._pace.models + 1, self._pace.seconds)
        if not self._running:
            self._pace = Pace(self._pace.models, self._pace.seconds + (0.0 if resumed else self._busy()))
        self._finished.append(Finished(name, seed, accuracy, macro_f1, duration))
        if self._view.is_live:
            self._view.end_work(model.bar)
            self._show_all_models()
            self._view.show(self._table(self._view.rows))
        else:
            self._view.line(f"{model.title()}: {_figures(self._finished[-1])}")

    def _show_bars(self) -> None:
        model = self._model
        fraction = self._fraction(model)
        busy = self._clock() - model.start if fraction else 0.0
        left = Pace().left(fraction, busy, 1 - fraction)
        name, unit = f"{model.name}, seed {model.seed}", f"epochs{model.accuracy}"
        self._show_all_models()
        self._view.work(Bar(model.bar, name, model.epochs, self.total_epochs, unit, left))

    def _show_all_models(self) -> None:
        """The bar of all models, and the time left for them."""
        fraction = sum(map(self._fraction, self._running.values()))
        done, total = self._newest.number - len(self._running) + fraction, self._newest.total
        left = self._pace.left(fraction, self._busy() if self._running else 0.0, total - done)
        self._view.work(Bar("all", "all models", done, total, "models", left))

    def _fraction(self, model: Model) -> float:
        return min(1.0, model.epochs / self.total_epochs) if self.total_epochs else 0.0

    def _busy(self) -> float:
        """Seconds for which any model has been in training without a break."""
        return self._clock() - self._begun

    def _table(self, rows: int) -> Table:
        table = figures_table(COLUMNS, [_cells(finished) for finished in self._finished[-rows:]])
        table.caption, table.caption_justify = Text(FOOT), "left"
        return table


def _cells(finished: Finished) -> list[str]:
    return [
        finished.name,
        str(finished.seed),
        percent(finished.accuracy),
        f"{finished.macro_f1:.3f}",
        _time(finished),
    ]


def _figures(finished: Finished) -> str:
    return (
        f"best accuracy {percent(finished.accuracy)}, macro-F1 {finished.macro_f1:.3f} (best epoch), {_time(finished)}"
    )


def _time(finished: Finished) -> str:
    return RESUMED if finished.duration is None else duration(finished.duration)
