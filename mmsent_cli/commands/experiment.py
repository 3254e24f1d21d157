"""What the commands of experiments share: start, resume or repeat one, and write everything with `result.json` last."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mmsent_cli.commands.train import layer
from mmsent_cli.config import RuntimeConfig, TrainConfig, build, read_train_config
from mmsent_cli.errors import ConfigError
from mmsent_cli.progress import Progress
from mmsent_cli.records import CONFIG
from mmsent_cli.reports.examples import agreement_groups

if TYPE_CHECKING:
    from mmsent_cli.data.pairs import Pair
    from mmsent_cli.experiments.trained_arm import TrainedArm
    from mmsent_cli.records import Run
    from mmsent_cli.reports.blocks import ReportExample
    from mmsent_cli.results import CompareResult
    from mmsent_cli.training.plan import Plan

S = TypeVar("S")
FOLDS_ONLY = frozenset({"folds", "probes", "models_per_fold", "logit_adjustment"})
"""Settings of a training over folds, which an experiment over single networks does not offer."""
Given = dict[type, dict[str, Any]]
"""Options typed, by config dataclass."""

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Repeat an earlier experiment (its folder), or start from a config.json"),
]
Resume = Annotated[
    str | None, typer.Option("--resume", help="Go on with an unfinished experiment: its folder, name, or latest")
]


def open_experiment(
    command: str,
    settings_type: type[S],
    given: Given,
    config: Path | None,
    resume: str | None,
    runs_dir: Path,
    progress: Progress,
) -> tuple["Plan", S, "Run"]:
    """Plan a new experiment, or the rest of an unfinished one.

    Args:
        command: its name.
        settings_type: what it may be told beside the settings of a training run.
        given: the options typed.
        config: an earlier experiment to repeat, or a configuration to start from; options change it.
        resume: the run to go on with; nothing but `jobs` may then be given.
        runs_dir: where runs are kept.
        progress: receives what happens.
    """
    from mmsent_cli.experiments.request import resume_experiment, start_experiment
    from mmsent_cli.training.plan import plan_run

    if resume is not None:
        jobs = given[RuntimeConfig].pop("jobs", None)
        require_nothing_else(config, given)
        return resume_experiment(resume, command, settings_type, runs_dir, progress, jobs)
    base, told = read_base(config, command)
    settings = build(settings_type, {**told, **given[settings_type]})
    asked = layer(base, given)
    if asked.split.folds is not None:
        raise ConfigError(
            f"{command} compares single networks, and the configuration is of a training over folds",
            "name another configuration",
        )
    plan = plan_run(asked, progress)
    return plan, settings, start_experiment(plan, command, settings, runs_dir)


def read_base(config: Path | None, command: str) -> tuple[TrainConfig, Mapping[str, Any]]:
    """The configuration to start from, and the settings of an earlier experiment of this command."""
    from mmsent_cli.experiments.request import find_request

    if config is None:
        return TrainConfig(), {}
    told = find_request(config)
    if told is None:
        return read_train_config(config), {}
    return told.config(), told.settings if told.command == command else {}


def require_nothing_else(config: Path | None, given: Given) -> None:
    """Refuse options beside `--resume`: a run goes on as it began."""
    if config is not None or any(given.values()):
        raise ConfigError("--resume takes the run's own settings", "leave the other options out")


def write_outputs(run: "Run", result: Any, files: Mapping[str, str | bytes]) -> list[str]:
    """Write an experiment's files and, last of all, `result.json`; the names of all files of the run."""
    for name, content in files.items():
        run.write(name, content)
    run.write_json("result.json", result)
    return sorted(path.name for path in run.folder.iterdir() if not path.name.startswith("."))


def print_result_json(run: "Run", result: Any, seconds: float) -> None:
    """The result as JSON on standard output, with its folder and how long it took."""
    from mmsent_cli.reports.console import print_json

    print_json({"run": str(run.folder), "seconds": seconds, **asdict(result)})


def repeat_command(command: str, run: "Run") -> str:
    """The command line that repeats an experiment."""
    return shlex.join(["mmsent", command, "--config", str(run.folder)])


def write_comparison(
    command: str,
    plan: "Plan",
    run: "Run",
    result: "CompareResult",
    trained: "Sequence[TrainedArm]",
    seconds: float,
) -> list[str]:
    """Write a finished comparison's table of epochs, figures, report and result; the names of the run's files."""
    from mmsent_cli.experiments.epochs import epochs_csv
    from mmsent_cli.reports.outputs import run_files
    from mmsent_cli.training.run import ENVIRONMENT

    named = [{name: getattr(arm, name) for name in ("name", "fusion", "augmentation", "seed")} for arm in trained]
    files = run_files(
        result,
        config=run.read_json(CONFIG),
        environment=run.read_json(ENVIRONMENT),
        groups=model_groups(plan, trained),
        command=repeat_command(command, run),
        seconds=seconds,
    )
    epochs = epochs_csv(zip(named, (arm.curve for arm in trained), strict=True))
    return write_outputs(run, result, {"epochs.csv": epochs, **files})


def model_groups(plan: "Plan", trained: "Sequence[TrainedArm]") -> "list[tuple[str, list[ReportExample]]]":
    """Validation pairs by how many of the compared models' best epochs get them right."""
    import numpy as np

    from mmsent_cli.experiments.selection import best_epoch

    models = [arm.predicted[best_epoch(arm.curve, arm.monitor).epoch - 1] for arm in trained if not arm.is_reference]
    return agreement_groups(validation_pairs(plan), plan.dataset.labels, np.stack(models))


def validation_pairs(plan: "Plan") -> list["Pair"]:
    """The validation pairs in the order of the data set."""
    val = set(plan.split.val)
    return [pair for pair in plan.dataset.pairs if pair.guid in val]
