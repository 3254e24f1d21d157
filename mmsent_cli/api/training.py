"""Train a model."""

from contextlib import closing
from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import RUNS, Data, PathLike, require_only_resume, sort_settings, spec_of
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import apply_options, with_preset
from mmsent_cli.compute import processes
from mmsent_cli.config import RuntimeConfig, TrainConfig
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.request import read_base
from mmsent_cli.finished_run import FinishedRun, finish
from mmsent_cli.progress import Progress, silent
from mmsent_cli.run_folders import Run
from mmsent_cli.training.batch_size import with_fitting_batch
from mmsent_cli.training.folds import execute_folds
from mmsent_cli.training.plan import plan_run, require_several_models
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import cleanup_on_failure, resume_run, start_run
from mmsent_cli.training.trackers import Tracking, require_trackers


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
        config: the folder or the `config.json` of an earlier run, to use its settings. Keywords override them.
        resume: continue an unfinished run: its folder, its name, or "latest". Only `jobs` can be given with it.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent train --help`, such as `epochs=5`, `encoders="compact"` or `folds=5`.

    Returns:
        The finished run, with `result`, `folder` and `to_frame()`. `load` takes it as an argument.

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
                "--config and --preset cannot be combined: each is a complete set of settings", "give one of them"
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
