"""`mmsent ablate`: what the text and the image are worth to a trained model."""

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsent_cli.commands.experiment import (
    Resume,
    print_result_json,
    require_nothing_else,
    validation_pairs,
    write_outputs,
)
from mmsent_cli.commands.options import Checkpoint, Json, RunsDir, options
from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.settings import AblateSettings
from mmsent_cli.progress import Progress
from mmsent_cli.records import CONFIG, EXPERIMENT

if TYPE_CHECKING:
    from mmsent_cli.experiments.ablation.ablate import Detail
    from mmsent_cli.experiments.ablation.target import AblationTarget
    from mmsent_cli.records import Run
    from mmsent_cli.results import AblateResult

COMMAND = "ablate"
SHOWN = "permuted"
"""The method whose answers the examples show: the stand-in feature is a real one, and nothing of it fits the pair."""
NO_MATTER = ("workers", "jobs", "save_all", "cache_dir")
"""Settings of the run that leave the figures as they are."""


@options(AblateSettings, DataConfig, RuntimeConfig, omit={"labels", "workers", "save_all"})
def ablate(
    given: dict[type, dict[str, Any]],
    checkpoint: Checkpoint = None,
    split: Annotated[str | None, typer.Option(help="With --data: only the validation side of this split file")] = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Take the text or the image away from a trained model, in several ways, and see what is left.

    The pairs are those that the checkpoint's run validated on, or those of --data.
    """
    from mmsent_cli.experiments.ablation import ablate as experiments
    from mmsent_cli.reports.outputs import print_result
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.training.run import cleanup_on_failure

    start = time.perf_counter()
    with ProgressView() as progress:
        if resume is not None:
            if checkpoint is not None or split is not None:
                raise ConfigError("--resume takes the run's own settings", "leave the other options out")
            require_nothing_else(None, given)
            examined, settings, run = _resume(resume, runs_dir, progress)
        else:
            examined, settings, run = _start(checkpoint, split, given, runs_dir, progress)
        with cleanup_on_failure(run, is_new=resume is None, command=COMMAND):
            result, detail = experiments.ablate(examined, settings, run, progress)
    seconds = time.perf_counter() - start
    with cleanup_on_failure(run, is_new=False, command=COMMAND):
        files = write_ablation(examined, run, result, detail, seconds)
    if json:
        print_result_json(run, result, seconds)
    else:
        print_result(result, folder=run.folder, files=files, seconds=seconds)


def _start(
    checkpoint: str | None, split: str | None, given: dict[type, dict[str, Any]], runs_dir: Path, progress: Progress
) -> tuple["AblationTarget", AblateSettings, "Run"]:
    from mmsent_cli.experiments.ablation.target import own_config
    from mmsent_cli.experiments.request import start_experiment
    from mmsent_cli.records import find_checkpoint

    if (split is not None or given[DataConfig]) and "data" not in given[DataConfig]:
        raise ConfigError("options about the data go with --data", "name a folder or manifest with --data")
    found = find_checkpoint(checkpoint, runs_dir)
    own = own_config(found)
    # The run's own compute, weights and cache, so that the whole model gets the figures that its run reported.
    runtime = build(RuntimeConfig, {**(to_dict(own.runtime) if own else {}), **given[RuntimeConfig]})
    subject = ablation_subject(found, runtime, given[DataConfig] or None, split)
    settings = build(AblateSettings, given[AblateSettings])
    examined = _examine(subject, progress)
    return examined, settings, start_experiment(examined.plan, COMMAND, settings, runs_dir, subject)


def ablation_subject(
    checkpoint: Path, runtime: RuntimeConfig, data: dict[str, Any] | None = None, split: str | None = None
) -> dict[str, Any]:
    """What an ablation is about, as plain values: enough to take it up again."""
    return {"checkpoint": str(checkpoint), "data": data, "split": split, "runtime": to_dict(runtime)}


def _resume(resume: str, runs_dir: Path, progress: Progress) -> tuple["AblationTarget", AblateSettings, "Run"]:
    from mmsent_cli.experiments.request import find_experiment, require_same_plan

    run, told = find_experiment(resume, COMMAND, runs_dir)
    examined = _examine(told.subject, progress)
    require_same_plan(examined.plan, run)
    return examined, build(AblateSettings, told.settings), run


def _examine(subject: Mapping[str, Any], progress: Progress) -> "AblationTarget":
    from mmsent_cli.experiments.ablation.target import examine

    data = None if subject["data"] is None else build(DataConfig, subject["data"])
    runtime = build(RuntimeConfig, subject["runtime"])
    return examine(Path(subject["checkpoint"]), data, subject["split"], runtime, progress)


def write_ablation(
    examined: "AblationTarget", run: "Run", result: "AblateResult", detail: "Detail", seconds: float
) -> list[str]:
    """Write a finished ablation's figures, predictions, report and result; the names of the run's files."""
    from mmsent_cli.experiments.ablation.ablate import BOTH, arm_name, predictions_csv
    from mmsent_cli.reports.examples import modality_groups
    from mmsent_cli.reports.outputs import run_files
    from mmsent_cli.training.run import ENVIRONMENT

    pairs = validation_pairs(examined.plan)
    shown = {"both": BOTH, "text": arm_name("text", SHOWN), "image": arm_name("image", SHOWN)}
    predicted = {name: detail.predicted[arm] for name, arm in shown.items()}
    files = run_files(
        result,
        config=run.read_json(CONFIG),
        environment=run.read_json(ENVIRONMENT),
        groups=modality_groups(pairs, result.labels, predicted, detail.probabilities),
        command=_repeat(run),
        seconds=seconds,
    )
    predictions = predictions_csv(pairs, result.labels, detail.predicted)
    return write_outputs(run, result, {"predictions.csv": predictions, **files})


def _repeat(run: "Run") -> str:
    """The command line that repeats an ablation."""
    from mmsent_cli.experiments.request import read_request

    told = read_request(run.path(EXPERIMENT))
    subject, usual = told.subject, to_dict(RuntimeConfig())
    runtime = {name: value for name, value in subject["runtime"].items() if name not in NO_MATTER}
    options = {
        "checkpoint": subject["checkpoint"],
        **(subject["data"] or {}),
        "split": subject["split"],
        **told.settings,
        **{name: value for name, value in runtime.items() if value != usual[name]},
    }
    words = [word for name, value in options.items() for word in _typed(name, value)]
    return shlex.join(["mmsent", COMMAND, *words])


def _typed(name: str, value: Any) -> list[str]:
    """A setting as it is typed: nothing where it is off, a switch alone, or an option with its value."""
    option = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    return [option] if value is True else [option, str(value)]
