"""Beginning an experiment, taking it up again, and repeating it: what it was told is kept in `experiment.json`.

A run's `config.json` has every gap filled, as one model's configuration has. An experiment makes many, and some
fusions fill a gap in their own way, so what it needs to be repeated is the configuration as it was asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from mmsent_cli.config import TrainConfig, build, to_dict, train_config
from mmsent_cli.errors import ConfigError
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import CONFIG, EXPERIMENT, Run
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.run import ENVIRONMENT, cleanup_on_failure, find_unfinished, splits_of, start_run, write_plan

S = TypeVar("S")
NO_MATTER = ("jobs", "workers")
"""Settings that change no figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRequest:
    """What an experiment was told, as plain values.

    Attributes:
        command: its name.
        asked: the training configuration with its gaps.
        settings: the experiment's own settings.
        subject: what else it is about, such as the checkpoint of an ablation.
    """

    command: str
    asked: Mapping[str, Any]
    settings: Mapping[str, Any]
    subject: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> TrainConfig:
        """The training configuration."""
        return train_config(self.asked)


def start_experiment(
    plan: Plan, command: str, settings: Any, runs_dir: Path, subject: Mapping[str, Any] | None = None
) -> Run:
    """Make an experiment's folder and write down what it is about to do."""
    run = start_run(plan, runs_dir, command)
    told = ExperimentRequest(
        command=command, asked=to_dict(plan.asked), settings=to_dict(settings), subject=subject or {}
    )
    with cleanup_on_failure(run, is_new=True, command=command):
        run.write_json(EXPERIMENT, told)
    return run


def find_experiment(spec: str, command: str, runs_dir: Path) -> tuple[Run, ExperimentRequest]:
    """The unfinished experiment that `spec` names.

    Raises:
        MmsentError: no such run, one of another command, or one that is finished.
    """
    run = find_unfinished(spec, runs_dir)
    told = read_request(run.path(EXPERIMENT)) if run.path(EXPERIMENT).is_file() else None
    other = told.command if told else "train"
    if told is None or other != command:
        raise ConfigError(f"{run.folder} is a run of {other}", f"go on with: mmsent {other} --resume {spec}")
    return run, told


def resume_experiment(
    spec: str,
    command: str,
    settings_type: type[S],
    runs_dir: Path,
    progress: Progress = silent,
    jobs: int | None = None,
) -> tuple[Plan, S, Run]:
    """Find an unfinished experiment and plan its rest, with as many models at a time as asked for.

    Raises:
        MmsentError: no such run, one of another command, or one that is finished.
    """
    run, told = find_experiment(spec, command, runs_dir)
    asked = told.config()
    if jobs is not None:
        asked = replace(asked, runtime=replace(asked.runtime, jobs=jobs))
    plan = plan_run(asked, progress, splits_of(run))
    write_plan(plan, run)
    require_same_plan(plan, run)
    return plan, build(settings_type, told.settings), run


def require_same_plan(plan: Plan, run: Run) -> None:
    """Check that the rest of an experiment is computed as its beginning was: what is `auto` may have changed since.

    Raises:
        ConfigError: other encoders, defaults, labels, device, precision or engine.
    """
    before, now = run.read_json(CONFIG), to_dict(plan.config)
    names = [(section, name) for section in now for name in now[section] if name not in NO_MATTER]
    changed = [name for section, name in names if now[section][name] != before[section].get(name)]
    environment, how = run.read_json(ENVIRONMENT), plan.compute
    here = {"device": how.device, "precision": how.precision, "engine": how.engine_name}
    changed += [name for name in here if here[name] != environment.get(name)]
    if changed:
        raise ConfigError(
            f"{run.folder} began with another {', '.join(changed)} than it would go on with here",
            f"begin anew: mmsent {read_request(run.path(EXPERIMENT)).command} --config {run.folder}",
        )


def read_request(path: Path) -> ExperimentRequest:
    """Read an `experiment.json`.

    Raises:
        ConfigError: no such file, or not one of these.
    """
    try:
        return ExperimentRequest(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"cannot read {path} as an experiment: {error}", "give the folder of an experiment"
        ) from error


def find_request(path: Path) -> ExperimentRequest | None:
    """What an earlier experiment was told, if `path` is its folder or its `experiment.json`; else None."""
    file = path / EXPERIMENT if path.is_dir() else path
    return read_request(file) if file.name == EXPERIMENT and file.is_file() else None
