"""`mmsent train`: one training run with its figures and report."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsent_cli.commands.examples import EXAMPLES, report_example
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
from mmsent_cli.errors import ConfigError
from mmsent_cli.results import TrainResult

if TYPE_CHECKING:
    from mmsent_cli.records import Run
    from mmsent_cli.render.content import ReportExample
    from mmsent_cli.training.plan import Plan

SECTIONS = {
    DataConfig: "data",
    SplitConfig: "split",
    ModelConfig: "model",
    FitConfig: "fit",
    RuntimeConfig: "runtime",
}


@options(*SECTIONS)
def train(
    given: dict[type, dict[str, Any]],
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
    from mmsent_cli.render.console import print_json
    from mmsent_cli.render.train import LiveEpochs, print_train
    from mmsent_cli.training import run as training
    from mmsent_cli.training.plan import plan_run

    if resume is not None and (config is not None or any(given.values())):
        raise ConfigError("--resume takes the run's own settings", "leave the other options out")
    with LiveEpochs() as live:
        if resume is not None:
            plan, run = training.resume_run(resume, runs_dir, live)
        else:
            base = TrainConfig() if config is None else read_train_config(config)
            plan = plan_run(layer(base, given), live)
            run = training.start_run(plan, runs_dir)
        live.total_epochs = plan.config.fit.epochs
        with training.kept_or_discarded(run, is_new=resume is None):
            result = training.execute(plan, run, live)
    with training.kept_or_discarded(run, is_new=False):
        result = write_outputs(result, plan, run)
    print_json(result) if json else print_train(result)


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
    from mmsent_cli.render.figures import confusion_png, curves_png
    from mmsent_cli.render.report import train_report

    run.write("curves.png", curves_png(result.history, result.majority_accuracy))
    run.write("confusion.png", confusion_png(result.best.confusion, result.labels))
    config, environment = run.read_json("config.json"), run.read_json("environment.json")
    run.write("report.html", train_report(result, config, environment, report_examples(plan, run)))
    files = sorted(path.name for path in run.folder.iterdir() if not path.name.startswith("."))
    result = replace(result, files=(*files, "result.json"))
    run.write_json("result.json", result)
    return result


def report_examples(plan: "Plan", run: "Run") -> list["ReportExample"]:
    """A few validation pairs for the report: the surest right ones and the surest wrong ones."""
    from mmsent_cli.training.outcome import validation_predictions

    pairs = {pair.guid: pair for pair in plan.dataset.pairs}
    rows = sorted(validation_predictions(run), key=lambda row: -float(row[row["predicted"]]))
    right = [row for row in rows if row["tag"] == row["predicted"]]
    wrong = [row for row in rows if row["tag"] != row["predicted"]]
    return [
        report_example(pairs[row["guid"]], row["predicted"], float(row[row["predicted"]]))
        for row in (*wrong[:EXAMPLES], *right[:EXAMPLES])
    ]
