"""`mmsent split`: divide the labelled pairs into training and validation, and write a split file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.commands.options import Force, Json, options
from mmsent_cli.commands.output import print_notices, require_one_output
from mmsent_cli.keywords import COMMANDS

Folds = Annotated[int | None, typer.Option(help="Make this many cross-validation folds instead of one split")]
Out = Annotated[
    Path | None, typer.Option(help="File to write; - is standard output [default: splits/<strategy>-<seed>.json]")
]


@options(COMMANDS["split"])
def split(
    given: dict[str, Any], folds: Folds = None, out: Out = None, force: Force = False, json: Json = False
) -> None:
    """Divide the labelled pairs into training and validation, and write the result to a file for train --split."""
    from mmsent_cli import api
    from mmsent_cli.outputs import STANDARD_OUTPUT
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.split import print_split

    require_one_output(out, json)
    result = api.split(folds=folds, out=out, force=force, **given)
    print_notices(result.notes)
    if out != STANDARD_OUTPUT:
        print_json(result) if json else print_split(result)
