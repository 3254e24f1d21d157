"""The work of `serve`: load the model, and run the web server."""

from collections.abc import Callable
from pathlib import Path

from mmsent_cli.command_settings import Given
from mmsent_cli.config import RuntimeConfig, build
from mmsent_cli.errors import ConfigError
from mmsent_cli.extras import SERVE, require_extra
from mmsent_cli.inference.explain import Explainer
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.settings import ExplainSettings
from mmsent_cli.server.settings import ServeSettings

Ready = Callable[[str], None]
"""Called with the address of a server that answers."""


def run_serving(checkpoint: Path, given: Given, ready: Ready) -> None:
    """Serve a model until the process gets SIGINT or SIGTERM.

    Raises:
        MmsentError: a model that cannot be used, or an address that cannot be listened on.
    """
    from mmsent_cli.server.server import choose_token, open_socket, run_server, shown_address

    settings, runtime = build(ServeSettings, given[ServeSettings]), build(RuntimeConfig, given[RuntimeConfig])
    require_extra(*SERVE)
    listener = open_socket(settings)
    with listener:
        from mmsent_cli.server.app import create_app

        predictor, token = Predictor.load(checkpoint, runtime), choose_token(settings)
        app = create_app(predictor, settings, token=token, explain=_explain(predictor))
        ready(shown_address(settings, listener, token))
        run_server(app, listener)


def _explain(predictor: Predictor) -> Callable | None:
    """Return a function that explains one pair; None if Captum is not installed."""
    try:
        return Explainer(predictor, ExplainSettings()).explain
    except ConfigError:
        return None
