"""Start, resume and repeat experiments. The user's settings are kept in `experiment.json`.

`config.json` contains the settings of one model with all defaults filled in. An experiment trains several models, and
some defaults depend on the fusion of a model. So an experiment is repeated from the user's settings, and not from
`config.json`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmsent_cli.config import RuntimeConfig, TrainConfig, build, read_train_config, to_dict, train_config
from mmsent_cli.config.command_settings import (
    AblateSettings,
    AugmentSettings,
    CompareSettings,
    PaperSettings,
    TuneSettings,
)
from mmsent_cli.data import frames
from mmsent_cli.data.layouts import Source
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.ablation.target import AblationTarget, examine
from mmsent_cli.progress import Progress, silent
from mmsent_cli.run_folders import EXPERIMENT, Run, remove_unfinished
from mmsent_cli.run_time import begin_session
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.run_folder import (
    find_unfinished,
    require_same_plan,
    resume_command,
    splits_of,
    start_run,
    write_plan,
)

SETTINGS: dict[str, type] = {
    "tune": TuneSettings,
    "ablate": AblateSettings,
    "compare-fusions": CompareSettings,
    "augment-compare": AugmentSettings,
    "paper": PaperSettings,
}
"""For each experiment, the class of its own settings. The settings of the trainings are in `TrainConfig`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRequest:
    """An experiment with the user's settings, as plain JSON values.

    Attributes:
        command: name of the experiment.
        given: the training configuration before defaults are filled in.
        settings: the settings of the experiment itself.
        subject: for an ablation, its checkpoint, data and runtime settings; empty for other experiments.
    """

    command: str
    given: Mapping[str, Any]
    settings: Mapping[str, Any]
    subject: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> TrainConfig:
        """Return the training configuration that `given` describes."""
        return train_config(self.given)

    def with_jobs(self, jobs: int | None) -> "ExperimentRequest":
        """Return a copy with another number of worker processes; None keeps the number."""
        if jobs is None:
            return self
        parts = {name: dict(getattr(self, name)) for name in ("given", "subject")}
        for part in parts.values():
            if "runtime" in part:
                part["runtime"] = {**part["runtime"], "jobs": jobs}
        return replace(self, **parts)


@dataclass(frozen=True, slots=True)
class OpenExperiment:
    """An experiment that is ready to run.

    Attributes:
        plan: pairs, split and configuration.
        settings: the settings of the experiment itself, such as CompareSettings.
        run: the run with its folder.
        target: for an ablation, the opened checkpoint with its pairs; else None.
    """

    plan: Plan
    settings: Any
    run: Run
    target: AblationTarget | None = None


def open_experiment(
    request: ExperimentRequest,
    runs_dir: Path,
    progress: Progress = silent,
    source: Source | None = None,
    run: Run | None = None,
) -> OpenExperiment:
    """Prepare a new experiment, or prepare an unfinished experiment to continue.

    Args:
        request: the experiment with its settings.
        runs_dir: the folder of all runs.
        progress: receives progress events.
        source: pairs in memory, used instead of the data of the configuration.
        run: the unfinished run to continue; None makes a new one.

    Raises:
        MmsentError: settings, data or checkpoint cannot be used, or the run was started with different settings.
    """
    settings = build(SETTINGS[request.command], request.settings)
    plan, target = _plan(request, run, progress, source)
    if run is None:
        run = start_experiment(plan, request.command, settings, runs_dir, request.subject)
    else:
        write_plan(plan, run)
        require_same_plan(plan, run, request.command)
        begin_session(run)
    return OpenExperiment(plan, settings, run, target)


def resume_experiment(
    spec: str,
    command: str,
    runs_dir: Path,
    progress: Progress = silent,
    source: Source | None = None,
    jobs: int | None = None,
) -> OpenExperiment:
    """Find an unfinished experiment, and prepare it to continue.

    Args:
        spec: the folder or the name of the run, or `latest`.
        command: the command of the experiment.
        runs_dir: the folder of all runs.
        progress: receives progress events.
        source: the pairs, if the experiment was started with pairs in memory.
        jobs: another number of worker processes; it does not change the results.

    Raises:
        MmsentError: there is no such run, it is finished, it is a run of another command, or it was started with
            different settings.
    """
    run, request = find_experiment(spec, command, runs_dir)
    remove_unfinished(run)
    return open_experiment(request.with_jobs(jobs), runs_dir, progress, source, run)


