"""Measure trained models on labelled pairs, compare them, and list the runs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.evaluation_runs.compare import run_comparison
from mmsent_cli.evaluation_runs.evaluate import run_evaluation
from mmsent_cli.finish import FinishedRun
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run
from mmsent_cli.results import RunsResult
from mmsent_cli.run_list import list_runs
from mmsent_cli.workflow import RUNS, Data, PathLike, sort_settings, spec_of


def evaluate(
    model: Run | PathLike | None = None,
    data: Data = None,
    *,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Measure a trained model, or a file of predictions, on labelled pairs.

    Args:
        model: a run, its folder or name, a checkpoint file, or a file of predictions; None is the newest run.
        data: labelled pairs, as in `train`; None is the pairs of the model's run.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent evaluate --help`, such as `by=["language"]`.

    Returns:
        The finished run; `to_frame()` has the scores, `to_frame("classes")`, `"groups"`, `"calibration"` and
        `"answered"` the rest.

    Raises:
        CheckpointError: no such run, or a checkpoint that cannot be read.
        DataError: pairs or predictions that cannot be used.

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
    """Compare trained models, or files of predictions, on the same pairs.

    Args:
        models: two or more: each a run, its folder or name, a checkpoint file or a file of predictions, or a list of
            these, for runs of the same model with other seeds.
        data: labelled pairs, as in `train`; None is the pairs that the runs predicted themselves.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent compare --help`.

    Returns:
        The finished run; `to_frame()` has the models, `to_frame("differences")` each two of them.

    Raises:
        CheckpointError: no such run, or a checkpoint that cannot be read.
        ConfigError: fewer than two models, or not the same number of seeds of each.
        DataError: pairs or predictions that cannot be used.

    Example:
        >>> compare(first, second).to_frame("differences")[["first", "second", "verdict"]]
    """
    given, source = sort_settings("compare", data, settings)
    each = [[model] if isinstance(model, Run | str | os.PathLike) else model for model in models]
    named = [[spec_of(seed) or "" for seed in seeds] for seeds in each]
    return run_comparison(named, given, source, Path(runs_dir), progress)


def runs(*, sort: str = "when", runs_dir: PathLike = RUNS) -> RunsResult:
    """List the runs with their data, split, seed, metrics, time and size.

    Args:
        sort: when, accuracy, macro-f1, minutes or size.
        runs_dir: folder that keeps the runs.

    Returns:
        A row for each run; `to_frame()` has them as a table.

    Raises:
        ConfigError: an unknown order.

    Example:
        >>> runs(sort="accuracy").to_frame()[["name", "accuracy", "rank"]]
    """
    return list_runs(Path(runs_dir), sort)
