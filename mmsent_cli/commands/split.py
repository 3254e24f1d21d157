"""`mmsent split`: divide the labelled pairs into training and validation, and write a split file."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Force, Json, options
from mmsent_cli.commands.output import print_notices, require_one_output
from mmsent_cli.config import DataConfig

Folds = Annotated[int | None, typer.Option(help="Make this many cross-validation folds instead of one split")]
Out = Annotated[
    Path | None, typer.Option(help=r"File to write. - is standard output \[default: splits/<strategy>-<seed>.json]")
]


@options(COMMANDS["split"])
def split(
    given: dict[str, Any], folds: Folds = None, out: Out = None, force: Force = False, json: Json = False
) -> None:
    """Divide the labelled pairs into training and validation, and write a split file, for train --split."""
    from mmsent_cli import api
    from mmsent_cli.next_steps import after_split
    from mmsent_cli.outputs import STANDARD_OUTPUT
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.split import print_split

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
