"""`mmsent serve`: a web page and a JSON endpoint over a trained model."""

from pathlib import Path
from typing import Any

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, RunsDir, options
from mmsent_cli.extras import require_extra
from mmsent_cli.server.settings import ServeSettings


@options(COMMANDS["serve"])
def serve(given: dict[str, Any], checkpoint: Checkpoint = None, runs_dir: RunsDir = Path("runs")) -> None:
    """Serve a trained model: a web page for people, and POST /predict for programs. Ctrl-C stops the server.

    Needs the extra serve (see README).
    """
    from mmsent_cli.config import build
    from mmsent_cli.reports.console import notice
    from mmsent_cli.reports.serve import print_address
    from mmsent_cli.server.server import MODULES, open_socket

    require_extra("serve", "the server", *MODULES)  # this line and the next one before torch is imported
    open_socket(build(ServeSettings, COMMANDS["serve"].sort(given)[ServeSettings])).close()
    from mmsent_cli import api

    api.serve(checkpoint=checkpoint, runs_dir=runs_dir, ready=print_address, **given)
    notice("stopped")
