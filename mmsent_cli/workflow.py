"""Run an experiment in three steps (plan, work, finish), and handle the arguments that all functions of `api` share."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from mmsent_cli.config import DataConfig, FitConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data import frames
from mmsent_cli.data.layouts import Source, frame_source
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.request import (
    SETTINGS,
    ExperimentRequest,
    open_experiment,
    read_base,
    resume_experiment,
)
from mmsent_cli.finish import FinishedRun, finish
from mmsent_cli.keywords import COMMANDS, Given, apply_options
from mmsent_cli.progress import Progress
from mmsent_cli.records import Run
from mmsent_cli.training.run_folder import cleanup_on_failure

if TYPE_CHECKING:
    import pandas as pd

PathLike: TypeAlias = str | os.PathLike[str]
Data: TypeAlias = Union[PathLike, "pd.DataFrame", Sequence[Pair], None]
"""A folder, a manifest file, a DataFrame, or a list of pairs."""
RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments that all experiments have in common; see `compare_fusions`."""

    data: "Data"
    resume: Run | PathLike | None
    runs_dir: PathLike
    progress: Progress
    settings: dict[str, Any]


def run_experiment(
    command: str, work: Callable[..., tuple[Any, Any]], config: PathLike | None, arguments: Arguments
) -> FinishedRun:
    """Start, resume or repeat an experiment that trains models."""

    def request(given: Given) -> ExperimentRequest:
        base, earlier = read_base(None if config is None else Path(config), command)
        own_epochs = COMMANDS[command].epochs
        if own_epochs is not None and not earlier:
            given[FitConfig] = {"epochs": own_epochs, **given[FitConfig]}
        own = build(SETTINGS[command], {**earlier, **given[SETTINGS[command]]})
        return ExperimentRequest(command=command, given=to_dict(apply_options(base, given)), settings=to_dict(own))

    return run_work(command, work, request, config is not None, arguments)


def run_work(
    command: str,
    work: Callable[..., tuple[Any, Any]],
    request: Callable[[Given], ExperimentRequest],
    has_more: bool,
    arguments: Arguments,
) -> FinishedRun:
    """Plan, work and finish. `has_more` is True if arguments were given that cannot be combined with `resume`."""
    start = time.perf_counter()
    resume, runs_dir, progress = arguments.resume, Path(arguments.runs_dir), arguments.progress
    given, source = sort_settings(command, arguments.data, arguments.settings)
    if resume is None:
        opened = open_experiment(request(given), runs_dir, progress, source)
    else:
        jobs = given[RuntimeConfig].pop("jobs", None)
        require_only_resume(given, source, has_more)
        opened = resume_experiment(spec_of(resume) or "", command, runs_dir, progress, source, jobs)
    with cleanup_on_failure(opened.run, is_new=resume is None, command=command):
        result, detail = work(opened.target or opened.plan, opened.settings, opened.run, progress)
    seconds = time.perf_counter() - start
    return finish(opened.plan, opened.run, result, detail, command=command, seconds=seconds)


def sort_settings(command: str, data: "Data", settings: dict[str, Any]) -> tuple[Given, Source | None]:
    """Sort settings by dataclass, and make a source of pairs in memory. A path becomes the setting `data`."""
    given = COMMANDS[command].sort(settings)
    if data is None:
        return given, None
    if isinstance(data, str | os.PathLike):
        given[DataConfig]["data"] = os.fspath(data)
        return given, None
    import pandas as pd

    config = build(DataConfig, given[DataConfig])
    frame = data if isinstance(data, pd.DataFrame) else frames.frame_of(data, config)
    given[DataConfig]["data"] = frames.NAME
    return given, frame_source(frame)


def require_only_resume(given: Given, source: Source | None, has_more: bool) -> None:
    """Check that no settings are given with `resume`. Pairs in memory must be given again."""
    names = {name for values in given.values() for name in values} - ({"data"} if source is not None else set())
    if has_more or names:
        raise ConfigError("--resume uses the settings of the run and takes no others", "leave out the other options")


def spec_of(run: Run | PathLike | None) -> str | None:
    """Return the folder or name of a run, for `records`."""
    if run is None:
        return None
    return str(run.folder) if isinstance(run, Run) else os.fspath(run)
