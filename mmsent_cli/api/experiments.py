"""The experiments. Each trains several models on the same pairs and split."""

from functools import partial
from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import RUNS, Arguments, Data, PathLike, sort_settings, spec_of
from mmsent_cli.api.run_experiment import run_experiment, run_work
from mmsent_cli.command_settings import Given, apply_options
from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments import paper as recipe
from mmsent_cli.experiments.ablation import ablate as ablation
from mmsent_cli.experiments.ablation.target import own_config
from mmsent_cli.experiments.comparison import augmentation, fusions
from mmsent_cli.experiments.request import SETTINGS, ExperimentRequest, ablation_subject, read_base
from mmsent_cli.experiments.tuning import tune as tuning
from mmsent_cli.finished_run import FinishedRun, finish
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import FusionRow
from mmsent_cli.run_folders import Run, find_checkpoint


def tune(
    data: Data = None,
    *,
    config: PathLike | None = None,
    resume: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Try training settings on the same split, and write the best ones as a configuration for `train`.

    Args:
        data, config, resume, runs_dir, progress: as in `compare_fusions`.
        **settings: the settings of `mmsent tune --help`, such as `strategy="tpe"`, `trials=20` or `space=[...]`.

    Returns:
        The finished run. `to_frame()` has a row for each trial. To train with the best settings, pass
        `run.path(run.result.best_config)` to `train(config=...)`.

    Raises:
        MmsentError: settings, data or encoders cannot be used.

    Example:
        >>> tuned = tune("pairs.csv", encoders="compact", freeze_image="all")
        >>> run = train(config=tuned.path(tuned.result.best_config))
    """
    return run_experiment("tune", tuning.tune, config, Arguments(data, resume, runs_dir, progress, settings))


def compare_fusions(
    data: Data = None,
    *,
    config: PathLike | None = None,
    resume: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Train several fusions on the same encoders, split, batches and seeds, and compare them with a baseline.

    Args:
        data: labelled pairs, as in `train`.
        config: the folder of an earlier experiment, to repeat it; or of a training run, to use its settings.
        resume: continue an unfinished experiment: its folder, its name, or "latest". Only `jobs` can be given with it.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent compare-fusions --help`, such as `fusions=["concat", "gmu"]` or `seeds=5`.

    Returns:
        The finished run. `to_frame()` has a row for each fusion.

    Raises:
        MmsentError: settings, data or encoders cannot be used.

    Example:
        >>> compare_fusions("pairs.csv", fusions=["concat", "gmu"], seeds=3).to_frame()[["name", "accuracy_mean"]]
    """
    return run_experiment(
        "compare-fusions", fusions.compare_fusions, config, Arguments(data, resume, runs_dir, progress, settings)
    )


def augment_compare(
    data: Data = None,
    *,
    config: PathLike | None = None,
    resume: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Train the same model with and without augmented images, on the same split and seeds, and compare.

    Args:
        data, config, resume, runs_dir, progress: as in `compare_fusions`.
        **settings: the settings of `mmsent augment-compare --help`, such as `policies=["flip"]`.

    Returns:
        The finished run. `to_frame()` has a row for each augmentation.

    Raises:
        MmsentError: settings, data or encoders cannot be used.

    Example:
        >>> augment_compare("pairs.csv", policies=["flip", "standard"]).to_frame()
    """
    work = augmentation.augment_compare
    return run_experiment("augment-compare", work, config, Arguments(data, resume, runs_dir, progress, settings))


def paper(
    data: Data = None,
    *,
    config: PathLike | None = None,
    resume: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Repeat the experiments of a published student project, and report its scores next to ours.

    Args:
        data, config, resume, runs_dir, progress: as in `compare_fusions`.
        **settings: the settings of `mmsent paper --help`.

    Returns:
        The finished run. Its folder `steps` contains one run for each experiment.

    Raises:
        MmsentError: settings, data or encoders cannot be used.

    Example:
        >>> paper("mvsa", freeze_text="all", freeze_image="all").result.train.accuracy
        0.72
    """
    work = partial(recipe.repeat, finish=finish)
    settings = {"tune_epochs": settings.get("epochs"), **settings}
    return run_experiment("paper", work, config, Arguments(data, resume, runs_dir, progress, settings))


def ablate(
    data: Data = None,
    *,
    checkpoint: Run | PathLike | None = None,
    split: PathLike | None = None,
    resume: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Remove the text or the image from the input of a trained model, and measure how much accuracy drops.

    Args:
        data: labelled pairs, as in `train`. None uses the validation pairs of the checkpoint's run. For an ensemble,
            None uses all pairs of its run, out of fold.
        checkpoint: a run, its folder or name, or a checkpoint file. None uses the best model of the newest run.
        split: a split file. Together with `data`: only the validation pairs of the split are used.
        resume: continue an unfinished ablation. Only `jobs` can be given with it.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent ablate --help`, such as `retrain=True`.

    Returns:
        The finished run. `to_frame()` has a row for each method and modality.

    Raises:
        CheckpointError: the run does not exist, or its model cannot be ablated.
        DataError: pairs cannot be used.

    Example:
        >>> ablate(checkpoint=run).to_frame()[["name", "accuracy"]]
    """

    def request(given: Given) -> ExperimentRequest:
        if (split is not None or given[DataConfig]) and "data" not in given[DataConfig]:
            raise ConfigError("data options can only be used with --data", "give a folder or a table with --data")
        found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
        own = own_config(found)
        # The runtime settings of the checkpoint's run, so that the whole model gets the scores of that run.
        runtime = build(RuntimeConfig, {**(to_dict(own.runtime) if own else {}), **given[RuntimeConfig]})
        subject = ablation_subject(found, runtime, given[DataConfig] or None, None if split is None else str(split))
        return ExperimentRequest(command="ablate", given={}, settings=given[SETTINGS["ablate"]], subject=subject)

    has_more = checkpoint is not None or split is not None
    return run_work("ablate", ablation.ablate, request, has_more, Arguments(data, resume, runs_dir, progress, settings))


def list_fusions(config: PathLike | None = None, **settings: Any) -> tuple[str, list[FusionRow]]:
    """List the fusions with their sources and numbers of parameters.

    Args:
        config: an earlier run. The parameters are counted for the encoders of this run.
        **settings: the settings of `mmsent compare-fusions --help`.

    Returns:
        The names of both encoders, and a row for each fusion.
    """
    given, _ = sort_settings("compare-fusions", None, settings)
    base, _ = read_base(None if config is None else Path(config), "compare-fusions")
    return fusions.list_fusions(apply_options(base, given))
