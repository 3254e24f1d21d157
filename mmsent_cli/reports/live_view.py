"""What the live views share: a table above progress bars on a terminal, one plain line at a time elsewhere."""

import math
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from mmsent_cli.reports.console import err
from mmsent_cli.reports.format import counted, duration

ROWS_AROUND_TABLE = 9
"""Terminal rows kept free for the table's head and two bars, so that the live view never scrolls."""


NAME_COLUMNS = 30
"""Longest name beside a bar, so that it and the time left fit 80 columns."""


class Bar(NamedTuple):
    """How far a part of the work is. Bars of the same `key` are one, drawn anew.

    `total` is None while unknown, `seconds_left` None where Rich is to reckon it and not a number while unknown.
    """

    key: str
    name: str
    done: float
    total: float | None
    unit: str
    seconds_left: float | None = None


class TimeLeft(TimeRemainingColumn):
    """The time left as the task's field `left` has it in seconds, or as Rich reckons it where that is None."""

    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        if left is None:
            return super().render(task)
        return Text(f"{duration(left)} left" if math.isfinite(left) else "", "progress.remaining")


class LiveView:
    """Draws one command's progress on stderr.

    Args:
        quiet: show nothing at all.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console: Console = err()
        self._stages: dict[str, TaskID] = {}
        self._finished: set[str] = set()
        self._work: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=_one_line(NAME_COLUMNS)),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeLeft(table_column=_one_line()),
            console=self._console,
        )
        self.is_live = self._console.is_terminal and not self._console.is_dumb_terminal and not quiet
        self._live = Live(self._progress, console=self._console, refresh_per_second=4) if self.is_live else None

    @property
    def rows(self) -> int:
        """Table rows that fit above the bars."""
        return max(3, self._console.height - ROWS_AROUND_TABLE - max(0, len(self._work) - 2))

    def start(self) -> None:
        """Begin to draw."""
        if self._live:
            self._live.start()

    def stop(self, table: Table | None) -> None:
        """Leave the whole table, however long, on the screen, without the bars."""
        if self._live:
            self._live.update(table if table is not None else Text(""))
            self._live.stop()

    def prepare(self, stage: str, done: int, total: int | None) -> None:
        """Show `done` of `total` pairs of a stage, such as checking or encoding; None while the total is unknown."""
        is_done = total is not None and done >= total
        if self.is_live:
            task = self._stages.get(stage)
            if task is None:
                task = self._stages[stage] = self._progress.add_task(stage, total=total, unit="pairs")
            self._progress.update(task, completed=done, total=total)
        elif is_done and stage not in self._finished:
            self.line(f"{stage}: {counted(done, 'pair')}")
        if is_done:
            self._finished.add(stage)

    def work(self, bar: Bar) -> None:
        """Show how far the work itself is, in place of the stages before it."""
        if not self.is_live:
            return
        for task in self._stages.values():
            self._progress.remove_task(task)
        self._stages.clear()
        if bar.key not in self._work:
            self._work[bar.key] = self._progress.add_task("", total=None, unit="")
        self._progress.update(
            self._work[bar.key],
            description=bar.name,
            completed=bar.done,
            total=bar.total,
            unit=bar.unit,
            left=bar.seconds_left,
        )

    def end_work(self, key: str) -> None:
        """Take away the bar of this key, if there is one."""
        if key in self._work:
            self._progress.remove_task(self._work.pop(key))

    def show(self, table: Table) -> None:
        """Draw a table above the bars."""
        if self._live:
            self._live.update(Group(table, self._progress), refresh=True)

    def line(self, text: str) -> None:
        """Write one plain line."""
        if not self._quiet:
            self._console.print(Text(text), soft_wrap=True)


def _one_line(longest: int | None = None) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", max_width=longest)
