"""`mmsent inspect-encoding`: find out the character encoding of the texts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Force, Json, RunsDir, options
from mmsent_cli.commands.output import print_run

ConvertTo = Annotated[Path | None, typer.Option(help="Write UTF-8 copies of all texts to this folder")]


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
