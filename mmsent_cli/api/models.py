"""Train a model, load it, and predict."""

import time
from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import RUNS, Data, PathLike, require_only_resume, sort_settings, spec_of
from mmsent_cli.command_settings import apply_options, with_preset
from mmsent_cli.compute import processes
from mmsent_cli.config import DataConfig, RuntimeConfig, TrainConfig, build
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.request import (
    read_base,
)
from mmsent_cli.finished_run import FinishedRun, finish
from mmsent_cli.inference.loaded import LoadedModel
from mmsent_cli.inference.rows import PredictionFile
from mmsent_cli.inference.scale.predict import predict_in_parts
from mmsent_cli.inference.settings import PredictSettings
from mmsent_cli.inference.single import predict_one as predict_single
from mmsent_cli.inference.stream import predict_file
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import PredictResult
from mmsent_cli.run_folders import Run, find_checkpoint
from mmsent_cli.training.batch_size import with_fitting_batch
from mmsent_cli.training.folds import execute_folds
from mmsent_cli.training.plan import plan_run
from mmsent_cli.training.run import execute
from mmsent_cli.training.run_folder import cleanup_on_failure, resume_run, start_run


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
        data: a folder, a manifest file, a DataFrame with the columns `text`, `image` and `tag`, or a list of pairs.
            Images in a DataFrame are paths, PIL images, or bytes of image files.
        preset: a set of settings, such as "fast" or "best"; keywords override it.
        config: the folder or the `config.json` of an earlier run, to use its settings; keywords override them.
        resume: continue an unfinished run: its folder, its name, or "latest".
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent train --help`, such as `epochs=5`, `encoders="compact"` or `folds=5`.

    Returns:
        The finished run, with `result`, `folder` and `to_frame()`. `load` takes it as an argument.

    Raises:
        ConfigError: an unknown setting, or settings that do not go together.
        DataError: pairs cannot be used.
        MmsentError: anything else that is expected to fail, such as weights that cannot be downloaded.

    Example:
        >>> run = train("pairs.csv", preset="fast", seed=0)
        >>> run.result.accuracy
        0.736
    """
    start = time.perf_counter()
    progress = silent if processes.rank() else progress
    given, source = sort_settings("train", data, settings)
    if resume is not None:
        require_only_resume(given, source, config is not None or preset is not None)
        plan, run = resume_run(spec_of(resume) or "", Path(runs_dir), progress, source)
    else:
        if config is not None and preset is not None:
            raise ConfigError(
                "--config and --preset cannot be combined: each is a complete set of settings", "give one of them"
            )
        base = TrainConfig() if config is None else read_base(Path(config), "train")[0]
        base = base if preset is None else with_preset(base, preset)
        plan = plan_run(apply_options(base, given), progress, source=source)
        run = start_run(plan, Path(runs_dir))
    with cleanup_on_failure(run, is_new=resume is None):
        plan = with_fitting_batch(plan, run, progress) if plan.config.runtime.auto_batch else plan
        result = (execute_folds if plan.folds else execute)(plan, run, progress)
    return finish(plan, run, result, None, command="train", seconds=time.perf_counter() - start)


def load(run: Run | PathLike | None = None, *, runs_dir: PathLike = RUNS, **settings: Any) -> LoadedModel:
    """Load a trained model for predictions.

    Args:
        run: a run returned by `train`, a run's folder or name, a checkpoint file, or "latest" (also None).
        runs_dir: folder that keeps the runs.
        **settings: the runtime settings of `mmsent predict --help`, such as `device="cpu"`.

    Returns:
        A model with `predict_one(text, image)` and `predict(frame)`.

    Raises:
        CheckpointError: the run does not exist, or the checkpoint cannot be read.

    Example:
        >>> model = load("latest")
        >>> model.predict_one(text="what a day", image="photo.jpg").label
        'positive'
    """
    given, _ = sort_settings("predict", None, settings)
    return LoadedModel(find_checkpoint(spec_of(run), Path(runs_dir)), build(RuntimeConfig, given[RuntimeConfig]))


def predict(
    data: Data = None,
    *,
    out: PathLike | None = None,
    checkpoint: Run | PathLike | None = None,
    text: str | None = None,
    image: Any = None,
    probabilities: bool = False,
    force: bool = False,
    resume: bool = False,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> PredictResult:
    """Predict unlabelled pairs and write a file, or predict one pair. To keep predictions in memory, use `load`.

    Args:
        data: a folder, a manifest file, a DataFrame or a list of pairs; with `engine="ray"` also a pattern of files.
        out: the file or pipe to write, or `-` for standard output. A file that ends in `.jsonl` gets JSON lines; any
            other has rows `guid,tag`. With `engine="ray"`, a name without a suffix is a folder of Parquet files.
        checkpoint: a run, its folder or name, or a checkpoint file; None uses the best model of the newest run.
        text: the text of a single pair.
        image: the image of a single pair: a path, a PIL image, or the bytes of an image file.
        probabilities: add a column with the probability of each class, and a column for missing modalities.
        force: overwrite `out`.
        resume: continue an interrupted prediction of `out`.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent predict --help`.

    Returns:
        The numbers of pairs predicted as each label, and of missing texts and images. For a single pair, `prediction`
        is its prediction.

    Raises:
        ConfigError: neither `out` nor a single pair is given, or both are.
        CheckpointError: the run does not exist, or the checkpoint cannot be read.
        DataError: pairs cannot be used.

    Example:
        >>> predict("new.csv", out="predictions.csv", probabilities=True).counts
        {'negative': 120, 'neutral': 61, 'positive': 330}
    """
    is_single = text is not None or image is not None
    if is_single == (out is not None):
        raise ConfigError(
            "predict needs either an output file or a single pair",
            "give --out FILE to predict all pairs, or --text and --image to predict one pair",
        )
    if resume and out is None:
        raise ConfigError("--resume continues the prediction of a file", "give the same file with --out")
    given, source = sort_settings("predict", data, settings)
    found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
    runtime = build(RuntimeConfig, given[RuntimeConfig])
    if out is None:
        if given[PredictSettings]:
            raise ConfigError(
                "--abstain-below, --abstain-for-accuracy, --keep and --shard work only with an output file",
                "add --out FILE",
            )
        return predict_single(found, text, image, runtime)
    own = build(PredictSettings, given[PredictSettings])
    file = PredictionFile(out=Path(out), has_probabilities=probabilities, force=force, resume=resume, settings=own)
    if runtime.engine == "ray":
        if own.shard is not None:
            raise ConfigError("--engine ray divides the rows itself", "leave out --shard, or --engine ray")
        return predict_in_parts(found, given[DataConfig], runtime, file, progress, source)
    if {"ray_address", "ray_workers", "part_rows"} & given[PredictSettings].keys():
        raise ConfigError("--ray-address, --ray-workers and --part-rows are for --engine ray", "add --engine ray")
    return predict_file(found, given[DataConfig], runtime, file, progress, source)
