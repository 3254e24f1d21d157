"""Make a trained model available to other programs: export it, or serve it over HTTP."""

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
    """Write a trained model to a folder that predicts without mmsent and PyTorch, and check its predictions.

    Args:
        out: the folder to write.
        data: pairs for the check. The exported model and mmsent predict them, and the probabilities are compared.
            None uses the pairs of the model's run.
        checkpoint: a run, its folder or name, or a checkpoint file. None uses the best model of the newest run.
        force: replace an earlier export.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent export --help`, such as `to="openvino"`.

    Returns:
        The files, and the largest difference between a probability of the exported model and of mmsent.

    Raises:
        ConfigError: the model cannot be exported, or the folder exists already.
        CheckpointError: the run does not exist, or the checkpoint cannot be read.

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
        checkpoint: a run, its folder or name, or a checkpoint file. None uses the best model of the newest run.
        runs_dir: folder of all runs.
        ready: called with the page's address when the model is loaded.
        **settings: the settings of `mmsent serve --help`, such as `port=8080`.

    Returns:
        None. The function returns when the server has stopped.

    Raises:
        ConfigError: the packages of the web server are not installed, or the address cannot be used.
        CheckpointError: the run does not exist, or the checkpoint cannot be read.

    Example:
        >>> serve(checkpoint=run, port=8080, ready=print)  # doctest: +SKIP
        http://127.0.0.1:8080/
    """
    given, _ = sort_settings("serve", None, settings)
    run_serving(find_checkpoint(spec_of(checkpoint), Path(runs_dir)), given, ready or (lambda address: None))
