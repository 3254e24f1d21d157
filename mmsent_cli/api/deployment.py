"""Use a trained model without training code: export it, serve it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmsent_cli.after_training.export import run_export
from mmsent_cli.after_training.serve import run_serving
from mmsent_cli.api.arguments import RUNS, Data, PathLike, sort_settings, spec_of
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import ExportResult
from mmsent_cli.run_folders import Run, find_checkpoint


def export(
    out: PathLike,
    data: Data = None,
    *,
    checkpoint: Run | PathLike | None = None,
    force: bool = False,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> ExportResult:
    """Write a trained model as a folder that runs without mmsent and torch, and compare its answers with mmsent's.

    Args:
        out: the folder to write.
        data: pairs to compare on; None is the pairs of the model's run.
        checkpoint: a run, its folder or name, or a checkpoint file; None is the newest run's best model.
        force: replace an earlier export.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent export --help`, such as `to="openvino"`.

    Returns:
        The files, and the largest difference of a probability.

    Raises:
        ConfigError: a model that cannot be exported, or a folder that is there already.
        CheckpointError: no such run, or a checkpoint that cannot be read.

    Example:
        >>> export("model", checkpoint=run).changed_labels
        0
    """
    given, source = sort_settings("export", data, settings)
    found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
    return run_export(found, Path(out), given, source, force, progress)


def serve(
    *,
    checkpoint: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    ready: Callable[[str], None] | None = None,
    **settings: Any,
) -> None:
    """Serve a trained model as a web page and as POST /predict, until the process gets SIGINT or SIGTERM.

    Args:
        checkpoint: a run, its folder or name, or a checkpoint file; None is the newest run's best model.
        runs_dir: folder that keeps the runs.
        ready: called with the page's address once the model is loaded.
        **settings: the settings of `mmsent serve --help`, such as `port=8080`.

    Returns:
        None, after the server has stopped.

    Raises:
        ConfigError: the web server is not installed, or the address cannot be listened on.
        CheckpointError: no such run, or a checkpoint that cannot be read.

    Example:
        >>> serve(checkpoint=run, port=8080, ready=print)  # doctest: +SKIP
        http://127.0.0.1:8080/
    """
    given, _ = sort_settings("serve", None, settings)
    run_serving(find_checkpoint(spec_of(checkpoint), Path(runs_dir)), given, ready or (lambda address: None))
