"""Read the pairs and write the run folder of the commands that use trained models."""

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data.check import decide_encoding, iter_unlabelled, load_labelled
from mmsent_cli.data.columns import with_own_columns
from mmsent_cli.data.layouts import Source, labelled_rows, locate
from mmsent_cli.data.pairs import Dataset, Pair
from mmsent_cli.environment import environment
from mmsent_cli.errors import ConfigError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.finished_run import FinishedRun, write_result
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Progress
from mmsent_cli.run_folders import CONFIG, ENVIRONMENT, EXPERIMENT, Run, create_run, discard_run, own_config
from mmsent_cli.training.checkpoints import Description, read_checkpoint

STAMP = re.compile(r"^\d{8}-\d{6}-")
"""Date and time at the start of a run's name."""
NOTHING_COMPUTED = ("none", "none", "none")
"""The values of device, precision and engine if predictions are read from files, so that no model is run."""


def how_computed(predictor: Predictor) -> tuple[str, str, str]:
    """Return the device, precision and engine of a loaded model."""
    compute = predictor.compute
    return compute.device, compute.precision, compute.engine_name


def name_of(path: Path) -> str:
    """Return a short name of a file.

    For a checkpoint, this is the name of its run without date and time. For another file, it is the file's name without
    suffix.
    """
    return STAMP.sub("", path.parent.name) if path.suffix == ".pt" else path.stem


def not_usual(runtime: RuntimeConfig) -> dict[str, Any]:
    """Return the runtime settings that differ from their defaults."""
    usual = to_dict(RuntimeConfig())
    return {name: value for name, value in to_dict(runtime).items() if value != usual[name]}


def start_run(runs_dir: Path, command: str, name: str, how: tuple[str, str, str], config: Mapping[str, Any]) -> Run:
    """Create a run folder, and write its configuration. `how` is device, precision and engine."""
    run = create_run(runs_dir, command, name)
    run.write_json(CONFIG, config)
    run.write_json(ENVIRONMENT, environment(*how))
    run.write_json(EXPERIMENT, {"command": command, "asked": {}, "settings": {}, "subject": {}})
    return run


def write_run(run: Run, result: Any, **parts: Any) -> FinishedRun:
    """Write report, tables and result (see `finished_run.write_result`). If writing fails, delete the run folder."""
    try:
        return write_result(run, result, **parts)
    except Exception:  # any error: the run cannot be continued, and would be the latest run
        discard_run(run)
        raise


NO_DATA = "set --data to a folder or table of labelled pairs"


def load_judged(data: DataConfig, runtime: RuntimeConfig, source: Source | None, progress: Progress) -> Dataset:
    """Read labelled pairs. A pair may lack its text or its image."""
    return load_labelled(data, default_cache_dir(runtime.cache_dir), progress, source, needs=None)


def judged_data(given: Mapping[str, Any], description: Description, source: Source | None) -> DataConfig:
    """Return the settings for reading labelled pairs.

    Column names and a label map that the user did not give are taken from the model's training, as far as the data can
    be read with them (see `with_own_columns`).
    """
    where = source or locate(given["data"])
    return with_own_columns(given, description.reading, lambda config: labelled_rows(where, config))


def own_data(checkpoint: Path, given: Mapping[str, Any], has_data: bool) -> dict[str, Any]:
    """Return the data settings. Without `--data`, settings that are not given are taken from the checkpoint's run."""
    if has_data:
        return dict(given)
    own = own_config(checkpoint)
    if own is None:
        read_checkpoint(checkpoint)  # another error if the file is no checkpoint
        raise ConfigError(f"{checkpoint} is not in its run folder, so the pairs of its run are unknown", NO_DATA)
    return {**to_dict(own.data), **given}


def first_pairs(given: dict[str, Any], cache: Path, source: Source | None, count: int) -> list[Pair]:
    """Read the first `count` unlabelled pairs of the data."""
    data = build(DataConfig, given)
    source = source or locate(data.data)
    decision = decide_encoding(source, data, cache)
    return list(islice(iter_unlabelled(source, data, decision), count))
