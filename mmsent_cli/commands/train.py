"""`mmsent train`: one training run with its figures and report."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mmsent_cli.commands.options import Json, RunsDir, options
from mmsent_cli.config import (
    DataConfig,
    FitConfig,
    ModelConfig,
    RuntimeConfig,
    SplitConfig,
    TrainConfig,
    build,
    read_train_config,
    to_dict,
)
from mmsent_cli.config.presets import PRESETS, find_preset
from mmsent_cli.errors import ConfigError
from mmsent_cli.results import FoldsResult, TrainResult

if TYPE_CHECKING:
    from mmsent_cli.records import Run
    from mmsent_cli.training.plan import Plan

R = TypeVar("R", bound=TrainResult | FoldsResult)

SECTIONS = {
    DataConfig: "data",
    SplitConfig: "split",
    ModelConfig: "model",
    FitConfig: "fit",
    RuntimeConfig: "runtime",
}


@options(*SECTIONS, omit={"jobs"})
def train(
    given: dict[type, dict[str, Any]],
    preset: Annotated[
        str | None, typer.Option(help=f"A whole set of settings, which other options change: {', '.join(PRESETS)}")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Replay the config.json of an earlier run; other options change it")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on with an unfinished run: its folder, name, or latest")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train a model on labelled pairs, validate it, and write everything to a new run folder."""
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.outputs import print_result
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.training import run as training
    from mmsent_cli.training.folds import execute_folds
    from mmsent_cli.training.plan import plan_run

    if resume is not None and (config is not None or preset is not None or any(given.values())):
        raise ConfigError("--resume takes the run's own settings", "leave the other options out")
    if config is not None and preset is not None:
        raise ConfigError("--config and --preset both are whole sets of settings", "give one of them")
    with ProgressView() as progress:
        if resume is not None:
            plan, run = training.resume_run(resume, runs_dir, progress)
        else:
            base = TrainConfig() if config is None else read_train_config(config)
            plan = plan_run(layer(base if preset is None else with_preset(base, preset), given), progress)
            run = training.start_run(plan, runs_dir)
        with training.cleanup_on_failure(run, is_new=resume is None):
            result = execute_folds(plan, run, progress) if plan.folds else training.execute(plan, run, progress)
    with training.cleanup_on_failure(run, is_new=False):
        result = write_outputs(result, plan, run)
    if json:
        print_json(result)
    else:
        print_result(result, folder=run.folder, files=result.files, seconds=result.seconds)


def with_preset(base: TrainConfig, name: str) -> TrainConfig:
    """A configuration with a preset's settings over it."""
    sections = find_preset(name).sections()
    return layer(base, {kind: dict(sections.get(section, {})) for kind, section in SECTIONS.items()})


def layer(base: TrainConfig, given: dict[type, dict[str, Any]]) -> TrainConfig:
    """The options given, over an earlier run's configuration or the defaults.

    A new `--encoders` takes the place of the text and image encoder that the earlier run settled on.
    """
    if "encoders" in given[ModelConfig]:
        base = replace(base, model=replace(base.model, text_encoder=None, image_encoder=None))
    plain = to_dict(base)
    return replace(base, **{name: build(kind, plain[name] | given[kind]) for kind, name in SECTIONS.items()})


def write_outputs(result: R, plan: "Plan", run: "Run") -> R:
    """Figures, report and, last of all, `result.json`; returns the result with the names of the run's files."""
    from mmsent_cli.reports.examples import error_groups
    from mmsent_cli.reports.outputs import run_files
    from mmsent_cli.training.folds import OUT_OF_FOLD
    from mmsent_cli.training.predictions import VAL_PREDICTIONS, read_predictions

    predictions = OUT_OF_FOLD if isinstance(result, FoldsResult) else VAL_PREDICTIONS
    pairs = {pair.guid: pair for pair in plan.dataset.pairs}
    files = run_files(
        result,
        config=run.read_json("config.json"),
        environment=run.read_json("environment.json"),
        groups=error_groups(pairs, read_predictions(run, predictions)),
        command=shlex.join(["mmsent", "train", "--config", str(run.path("config.json"))]),
        seconds=result.seconds,
    )
    for name, content in files.items():
        run.write(name, content)
    names = sorted(path.name for path in run.folder.iterdir() if not path.name.startswith("."))
    result = replace(result, files=(*names, "result.json"))
    run.write_json("result.json", result)
    return result
