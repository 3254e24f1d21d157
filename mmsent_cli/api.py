"""The Python interface: the commands as functions, with the same settings as keywords.

The functions print nothing, write the same files as the commands, and return the result. All options of
`mmsent COMMAND --help` are keywords here: `--head-lr 0.001` is `head_lr=0.001`.
"""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsent_cli.config import DataConfig, RuntimeConfig, SplitConfig, TrainConfig, build, to_dict
from mmsent_cli.data import inspect_encoding as inspection
from mmsent_cli.data.check import decide_encoding, iter_unlabelled, load_labelled
from mmsent_cli.data.layouts import files_of, locate
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.split import describe, make_folds, make_split, write_split
from mmsent_cli.errors import ConfigError
from mmsent_cli.evaluation_run import run_evaluation
from mmsent_cli.experiments import paper as recipe
from mmsent_cli.experiments.ablation import ablate as ablation
from mmsent_cli.experiments.ablation.target import own_config
from mmsent_cli.experiments.comparison import augmentation, fusions
from mmsent_cli.experiments.request import (
    SETTINGS,
    ExperimentRequest,
    ablation_subject,
    read_base,
)
from mmsent_cli.experiments.tuning import tune as tuning
from mmsent_cli.files import default_cache_dir
from mmsent_cli.finish import FinishedRun, finish
from mmsent_cli.inference.loaded import LoadedModel
from mmsent_cli.inference.stream import predict_file
from mmsent_cli.inference.stream import predict_one as predict_single
from mmsent_cli.keywords import Given, apply_options, with_preset
from mmsent_cli.outputs import require_no_input, require_writable
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import Run, find_checkpoint
from mmsent_cli.results import EncodingResult, FusionRow, PredictResult, SplitResult
from mmsent_cli.training import run as training
from mmsent_cli.training.folds import execute_folds
from mmsent_cli.training.plan import plan_run
from mmsent_cli.workflow import Data, PathLike, require_only_resume, run_experiment, run_work, sort_settings, spec_of

if TYPE_CHECKING:
    pass

