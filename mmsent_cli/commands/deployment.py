"""`mmsent export` and `serve`: make a trained model available to other programs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Force, Json, RunsDir, options
from mmsent_cli.commands.output import print_notices
from mmsent_cli.config.command_settings import ServeSettings
from mmsent_cli.extras import EXPORT, SERVE, require_installed


@options(COMMANDS["export"])
def export(
    given: dict[str, Any],
    out: Annotated[Path, typer.Option(help="Folder for the exported model")] = Path("exported"),
    checkpoint: Checkpoint = None,
    force: Force = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    r"""Export a trained model to a folder with a script that predicts without mmsent, and a model card.

    The format of the model is ONNX or OpenVINO.

    Needs more packages: pip install '.\[export]' (see README).
    """
    require_installed(*EXPORT)
    from mmsent_cli import api
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.reports.small_results import print_export
    from mmsent_cli.reports.tables import print_json

    with ProgressView(is_brief=json) as progress:
        result = api.export(out, checkpoint=checkpoint, force=force, runs_dir=runs_dir, progress=progress, **given)
    print_json(result) if json else print_export(result)


@options(COMMANDS["serve"])
def serve(given: dict[str, Any], checkpoint: Checkpoint = None, runs_dir: RunsDir = Path("runs")) -> None:
    r"""Serve a trained model: a web page, and POST /predict for programs. Ctrl-C stops the server.

    Needs more packages: pip install '.\[serve]' (see README).
    """
    require_installed(*SERVE)
    from mmsent_cli.config import build
    from mmsent_cli.reports.small_results import print_address
    from mmsent_cli.reports.tables import notice
    from mmsent_cli.run_folders import find_checkpoint, unfinished_note
    from mmsent_cli.server.server import open_socket

    open_socket(build(ServeSettings, COMMANDS["serve"].sort(given)[ServeSettings])).close()  # before torch is imported
    from mmsent_cli import api

    def ready(address: str) -> None:
        print_notices(filter(None, [unfinished_note(find_checkpoint(checkpoint, runs_dir))]))
        print_address(address)

    api.serve(checkpoint=checkpoint, runs_dir=runs_dir, ready=ready, **given)
    notice("stopped")
