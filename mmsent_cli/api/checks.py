"""Check the pairs and the machine before a training."""

from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import RUNS, Data, PathLike, sort_settings
from mmsent_cli.checks.env import check_machine
from mmsent_cli.checks.run import run_check
from mmsent_cli.config import RuntimeConfig, build
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import EnvResult


def check(
    data: Data = None,
    *,
    preset: str | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Check whether a model can be trained on pairs, and list what a person should look at.

    Args:
        data: labelled pairs, as in `train`. Rows without a label are checked too.
        preset: check for a training with this preset.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent check --help`, such as `on_bad="drop"`.

    Returns:
        The finished run. `result.can_train` is True if `train` would start. `result.checks` has all outcomes with
        their pairs. `to_frame()` has a row for each check, and `to_frame("pairs")` a row for each listed pair.

    Raises:
        ConfigError: settings cannot be combined.
        DataError: the data cannot be read at all, such as a folder without lists.

    Example:
        >>> check("pairs.csv").result.can_train
        True
    """
    given, source = sort_settings("check", data, settings)
    return run_check(given, preset, source, Path(runs_dir), progress)


def env(*, is_timed: bool = True, runs_dir: PathLike = RUNS, progress: Progress = silent, **settings: Any) -> EnvResult:
    """Check whether training can run on this machine, and how long it would take.

    Args:
        is_timed: measure this machine for some seconds, and estimate the minutes of the presets.
        runs_dir: folder of all runs. The free space of its disk is checked.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent env --help`, such as `offline=True`.

    Returns:
        `can_train` is True if training can run. `checks` has all outcomes, and `minutes` the estimate. `to_frame()`
        has a row for each check.

    Raises:
        MmsentError: the cache folder that was given cannot be used.

    Example:
        >>> env(offline=True).minutes["fast"]
        1.2
    """
    given, _ = sort_settings("env", None, settings)
    return check_machine(build(RuntimeConfig, given[RuntimeConfig]), Path(runs_dir), is_timed, progress)
