"""Measure the elapsed time of a run. The time of a resumed run is the sum over all commands that continued it.

A process that is killed cannot record its end. So each command records when it began. The next command takes the time
of the newest file in the folder as the end of the previous command.
"""

import time
from collections.abc import Mapping
from typing import Any

from mmsent_cli.clock import command_seconds
from mmsent_cli.errors import MmsentError
from mmsent_cli.run_folders import ENVIRONMENT, SECONDS, Run

BEGAN, EARLIER = "began_seconds", "earlier_seconds"
"""Keys of an unfinished run's `environment.json`: when its command began, in seconds since 1970, and the seconds that
earlier commands took."""


def session() -> dict[str, float]:
    """Return the entry of `environment.json` that records when the command of a new run began."""
    return {BEGAN: round(time.time() - command_seconds(), 3)}


def begin_session(run: Run) -> None:
    """Record the start of a command that continues a run."""
    recorded = _recorded(run)
    began, before = recorded.get(BEGAN), recorded.get(EARLIER, recorded.get(SECONDS, 0.0))
    if isinstance(began, int | float):
        newest = max((path.stat().st_mtime for path in run.folder.rglob("*") if path.is_file()), default=began)
        before += max(0.0, newest - began)
    run.write_json(ENVIRONMENT, {**recorded, **session(), EARLIER: round(before, 3)})


def whole_seconds(run: Run, start: float) -> float:
    """Return the seconds of a run so far. `start` is the time by `perf_counter` when the run's last command began."""
    return _recorded(run).get(EARLIER, 0.0) + time.perf_counter() - start


def without_session(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `environment.json` without the entries that record the times of an unfinished run."""
    return {name: value for name, value in environment.items() if name not in (BEGAN, EARLIER)}


def _recorded(run: Run) -> dict[str, Any]:
    try:
        recorded = run.read_json(ENVIRONMENT)
    except MmsentError:
        return {}
    return recorded if isinstance(recorded, dict) else {}