def start_experiment(
    plan: Plan, command: str, settings: Any, runs_dir: Path, subject: Mapping[str, Any] | None = None
) -> Run:
    """Make the run folder of a new experiment, record the settings there, and return the run."""
    recorded = to_dict(settings)
    if recorded.get("storage"):
        recorded["storage"] = _from_anywhere(recorded["storage"])
    request = ExperimentRequest(command=command, given=to_dict(plan.given), settings=recorded, subject=subject or {})
    return start_run(plan, runs_dir, command, request)


def find_experiment(spec: str, command: str, runs_dir: Path) -> tuple[Run, ExperimentRequest]:
    """Find the unfinished experiment `spec`: the folder or the name of a run, or `latest`.

    Returns:
        The run, and the experiment with its recorded settings.

    Raises:
        MmsentError: there is no such run, it is finished, or it is a run of another command.
    """
    run = find_unfinished(spec, runs_dir)
    request = read_request(run.path(EXPERIMENT)) if run.path(EXPERIMENT).is_file() else None
    other = request.command if request else "train"
    if request is None or other != command:
        raise ConfigError(
            f"cannot resume {run.folder}: it is a run of mmsent {other}", f"go on with: {resume_command(run, other)}"
        )
    return run, request


def read_request(path: Path) -> ExperimentRequest:
    """Read an `experiment.json`.

    Raises:
        ConfigError: the file is missing or does not describe an experiment.
    """
    try:
        return ExperimentRequest(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} is not the record of an experiment: {error}", "give the folder of an experiment"
        ) from error


def find_request(path: Path) -> ExperimentRequest | None:
    """Read an earlier experiment, if `path` is its folder or its `experiment.json`; else return None."""
    file = path / EXPERIMENT if path.is_dir() else path
    return read_request(file) if file.name == EXPERIMENT and file.is_file() else None


def read_base(config: Path | None, command: str) -> tuple[TrainConfig, Mapping[str, Any]]:
    """Read the settings that a new experiment starts from.

    Args:
        config: a configuration file, or the folder or `experiment.json` of an earlier experiment; None uses defaults.
        command: the command of the new experiment.

    Returns:
        The training configuration, and the settings of the experiment itself. The latter are empty unless `config` is
        an earlier experiment of the same command.
    """
    if config is None:
        return TrainConfig(), {}
    request = find_request(config)
    if request is None:
        return read_train_config(config), {}
    return request.config(), request.settings if request.command == command else {}


def ablation_subject(
    checkpoint: Path, runtime: RuntimeConfig, data: Mapping[str, Any] | None = None, split: str | None = None
) -> dict[str, Any]:
    """Convert the arguments of an ablation to plain values, from which the ablation can be resumed."""
    return {
        "checkpoint": str(checkpoint.absolute()),
        "data": None if data is None else {**data, "data": _place(data["data"])},
        "split": None if split is None else str(Path(split).absolute()),
        "runtime": to_dict(runtime),
    }


def _place(data: str) -> str:
    """Return the path of the data as a run records it: an absolute path, or a placeholder for a DataFrame."""
    return data if data == frames.NAME else str(Path(data).absolute())


def _from_anywhere(url: str) -> str:
    """Return the URL of a database. If it has a relative path of an SQLite file, this path becomes absolute."""
    prefix, name = "sqlite:///", url.removeprefix("sqlite:///")
    is_relative = url.startswith(prefix) and name and name[0] not in "/:" and not name.startswith("file:")
    return f"{prefix}{Path(name).absolute()}" if is_relative else url


def _plan(
    request: ExperimentRequest, run: Run | None, progress: Progress, source: Source | None
) -> tuple[Plan, AblationTarget | None]:
    subject = request.subject
    if request.command == "ablate":
        runtime = build(RuntimeConfig, subject["runtime"])
        target = examine(Path(subject["checkpoint"]), subject["data"], subject["split"], runtime, progress, source)
        return target.plan, target
    config = request.config()
    if config.split.folds is not None:
        raise ConfigError(
            f"{request.command} trains single models, so it cannot use the settings of a cross-validation run",
            "leave out --folds, or set --config to a run without --folds",
        )
    return plan_run(config, progress, () if run is None else splits_of(run), source), None
