"""`mmsent train`: one training run with its figures and report."""

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
from mmsent_cli.reports.examples import EXAMPLES, report_example
from mmsent_cli.results import FoldsResult, TrainResult

if TYPE_CHECKING:
    from mmsent_cli.records import Run
    from mmsent_cli.reports.blocks import ReportExample
    from mmsent_cli.training.plan import Plan

R = TypeVar("R", TrainResult, FoldsResult)

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
    from mmsent_cli.reports.folds import print_folds
    from mmsent_cli.reports.live_epochs import TrainingView, print_train
    from mmsent_cli.training import run as training
    from mmsent_cli.training.folds import execute_folds
    from mmsent_cli.training.plan import plan_run

    if resume is not None and (config is not None or preset is not None or any(given.values())):
        raise ConfigError("--resume takes the run's own settings", "leave the other options out")
    if config is not None and preset is not None:
        raise ConfigError("--config and --preset both are whole sets of settings", "give one of them")
    with TrainingView() as live:
        if resume is not None:
            plan, run = training.resume_run(resume, runs_dir, live)
        else:
            base = TrainConfig() if config is None else read_train_config(config)
            plan = plan_run(layer(base if preset is None else with_preset(base, preset), given), live)
            run = training.start_run(plan, runs_dir)
        live.total_epochs = plan.config.fit.epochs
        with training.cleanup_on_failure(run, is_new=resume is None):
            result = execute_folds(plan, run, live) if plan.folds else training.execute(plan, run, live)
    with training.cleanup_on_failure(run, is_new=False):
        if isinstance(result, FoldsResult):
            result = write_fold_outputs(result, plan, run)
        else:
            result = write_outputs(result, plan, run)
    if json:
        print_json(result)
    elif isinstance(result, FoldsResult):
        print_folds(result)
    else:
        print_train(result)


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


def write_outputs(result: TrainResult, plan: "Plan", run: "Run") -> TrainResult:
    """Figures, report and, last of all, `result.json`; returns the result with the names of the run's files."""
    from mmsent_cli.reports.figures import confusion_png, curves_png
    from mmsent_cli.reports.report import train_report
    from mmsent_cli.training.predictions import VAL_PREDICTIONS

    run.write("curves.png", curves_png(result.history, result.majority_accuracy))
    run.write("confusion.png", confusion_png(result.best.confusion, result.labels))
    config, environment = run.read_json("config.json"), run.read_json("environment.json")
    examples = report_examples(plan, run, VAL_PREDICTIONS)
    run.write("report.html", train_report(result, config, environment, examples))
    return _finish(result, run)


def write_fold_outputs(result: FoldsResult, plan: "Plan", run: "Run") -> FoldsResult:
    """The same for a training over folds."""
    from mmsent_cli.reports.figures import confusion_png
    from mmsent_cli.reports.folds import folds_report
    from mmsent_cli.training.folds import OUT_OF_FOLD

    run.write("confusion.png", confusion_png(result.figures.confusion, result.labels))
    config, environment = run.read_json("config.json"), run.read_json("environment.json")
    examples = report_examples(plan, run, OUT_OF_FOLD)
    run.write("report.html", folds_report(result, config, environment, examples))
    return _finish(result, run)


def _finish(result: R, run: "Run") -> R:
    """Write `result.json`, with the names of all files of the run."""
    files = sorted(path.name for path in run.folder.iterdir() if not path.name.startswith("."))
    result = replace(result, files=(*files, "result.json"))
    run.write_json("result.json", result)
    return result


def report_examples(plan: "Plan", run: "Run", predictions: str) -> list["ReportExample"]:
    """A few pairs of a file of predictions for the report: the surest right ones and the surest wrong ones."""
    from mmsent_cli.training.predictions import read_predictions

    pairs = {pair.guid: pair for pair in plan.dataset.pairs}
    rows = sorted(read_predictions(run, predictions), key=lambda row: -float(row[row["predicted"]]))
    right = [row for row in rows if row["tag"] == row["predicted"]]
    wrong = [row for row in rows if row["tag"] != row["predicted"]]
    return [
        report_example(pairs[row["guid"]], row["predicted"], float(row[row["predicted"]]))
        for row in (*wrong[:EXAMPLES], *right[:EXAMPLES])
    ]
