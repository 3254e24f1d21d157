"""`mmsent serve`: a web page and a JSON endpoint over a trained model."""

from pathlib import Path
from typing import Any

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, RunsDir, options
from mmsent_cli.commands.output import print_notices
from mmsent_cli.extras import SERVE, require_installed
from mmsent_cli.server.settings import ServeSettings


@options(COMMANDS["serve"])
def serve(given: dict[str, Any], checkpoint: Checkpoint = None, runs_dir: RunsDir = Path("runs")) -> None:
    """Serve a trained model: a web page for people, and POST /predict for programs. Ctrl-C stops the server.

    Needs the extra serve (see README).
    """
    require_installed(*SERVE)
    from mmsent_cli.config import build
    from mmsent_cli.reports.console import notice
    from mmsent_cli.reports.serve import print_address
    from mmsent_cli.run_folders import find_checkpoint, unfinished_note
    from mmsent_cli.server.server import open_socket

    open_socket(build(ServeSettings, COMMANDS["serve"].sort(given)[ServeSettings])).close()  # before torch is imported
    from mmsent_cli import api

    def ready(address: str) -> None:
        print_notices(filter(None, [unfinished_note(find_checkpoint(checkpoint, runs_dir))]))
        print_address(address)

    api.serve(checkpoint=checkpoint, runs_dir=runs_dir, ready=ready, **given)
    notice("stopped")
