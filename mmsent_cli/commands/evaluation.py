"""`mmsent evaluate`, `compare` and `explain`: score, compare and explain trained models."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Json, RunsDir, options
from mmsent_cli.commands.output import print_run
from mmsent_cli.extras import EXPLAIN, require_installed


@options(COMMANDS["evaluate"])
def evaluate(
    given: dict[str, Any],
    model: Annotated[
        str | None,
        typer.Argument(
            help="Run, checkpoint file, or prediction file (a table with the columns guid and tag)"
            " \\[default: the newest run]",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Measure how well a trained model, or a prediction file, fits the labels of pairs.

    Pairs that the model was trained on are reported separately. Without --data, the labelled pairs of the model's own
    run are used.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.evaluate(model, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)


@options(COMMANDS["compare"])
def compare(
    given: dict[str, Any],
    models: Annotated[
        list[str],
        typer.Argument(
            help="Two or more runs, checkpoints or prediction files. If a model was trained with several seeds,"
            " write its runs with commas and without spaces: RUN1,RUN2,RUN3",
        ),
    ],
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Compare trained models, or prediction files, on the same pairs, and test each difference statistically.

    Without --data, the runs are compared on the validation pairs of their trainings. Runs with folds are compared on
    all pairs, with out-of-fold predictions.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    named = [[model] if Path(model).exists() else model.split(",") for model in models]
    with ProgressView(is_brief=json) as progress:
        run = api.compare(*named, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)


@options(COMMANDS["explain"])
def explain(
    given: dict[str, Any],
    checkpoint: Checkpoint = None,
    text: Annotated[str | None, typer.Option(help="Text of one pair to explain")] = None,
    image: Annotated[Path | None, typer.Option(help="Image file of one pair to explain")] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    r"""Explain predictions: show how much each word, image region, modality and ensemble member contributes.

    Needs more packages: pip install '.\[explain]' (see README).
    """
    require_installed(*EXPLAIN)
    from mmsent_cli import api
    from mmsent_cli.commands.output import print_run
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.explain(checkpoint=checkpoint, text=text, image=image, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
