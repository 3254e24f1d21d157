"""Train one model, or several models in an experiment."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import RUNS, Arguments, Data, PathLike, require_only_resume, sort_settings, spec_of
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import COMMANDS, Given, apply_options, with_preset
from mmsent_cli.compute import processes
from mmsent_cli.config import DataConfig, FitConfig, RuntimeConfig, TrainConfig, build, to_dict
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments import comparison
from mmsent_cli.experiments import paper as recipe
from mmsent_cli.experiments.ablation import ablate as ablation
from mmsent_cli.experiments.request import (
    SETTINGS,
    ExperimentRequest,
    ablation_subject,
    open_experiment,
    read_base,
    resume_experiment,
)
from mmsent_cli.experiments.tuning import tune as tuning
from mmsent_cli.finished_run import FinishedRun, finish
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import FusionRow
from mmsent_cli.run_folders import Run, find_checkpoint, own_config
from mmsent_cli.training.batch_size import with_fitting_batch
from mmsent_cli.training.folds import execute_folds
from mmsent_cli.training.plan import plan_run, require_several_models
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import cleanup_on_failure, resume_run, start_run
from mmsent_cli.training.trackers import Tracking, require_trackers


def run_experiment(
    command: str, work: Callable[..., tuple[Any, Any]], config: PathLike | None, arguments: Arguments
) -> FinishedRun:
    """Start, resume or repeat an experiment that trains models."""

    def request(given: Given) -> ExperimentRequest:
        base, earlier = read_base(None if config is None else Path(config), command)
        own_epochs = COMMANDS[command].epochs
        if own_epochs is not None and not earlier:
            given[FitConfig] = {"epochs": own_epochs, **given[FitConfig]}
        own = build(SETTINGS[command], {**earlier, **given[SETTINGS[command]]})
        comparison.require_known_arms(own)
        return ExperimentRequest(command=command, given=to_dict(apply_options(base, given)), settings=to_dict(own))

    return run_work(command, work, request, config is not None, arguments)


def run_work(
    command: str,
    work: Callable[..., tuple[Any, Any]],
    request: Callable[[Given], ExperimentRequest],
    has_more: bool,
    arguments: Arguments,
) -> FinishedRun:
    """Plan or resume a run, do its work, and write its report.

    Args:
        command: the name of the command.
        work: a function that does the work, and returns the result and additional data for the report.
        request: a function that makes the `ExperimentRequest` of a new run from the settings.
        has_more: True if an argument was given that cannot be combined with `resume`.
        arguments: the arguments of the user.
    """
    start = begin_command()
    resume, runs_dir, progress = arguments.resume, Path(arguments.runs_dir), arguments.progress
    given, source = sort_settings(command, arguments.data, arguments.settings)
    if resume is None:
        opened = open_experiment(request(given), runs_dir, progress, source)
    else:
        jobs = given[RuntimeConfig].pop("jobs", None)
        require_only_resume(given, source, has_more)
        opened = resume_experiment(spec_of(resume) or "", command, runs_dir, progress, source, jobs)
    with cleanup_on_failure(opened.run, is_new=resume is None, command=command):
        result, detail = work(opened.target or opened.plan, opened.settings, opened.run, progress)
    return finish(opened.plan, opened.run, result, detail, command=command, start=start)


@processes.together()
def train(
    data: Data = None,
    *,
    preset: str | None = None,
    config: PathLike | None = None,
    resume: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Train a model on labelled pairs, evaluate it, and write everything to a new run folder.

    Args:
        data: a folder, a table file, a DataFrame with the columns `text`, `image` and `tag`, or a list of pairs.
            Images in a DataFrame are paths, PIL images, or bytes of image files.
        preset: a set of settings, such as "fast" or "best". Keywords override these settings.
        config: the folder or the `config.json` of an earlier run, whose settings are used. Keywords override these
            settings.
        resume: continue an unfinished run: its folder, its name, or "latest". Only `jobs` can be given with it.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent train --help`, such as `epochs=5`, `encoders="compact"` or `folds=5`.

    Returns:
        The finished run, with `result`, `folder` and `to_frame()`. Pass the finished run to `load` to use the model.

    Raises:
        ConfigError: a setting is unknown, or settings cannot be combined.
        DataError: pairs cannot be used.
        MmsentError: another expected failure, such as weights that cannot be downloaded.

    Example:
        >>> run = train("pairs.csv", preset="fast", seed=0)
        >>> run.result.accuracy
        0.736
    """
    start = begin_command()
    progress = silent if processes.rank() else progress
    given, source = sort_settings("train", data, settings)
    if resume is not None:
        jobs = given[RuntimeConfig].pop("jobs", None)
        require_only_resume(given, source, config is not None or preset is not None)
        plan, run = resume_run(spec_of(resume) or "", Path(runs_dir), progress, source, jobs)
        require_trackers(plan.config.runtime.log)
    else:
        if config is not None and preset is not None:
            raise ConfigError(
                "--config and --preset cannot be combined: each is a complete set of settings",
                "leave out one of the two options",
            )
        base = TrainConfig() if config is None else read_base(Path(config), "train")[0]
        base = base if preset is None else with_preset(base, preset)
        wanted = apply_options(base, given)
        require_trackers(wanted.runtime.log)
        require_several_models(wanted, given[RuntimeConfig].get("jobs", 0))
        plan = plan_run(wanted, progress, source=source)
        run = start_run(plan, Path(runs_dir), preset=preset)
    with cleanup_on_failure(run, is_new=resume is None):
        plan = with_fitting_batch(plan, run, progress) if plan.config.runtime.auto_batch else plan
        with closing(Tracking(plan, run, progress)) as tracking:
            result = tracking.finish((execute_folds if plan.folds else execute)(plan, run, tracking))
    return finish(plan, run, result, None, command="train", start=start)


