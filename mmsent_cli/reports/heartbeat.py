"""A plain line every half minute of a long step, where there is no terminal with bars."""

from collections.abc import Callable

from mmsent_cli.progress import Stage, Step
from mmsent_cli.reports.format import counted, duration

SILENT_SECONDS = 30.0
"""How long nothing is printed."""


class Heartbeat:
    """Makes the lines of long steps.

    Args:
        clock: seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spoken = clock()
        self._begun: dict[str, tuple[float, int]] = {}

    def spoke(self) -> None:
        """Note that a line was printed."""
        self._spoken = self._clock()

    def line(self, event: Stage | Step, of_models: str = "") -> str:
        """Return the line for an event; empty if one was printed a short time ago.

        Args:
            event: an event of a step that is not finished.
            of_models: which of the models a batch belongs to, such as `model 2 of 6`.
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
