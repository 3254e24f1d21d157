"""Load a trained model, and predict with it."""

from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import RUNS, Data, PathLike, sort_settings, spec_of
from mmsent_cli.config import DataConfig, RuntimeConfig, build
from mmsent_cli.config.command_settings import PredictSettings
from mmsent_cli.errors import ConfigError
from mmsent_cli.inference.loaded import LoadedModel
from mmsent_cli.inference.loaded import predict_one as predict_single
from mmsent_cli.inference.rows import PredictionFile
from mmsent_cli.inference.scale.predict import predict_in_parts
from mmsent_cli.inference.stream import begun_with, predict_file
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import PredictResult
from mmsent_cli.run_folders import Run, find_checkpoint


def load(run: Run | PathLike | None = None, *, runs_dir: PathLike = RUNS, **settings: Any) -> LoadedModel:
    """Load a trained model for predictions.

    Args:
        run: a run returned by `train`, a run's folder or name, a checkpoint file, or "latest". None means "latest".
        runs_dir: folder of all runs.
        **settings: the runtime settings of `mmsent predict --help`, such as `device="cpu"`.

    Returns:
        A model with the methods `predict_one(text, image)` and `predict(frame)`.

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
    """Predict unlabelled pairs and write a file, or predict one pair. For predictions in memory, use `load`.

    Args:
        data: a folder, a table file, a DataFrame or a list of pairs. With `engine="ray"`, a pattern such as
            "posts/*.csv" is allowed too.
        out: the file or pipe to write, or `-` for standard output. The suffix gives the format: rows `guid,tag` in
            `.csv`, `.txt` and `.tsv` (tab-separated), JSON lines in `.jsonl`, a table in `.parquet`. With
            `engine="ray"`, `out` is a folder of Parquet files if it has no suffix or the suffix `.parquet`.
        checkpoint: a run, its folder or name, or a checkpoint file. None uses the best model of the newest run.
        text: the text of a single pair.
        image: the image of a single pair: a path, a PIL image, or the bytes of an image file.
        probabilities: add a column with the probability of each class, and a column for missing modalities.
        force: overwrite `out`, and delete the unfinished file of an interrupted prediction.
        resume: continue the interrupted prediction of `out`.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent predict --help`.

    Returns:
        The number of pairs predicted as each label, and the numbers of missing texts and images. For a single pair,
        `prediction` has the label and the probabilities.

    Raises:
        ConfigError: neither `out` nor a single pair is given, or both are given.
        CheckpointError: the run does not exist, or the checkpoint cannot be read.
        DataError: pairs cannot be used.

    Example:
        >>> predict("new.csv", out="predictions.csv", probabilities=True).counts
        {'negative': 120, 'neutral': 61, 'positive': 330}
    """
    is_single = text is not None or image is not None
    if is_single and out is not None:
        raise ConfigError(
            "--out cannot be combined with --text or --image",
            "leave out --out to print the prediction of one pair, or leave out --text and --image to predict all pairs"
            " of --data",
        )
    if not is_single and out is None:
        raise ConfigError(
            "neither an output file nor a single pair is given",
            "add --out FILE to predict all pairs, or add --text, --image or both to predict one pair",
        )
    if resume and out is None:
        raise ConfigError(
            "--resume works only with --out, which names the unfinished output", "set --out to the same file as before"
        )
    given, source = sort_settings("predict", data, settings)
    runtime = build(RuntimeConfig, given[RuntimeConfig])
    began = begun_with(Path(out), runtime) if resume and out is not None and checkpoint is None else None
    found = find_checkpoint(began or spec_of(checkpoint), Path(runs_dir))
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
        return predict_in_parts(found, given[DataConfig], runtime, file, progress, source)
    if {"ray_address", "ray_workers", "part_rows"} & given[PredictSettings].keys():
        raise ConfigError(
            "--ray-address, --ray-workers and --part-rows work only with --engine ray", "add --engine ray"
        )
    return predict_file(found, given[DataConfig], runtime, file, progress, source)