def tune(
    data: Data = None,
    *,
    config: PathLike | None = None,
    resume: Run | PathLike | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Try several training settings on the same split, and write the best settings as a configuration for `train`.

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
        config: the folder of an earlier run. A run of the same command is repeated. From any other
            run, only the training settings are used.
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
        "compare-fusions", comparison.compare_fusions, config, Arguments(data, resume, runs_dir, progress, settings)
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
    """Train the same model with and without augmented images, on the same split and seeds, and compare the scores.

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
    work = comparison.augment_compare
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
    """Repeat the experiments of a published student project, and report the published scores next to mmsent's scores.

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
            None uses all pairs of the run. Each pair is predicted by the models that were not trained on this pair.
        checkpoint: a run, its folder or name, or a checkpoint file. None uses the best model of the newest run.
        split: a split file. It requires `data`, and restricts the data to the validation pairs of the split.
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
            raise ConfigError(
                "--split and the options of the data, such as --tag-column, work only with --data",
                "set --data to a folder or a table",
            )
        found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
        own = own_config(found)
        # Use the runtime settings of the checkpoint's run, so that the complete model gets the same scores as there.
        runtime = build(RuntimeConfig, {**(to_dict(own.runtime) if own else {}), **given[RuntimeConfig]})
        subject = ablation_subject(found, runtime, given[DataConfig] or None, None if split is None else str(split))
        return ExperimentRequest(command="ablate", given={}, settings=given[SETTINGS["ablate"]], subject=subject)

    has_more = checkpoint is not None or split is not None
    return run_work("ablate", ablation.ablate, request, has_more, Arguments(data, resume, runs_dir, progress, settings))


def list_fusions(config: PathLike | None = None, **settings: Any) -> tuple[str, list[FusionRow]]:
    """List the fusions with their sources and numbers of parameters.

    Args:
        config: the folder of an earlier run. The parameters are counted for the encoders of this run.
        **settings: the settings of `mmsent compare-fusions --help`.

    Returns:
        The names of the text encoder and the image encoder as one text, and a row for each fusion.
    """
    given, _ = sort_settings("compare-fusions", None, settings)
    base, _ = read_base(None if config is None else Path(config), "compare-fusions")
    return comparison.list_fusions(apply_options(base, given))
