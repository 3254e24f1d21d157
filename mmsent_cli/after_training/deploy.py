"""Run `export` and `serve`: load the model, then write a folder and check it, or start a web server."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmsent_cli.after_training.run_folder import first_pairs
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import Given
from mmsent_cli.config import DataConfig, RuntimeConfig, build
from mmsent_cli.config.command_settings import ExplainSettings, ExportSettings, ServeSettings
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.extras import EXPORT, SERVE, require_extra
from mmsent_cli.inference.explain import Explainer
from mmsent_cli.inference.export.export import export_model
from mmsent_cli.inference.export.folder import require_exportable, require_free
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import ExportResult
from mmsent_cli.run_folders import own_config


def run_export(
    checkpoint: Path, out: Path, given: Given, source: Source | None, force: bool, progress: Progress = silent
) -> ExportResult:
    """Export a model to a folder, and compare the exported model's predictions with the predictions of mmsent.

    The exported model predicts without mmsent.

    Raises:
        MmsentError: the model cannot be exported, or the folder exists already.
    """
    begin_command()
    settings = build(ExportSettings, given[ExportSettings])
    runtime = replace(build(RuntimeConfig, given[RuntimeConfig]), device="cpu", precision="fp32", engine="torch")
    require_free(out, force)
    require_extra(*EXPORT)
    predictor = Predictor.load(checkpoint, runtime)
    require_exportable(predictor.ensemble)
    pairs, notes = _check_pairs(checkpoint, given[DataConfig], predictor.resources.cache, source, settings.check_pairs)
    result = export_model(predictor, checkpoint, out, settings.to, pairs, force=force, progress=progress)
    return replace(result, notes=(*filter(None, [predictor.unfinished]), *notes))


def _check_pairs(
    checkpoint: Path, given: dict[str, Any], cache: Path, source: Source | None, count: int
) -> tuple[list[Pair], list[str]]:
    """Return the pairs on which the exported model is compared with mmsent, and notes.

    Without `--data`, pairs of the checkpoint's run are used.
    """
    if not count:
        return [], []
    if source is not None or "data" in given:
        return first_pairs(given, cache, source, count), []
    own = own_config(checkpoint)
    if own is None:
        return [], [
            "the predictions were not compared, since the checkpoint is not in its run folder; give pairs with --data"
        ]
    try:
        return list(load_labelled(own.data, cache).pairs[:count]), []
    except MmsentError as error:
        return [], [
            f"the predictions were not compared, since the pairs of the model's run cannot be read: {error.message}"
        ]


Ready = Callable[[str], None]
"""A function that is called with the address of the page when the server is ready."""


def run_serving(checkpoint: Path, given: Given, ready: Ready) -> None:
    """Serve a model until the process gets SIGINT or SIGTERM.

    Raises:
        MmsentError: the model cannot be used, or the server cannot listen on the address.
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
