"""Use a trained model: explain its predictions, export it, serve it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmsent_cli.config import DataConfig
from mmsent_cli.deployment import run_explanation, run_export, run_serving
from mmsent_cli.errors import ConfigError
from mmsent_cli.finish import FinishedRun
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run, find_checkpoint
from mmsent_cli.results import ExportResult
from mmsent_cli.workflow import RUNS, Data, PathLike, sort_settings, spec_of


def explain(
    data: Data = None,
    *,
    checkpoint: Run | PathLike | None = None,
    text: str | None = None,
    image: Any = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Explain predictions: what words, image regions, text, image and ensemble members contribute.

    Args:
        data: pairs as in `predict`; None with a `text` or `image`.
        checkpoint: a run, its folder or name, or a checkpoint file; None is the newest run's best model.
        text: the text of a single pair.
        image: the image of a single pair: a path, a PIL image, or the bytes of an image file.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent explain --help`, such as `method="gradients"` or `label="negative"`.

    Returns:
        The finished run; `result.explanations` has words, regions, shares and votes of each pair.

    Raises:
        ConfigError: Captum is not installed, or settings that do not suit the model.
        CheckpointError: no such run, or a checkpoint that cannot be read.
        DataError: pairs that cannot be used.

    Example:
        >>> explain(text="what a lovely day").result.explanations[0].top_words(1)[0].word
        'lovely'
    """
    given, source = sort_settings("explain", data, settings)
    if (text is not None or image is not None) and (source is not None or given[DataConfig]):
        raise ConfigError("explain takes either one pair or --data", "leave out --data, or --text and --image")
    found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
    return run_explanation(found, given, source, (text, image), Path(runs_dir), progress)


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
