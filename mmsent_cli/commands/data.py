"""`mmsent check`, `inspect-encoding` and `split`: check and prepare pairs for training."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Force, Json, RunsDir, options
from mmsent_cli.commands.output import print_notices, print_run, require_one_output
from mmsent_cli.config import DataConfig
from mmsent_cli.config.build import PRESETS


@options(COMMANDS["check"])
def check(
    given: dict[str, Any],
    preset: Annotated[
        str | None, typer.Option(help=f"Check whether a training with this preset can run: {', '.join(PRESETS)}")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Check the pairs before a training: their classes, texts, images, duplicates and files.

    Writes a report to a new run folder, and a list of all problems. For each problem, the list names the guid.
    The exit code is 1 if mmsent train would end with an error. If no pair has a label, check tests instead whether
    mmsent predict can run.
    """
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        run = api.check(preset=preset, runs_dir=runs_dir, progress=progress, **given)
    print_run(run, json)
    if run.result.errors:
        raise typer.Exit(1)


ConvertTo = Annotated[Path | None, typer.Option(help="Folder to which UTF-8 copies of all texts are written")]


@options(COMMANDS["inspect-encoding"])
def inspect_encoding(
    given: dict[str, Any],
    convert_to: ConvertTo = None,
    force: Force = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Find the character encoding of the texts, and show examples before and after decoding.

    A report is written to a new folder in --runs-dir.
    """
    from mmsent_cli import api

    print_run(api.inspect_encoding(convert_to=convert_to, force=force, runs_dir=runs_dir, **given), json)


Folds = Annotated[int | None, typer.Option(help="Number of cross-validation folds to make, instead of one split")]
Out = Annotated[
    Path | None,
    typer.Option(help=r"Split file to write, or - for standard output \[default: splits/<strategy>-<seed>.json]"),
]


@options(COMMANDS["split"])
def split(
    given: dict[str, Any], folds: Folds = None, out: Out = None, force: Force = False, json: Json = False
) -> None:
    """Divide the labelled pairs into training and validation pairs. The split file is for mmsent train --split."""
    from mmsent_cli import api
    from mmsent_cli.next_steps import after_split
    from mmsent_cli.outputs import STANDARD_OUTPUT
    from mmsent_cli.reports.small_results import print_split
    from mmsent_cli.reports.tables import print_json

    require_one_output(out, json)
    result = api.split(folds=folds, out=out, force=force, **given)
    print_notices(result.notes)
    if out == STANDARD_OUTPUT:
        return
    if json:
        print_json(result)
        return
    of_data = {name: value for name, value in given.items() if name in {each.name for each in fields(DataConfig)}}
    print_split(result, after_split(Path(result.path), of_data, has_folds=folds is not None))
