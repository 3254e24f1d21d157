"""`mmsent export`: a trained model as a folder that runs without mmsent."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Force, Json, RunsDir, options
from mmsent_cli.extras import EXPORT, require_installed


@options(COMMANDS["export"])
def export(
    given: dict[str, Any],
    out: Annotated[Path, typer.Option(help="Folder to write")] = Path("exported"),
    checkpoint: Checkpoint = None,
    force: Force = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Export a trained model to a folder: an ONNX or OpenVINO model, a script that needs no mmsent, a model card.

    Needs the extra export (see README).
    """
    require_installed(*EXPORT)
    from mmsent_cli import api
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.export import print_export
    from mmsent_cli.reports.progress import ProgressView

    with ProgressView(is_brief=json) as progress:
        result = api.export(out, checkpoint=checkpoint, force=force, runs_dir=runs_dir, progress=progress, **given)
    print_json(result) if json else print_export(result)
