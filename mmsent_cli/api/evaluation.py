"""Measure, compare, explain, export and serve trained models, and list the runs."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.after_training.compare import run_comparison
from mmsent_cli.after_training.deploy import run_export, run_serving
from mmsent_cli.after_training.evaluate import run_evaluation, run_explanation
from mmsent_cli.api.arguments import RUNS, Data, PathLike, sort_settings, spec_of
from mmsent_cli.config import DataConfig
from mmsent_cli.errors import ConfigError
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import ExportResult, RunsResult
from mmsent_cli.run_folders import Run, find_checkpoint
from mmsent_cli.run_list import list_runs


def evaluate(
    model: Run | PathLike | None = None,
    data: Data = None,
    *,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Compute the scores of a trained model, or of a prediction file, on labelled pairs.

    Args:
        model: a run, its folder or name, a checkpoint file, or a prediction file. None uses the newest run.
        data: labelled pairs, as in `train`. None uses the pairs of the model's run.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent evaluate --help`, such as `by=["language"]`.

    Returns:
        The finished run. `to_frame()` has the overall scores. `to_frame(name)` returns another table: "classes",
        "groups", "calibration", or "answered" (the accuracy of the most confident predictions).

    Raises:
        CheckpointError: the run does not exist, or the checkpoint cannot be read.
        DataError: pairs or predictions cannot be used.

    Example:
        >>> evaluate(run, "later.csv", by=["language"]).to_frame("groups")[["name", "accuracy"]]
    """
    given, source = sort_settings("evaluate", data, settings)
    return run_evaluation(spec_of(model), given, source, Path(runs_dir), progress)


def compare(
    *models: Run | PathLike | Sequence[Run | PathLike],
    data: Data = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Compare trained models, or prediction files, on the same pairs.

    Args:
        models: two or more models. A model is a run, its folder or name, a checkpoint file, or a prediction file.
            If a model was trained with several seeds, give the list of its runs.
        data: labelled pairs, as in `train`. None uses the validation or out-of-fold pairs of the runs.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent compare --help`.

    Returns:
        The finished run. `to_frame()` has a row for each model. `to_frame("differences")` has a row for every two
        models.

    Raises:
        CheckpointError: the run does not exist, or the checkpoint cannot be read.
        ConfigError: there are fewer than two models, or their numbers of seeds differ.
        DataError: pairs or predictions cannot be used.

    Example:
        >>> compare(first, second).to_frame("differences")[["first", "second", "verdict"]]
    """
    given, source = sort_settings("compare", data, settings)
    each = [[model] if isinstance(model, Run | str | os.PathLike) else model for model in models]
    named = [[spec_of(seed) or "" for seed in seeds] for seeds in each]
    return run_comparison(named, given, source, Path(runs_dir), progress)


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
    """Explain predictions: measure the contribution of each word, image region, modality and ensemble member.

    Args:
        data: pairs, as in `predict`. Not allowed with `text` or `image`.
        checkpoint: a run, its folder or name, or a checkpoint file. None uses the best model of the newest run.
        text: the text of a single pair.
        image: the image of a single pair: a path, a PIL image, or the bytes of an image file.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent explain --help`, such as `method="gradients"` or `label="negative"`.

    Returns:
        The finished run. `result.explanations` has one explanation per pair.

    Raises:
        ConfigError: Captum is not installed, or a setting does not suit the model.
        CheckpointError: the run does not exist, or the checkpoint cannot be read.
        DataError: pairs cannot be used.

    Example:
        >>> explain(text="what a lovely day").result.explanations[0].top_words(1)[0].word
        'lovely'
    """
    given, source = sort_settings("explain", data, settings)
    if (text is not None or image is not None) and (source is not None or given[DataConfig]):
        raise ConfigError(
            "--data cannot be combined with --text or --image",
            "leave out --data to explain one pair, or leave out --text and --image to explain the pairs of --data",
        )
    found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
    return run_explanation(found, given, source, (text, image), Path(runs_dir), progress)


def runs(*, sort: str = "when", runs_dir: PathLike = RUNS) -> RunsResult:
    """List the runs with their data, split, seed, metrics, time and size.

    Args:
        sort: the order of the list: "when", "accuracy", "macro-f1", "minutes" or "size".
        runs_dir: folder of all runs.

    Returns:
        The list of runs. `to_frame()` has a row for each run.

    Raises:
        ConfigError: `sort` is unknown.

    Example:
        >>> runs(sort="accuracy").to_frame()[["name", "accuracy", "rank"]]
    """
    return list_runs(Path(runs_dir), sort)


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
    """Export a trained model to a folder that can be used without mmsent and PyTorch, and check its predictions.

    Args:
        out: the folder to write.
        data: pairs for the check. The exported model and mmsent predict these pairs, and their probabilities are
            compared. None uses the pairs of the model's run.
        checkpoint: a run, its folder or name, or a checkpoint file. None uses the best model of the newest run.
        force: replace an earlier export.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent export --help`, such as `to="openvino"`.

    Returns:
        The written files, and the largest difference between the probabilities of the exported model and of mmsent.

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
        ready: a function that is called with the address of the page when the model is loaded.
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
