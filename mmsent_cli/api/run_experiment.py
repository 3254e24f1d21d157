"""Run an experiment in three steps: plan, work, finish."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import Arguments, PathLike, require_only_resume, sort_settings, spec_of
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import COMMANDS, Given, apply_options
from mmsent_cli.config import FitConfig, RuntimeConfig, build, to_dict
from mmsent_cli.experiments.request import SETTINGS, ExperimentRequest, open_experiment, read_base, resume_experiment
from mmsent_cli.finished_run import FinishedRun, finish
from mmsent_cli.training.run_folder import cleanup_on_failure


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
    """Plan, work and finish. `has_more`: True if an argument was given that cannot be combined with `resume`."""
    start = begin_command()
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
    return finish(opened.plan, opened.run, result, detail, command=command, start=start)