RUNS = Path("runs")


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
        DataError: pairs that cannot be used.
        MmsentError: anything else that is expected to fail, such as weights that cannot be downloaded.

    Example:
        >>> run = train("pairs.csv", preset="fast", seed=0)
        >>> run.result.accuracy
        0.736
    """
    start = time.perf_counter()
    given, source = sort_settings("train", data, settings)
    if resume is not None:
        require_only_resume(given, source, config is not None or preset is not None)
        plan, run = training.resume_run(spec_of(resume) or "", Path(runs_dir), progress, source)
    else:
        if config is not None and preset is not None:
            raise ConfigError(
                "--config and --preset cannot be combined: each is a complete set of settings", "give one of them"
            )
        base = TrainConfig() if config is None else read_base(Path(config), "train")[0]
        base = base if preset is None else with_preset(base, preset)
        plan = plan_run(apply_options(base, given), progress, source=source)
        run = training.start_run(plan, Path(runs_dir))
    with training.cleanup_on_failure(run, is_new=resume is None):
        result = (execute_folds if plan.folds else training.execute)(plan, run, progress)
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
        CheckpointError: no such run, or a checkpoint that cannot be read.

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
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> PredictResult:
    """Predict unlabelled pairs into a file, or one pair. For predictions in memory see `load`.

    Args:
        data: a folder, a manifest file, a DataFrame or a list of pairs.
        out: the file to write, rows `guid,tag`; a pipe, or `-` for standard output, is written to directly.
        checkpoint: a run, its folder or name, or a checkpoint file; None uses the best model of the newest run.
        text: the text of a single pair.
        image: the image of a single pair: a path, a PIL image, or the bytes of an image file.
        probabilities: add a column with the probability of each class, and a column for missing modalities.
        force: overwrite `out`.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent predict --help`.

    Returns:
        The number of pairs predicted as each label and of missing modalities; for a single pair, `prediction`.

    Raises:
        ConfigError: neither `out` nor a single pair, or both.
        CheckpointError: no such run, or a checkpoint that cannot be read.
        DataError: pairs that cannot be used.

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
    given, source = sort_settings("predict", data, settings)
    found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
    runtime = build(RuntimeConfig, given[RuntimeConfig])
    if out is None:
        return predict_single(found, text, image, runtime)
    pairs = build(DataConfig, given[DataConfig])
    return predict_file(found, pairs, runtime, Path(out), progress, probabilities, force, source)


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
        The finished run; `to_frame()` has a row for each trial. To train with the best settings, pass
        `run.path(run.result.best_config)` to `train(config=...)`.

    Raises:
        MmsentError: settings, data or encoders that cannot be used.

    Example:
        >>> tuned = tune("pairs.csv", encoders="compact", freeze_image="all")
        >>> run = train(config=tuned.path(tuned.result.best_config))
    """
    return run_experiment("tune", tuning.tune, data, config, resume, runs_dir, progress, settings)


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
        config: the folder of an earlier experiment to repeat, or of a training run whose settings to use.
        resume: continue an unfinished experiment: its folder, its name, or "latest". Only `jobs` can be given with it.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent compare-fusions --help`, such as `fusions=["concat", "gmu"]` or `seeds=5`.

    Returns:
        The finished run; `to_frame()` has a row for each fusion.

    Raises:
        MmsentError: settings, data or encoders that cannot be used.

    Example:
        >>> compare_fusions("pairs.csv", fusions=["concat", "gmu"], seeds=3).to_frame()[["name", "accuracy_mean"]]
    """
    return run_experiment(
        "compare-fusions", fusions.compare_fusions, data, config, resume, runs_dir, progress, settings
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
    """Train one fusion without and with augmented images, on the same split and seeds, and compare.

    Args:
        data, config, resume, runs_dir, progress: as in `compare_fusions`.
        **settings: the settings of `mmsent augment-compare --help`, such as `policies=["flip"]`.

    Returns:
        The finished run; `to_frame()` has a row for each augmentation.

    Raises:
        MmsentError: settings, data or encoders that cannot be used.

    Example:
        >>> augment_compare("pairs.csv", policies=["flip", "standard"]).to_frame()
    """
    work = augmentation.augment_compare
    return run_experiment("augment-compare", work, data, config, resume, runs_dir, progress, settings)


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
        MmsentError: settings, data or encoders that cannot be used.

    Example:
        >>> paper("mvsa", freeze_text="all", freeze_image="all").result.train.accuracy
        0.72
    """
    work = partial(recipe.repeat, finish=finish)
    return run_experiment("paper", work, data, config, resume, runs_dir, progress, settings)


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
        data: labelled pairs, as in `train`; None uses the validation pairs of the checkpoint's run.
        checkpoint: a run, its folder or name, or a checkpoint file; None uses the best model of the newest run.
        split: a split file; if given with `data`, only its validation pairs are used.
        resume: continue an unfinished ablation. Only `jobs` can be given with it.
        runs_dir: folder that keeps the runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent ablate --help`, such as `retrain=True`.

    Returns:
        The finished run; `to_frame()` has a row for each method and modality.

    Raises:
        CheckpointError: no such run, or a checkpoint that cannot be ablated.
        DataError: pairs that cannot be used.

    Example:
        >>> ablate(checkpoint=run).to_frame()[["name", "accuracy"]]
    """

    def request(given: Given) -> ExperimentRequest:
        if (split is not None or given[DataConfig]) and "data" not in given[DataConfig]:
            raise ConfigError(
                "options about the data can only be used with --data", "give a folder or a table with --data"
            )
        found = find_checkpoint(spec_of(checkpoint), Path(runs_dir))
        own = own_config(found)
        # The runtime settings of the checkpoint's run, so that the whole model gets the scores of that run.
        runtime = build(RuntimeConfig, {**(to_dict(own.runtime) if own else {}), **given[RuntimeConfig]})
        subject = ablation_subject(found, runtime, given[DataConfig] or None, None if split is None else str(split))
        return ExperimentRequest(command="ablate", given={}, settings=given[SETTINGS["ablate"]], subject=subject)

    has_more = checkpoint is not None or split is not None
    return run_work("ablate", ablation.ablate, request, data, has_more, resume, runs_dir, progress, settings)


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


def inspect_encoding(
    data: Data = None, *, convert_to: PathLike | None = None, force: bool = False, **settings: Any
) -> EncodingResult:
    """Find out the character encoding of a corpus, with examples before and after decoding.

    Args:
        data: a folder, a manifest file or a DataFrame, whose texts may be bytes.
        convert_to: write UTF-8 copies of the texts to this folder.
        force: overwrite existing files.
        **settings: the settings of `mmsent inspect-encoding --help`.

    Returns:
        The encoding, the candidates with their scores, and notes.

    Raises:
        DataError: files that cannot be read.

    Example:
        >>> inspect_encoding("mvsa").encoding
        'gb18030'
    """
    given, source = sort_settings("inspect-encoding", data, settings)
    target = None if convert_to is None else Path(convert_to)
    return inspection.inspect(build(DataConfig, given[DataConfig]), target, force, source)


def split(
    data: Data = None, *, folds: int | None = None, out: PathLike | None = None, force: bool = False, **settings: Any
) -> SplitResult:
    """Divide labelled pairs into training and validation, and write a split file.

    Args:
        data: labelled pairs, as in `train`.
        folds: make this many cross-validation folds instead of one split.
        out: the file to write; None uses `splits/<strategy>-<seed>.json`, and `-` is standard output.
        force: overwrite an existing file.
        **settings: the settings of `mmsent split --help`, such as `seed=1` or `val_size=0.1`.

    Returns:
        The path of the file, and the sizes and class counts of both splits. Use it with `train(split=result.path)`.

    Raises:
        ConfigError: settings that do not go together.
        DataError: pairs that cannot be divided.

    Example:
        >>> split("pairs.csv", val_size=0.1).val
        400
    """
    given, source = sort_settings("split", data, settings)
    config = build(SplitConfig, given[SplitConfig])
    if folds is not None and config.strategy != "grouped":
        raise ConfigError(
            f"--folds cannot be combined with --strategy {config.strategy}: folds keep near-duplicates together",
            "leave out --folds or --strategy",
        )
    name = f"{config.strategy}-{config.split_seed}{f'-{folds}-folds' if folds else ''}.json"
    path = Path("splits", name) if out is None else Path(out)
    require_writable(path, force)
    source = source or locate(given[DataConfig].get("data"))
    require_no_input(path, files_of(source))
    dataset = load_labelled(build(DataConfig, given[DataConfig]), default_cache_dir(None), source=source)
    pairs, labels = dataset.pairs, dataset.labels
    splits = (
        (make_split(pairs, labels, config),) if folds is None else make_folds(pairs, labels, folds, config.split_seed)
    )
    write_split(splits, path, force)
    return replace(describe(splits, pairs, labels, path), notes=(*dataset.notes, *dataset.problems))


def read_pairs(
    data: Data = None, *, labelled: bool = False, progress: Progress = silent, **settings: Any
) -> list[Pair]:
    """Read pairs: decode the texts and check the images.

    Args:
        data: a folder, a manifest file or a DataFrame.
        labelled: True reads the pairs with a label (to train on), False those without (to predict).
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the data settings of `mmsent predict --help`; if `labelled`, also `labels` and `limit`.

    Returns:
        The pairs. `train`, `LoadedModel.predict` and the other functions take them as `data`.

    Raises:
        DataError: pairs that cannot be used.

    Example:
        >>> model.predict(read_pairs("folder"))
    """
    given, source = sort_settings("read-pairs", data, settings)
    config = build(DataConfig, given[DataConfig])
    cache = default_cache_dir(None)
    if labelled:
        return list(load_labelled(config, cache, progress, source).pairs)
    source = source or locate(config.data)
    return list(iter_unlabelled(source, config, decide_encoding(source, config, cache)))


def list_fusions(config: PathLike | None = None, **settings: Any) -> tuple[str, list[FusionRow]]:
    """List the fusions with their sources and numbers of parameters.

    Args:
        config: an earlier run, to count the parameters for its encoders.
        **settings: the settings of `mmsent compare-fusions --help`.

    Returns:
        The names of both encoders, and a row for each fusion.
    """
    given, _ = sort_settings("compare-fusions", None, settings)
    base, _ = read_base(None if config is None else Path(config), "compare-fusions")
    return fusions.list_fusions(apply_options(base, given))
