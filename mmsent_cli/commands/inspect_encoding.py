"""`mmsent inspect-encoding`: find out the character encoding of the texts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Force, Json, options
from mmsent_cli.commands.output import print_notices

ConvertTo = Annotated[Path | None, typer.Option(help="Write UTF-8 copies of all texts to this folder")]


@options(COMMANDS["inspect-encoding"])
def inspect_encoding(
    given: dict[str, Any], convert_to: ConvertTo = None, force: Force = False, json: Json = False
) -> None:
    """Find out the character encoding of the texts, and show examples before and after decoding."""
    from mmsent_cli import api
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.encoding import print_encoding

    result = api.inspect_encoding(convert_to=convert_to, force=force, **given)
    print_notices(result.notes)
    print_json(result) if json else print_encoding(result)
