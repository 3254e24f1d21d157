"""The experiments: `mmsent compare-fusions`, `augment-compare`, `ablate`, `tune` and `paper`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Config, Json, Resume, RunsDir, options
from mmsent_cli.commands.output import print_run


@options(COMMANDS["ablate"])
def ablate(
    given: dict[str, Any],
    checkpoint: Checkpoint = None,
    split: Annotated[
        str | None, typer.Option(help="Split file for --data. Only its validation pairs are evaluated")
    ] = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Remove the text or the image from the input of a trained model, and measure how much the accuracy drops.

    Without --data, the model is evaluated on the validation pairs of its own run. An ensemble is evaluated out of fold:
    each pair is predicted by models, probes and a stacker that were trained on the other folds.
    """
    _run("ablate", json, checkpoint=checkpoint, split=split, resume=resume, runs_dir=runs_dir, **given)


@options(COMMANDS["augment-compare"])
def augment_compare(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train the same model with and without augmented images, and test the difference statistically."""
    _run("augment_compare", json, config=config, resume=resume, runs_dir=runs_dir, **given)


@options(COMMANDS["compare-fusions"])
def compare_fusions(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="Print all fusions with source and number of parameters, and train no model")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Train models that differ only in their fusion layer, and test the differences in accuracy."""
    from mmsent_cli import api
    from mmsent_cli.reports.small_results import print_fusions
    from mmsent_cli.reports.tables import print_json

    if not show_list:
        _run("compare_fusions", json, config=config, resume=resume, runs_dir=runs_dir, **given)
        return
    encoders, rows = api.list_fusions(config, **given)
    if json:
        print_json({"encoders": encoders, "fusions": [asdict(row) for row in rows]})
    else:
        print_fusions(rows, encoders)


@options(COMMANDS["paper"])
def paper(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Repeat a published student project's experiments with your --encoders, and compare the scores.

    The project used BERT and ResNet18. The steps are those of mmsent tune, train, ablate, compare-fusions and
    augment-compare. One report shows the results of all steps."""
    _run("paper", json, config=config, resume=resume, runs_dir=runs_dir, **given)


@options(COMMANDS["tune"])
def tune(
    given: dict[str, Any],
    config: Config = None,
    resume: Resume = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Try training settings (5 epochs per trial by default), and write the best ones to a configuration file."""
    _run("tune", json, config=config, resume=resume, runs_dir=runs_dir, **given)


def _run(function: str, json: bool, **arguments: Any) -> None:
    """Call a function of `mmsent_cli.api`, show its progress, and print the finished run."""
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = getattr(api, function)(progress=progress, **arguments)
    print_run(run, json)
