"""Read, inspect, check and split pairs, and check the machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mmsent_cli.api.arguments import RUNS, Data, PathLike, sort_settings
from mmsent_cli.checks.data import run_check, run_inspection
from mmsent_cli.checks.machine import check_machine
from mmsent_cli.config import VAL_SIZE, DataConfig, RuntimeConfig, SplitConfig, build
from mmsent_cli.data.check import decide_encoding, iter_unlabelled, load_labelled
from mmsent_cli.data.layouts import files_of, locate
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.split import describe, make_folds, make_split, require_split_name, write_split
from mmsent_cli.errors import ConfigError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.outputs import require_no_input, require_writable
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import EnvResult, SplitResult


def inspect_encoding(
    data: Data = None,
    *,
    convert_to: PathLike | None = None,
    force: bool = False,
    runs_dir: PathLike = RUNS,
    **settings: Any,
) -> FinishedRun:
    """Find the character encoding of a corpus, with examples before and after decoding.

    Args:
        data: a folder, a table file or a DataFrame. The texts of a DataFrame may be bytes.
        convert_to: write UTF-8 copies of the texts to this folder.
        force: overwrite existing files.
        runs_dir: folder of all runs.
        **settings: the settings of `mmsent inspect-encoding --help`.

    Returns:
        The finished run. `result` has the encoding, the candidates with their scores, and notes.

    Raises:
        DataError: files cannot be read.

    Example:
        >>> inspect_encoding("mvsa").result.encoding
        'gb18030'
    """
    given, source = sort_settings("inspect-encoding", data, settings)
    target = None if convert_to is None else Path(convert_to)
    return run_inspection(given, source, target, force, Path(runs_dir))


def split(
    data: Data = None, *, folds: int | None = None, out: PathLike | None = None, force: bool = False, **settings: Any
) -> SplitResult:
    """Divide labelled pairs into training and validation, and write a split file.

    Args:
        data: labelled pairs, as in `train`.
        folds: make this many cross-validation folds instead of one split.
        out: the file to write. None uses `splits/<strategy>-<seed>.json`, and `-` is standard output.
        force: overwrite an existing file.
        **settings: the settings of `mmsent split --help`, such as `split_seed=1` or `val_size=0.1`.

    Returns:
        The path of the file, and the sizes and class counts of the training split and the validation split. Train with
        `train(split=result.path)`.

    Raises:
        ConfigError: settings cannot be combined, or `out` has the suffix of another file type than JSON.
        DataError: the pairs cannot be divided with these settings.

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
    data_config = build(DataConfig, given[DataConfig])
    path = Path("splits", _split_name(config, data_config.limit, folds)) if out is None else Path(out)
    require_split_name(path)
    require_writable(path, force)
    source = source or locate(data_config.data)
    require_no_input(path, files_of(source, data_config))
    dataset = load_labelled(data_config, default_cache_dir(None), source=source, needs=())
    pairs, labels = dataset.pairs, dataset.labels
    splits = (
        (make_split(pairs, labels, config),) if folds is None else make_folds(pairs, labels, folds, config.split_seed)
    )
    write_split(splits, path, force)
    return replace(describe(splits, pairs, labels, path), notes=(*dataset.notes, *dataset.problems))


def _split_name(config: SplitConfig, limit: int | None, folds: int | None) -> str:
    """Return the default name of a split file. Splits with other settings or another `limit` have other names."""
    ends = (
        f"-val-{config.val_size:g}" if config.val_size != VAL_SIZE else "",
        f"-{folds}-folds" if folds else "",
        f"-limit-{limit}" if limit else "",
    )
    return f"{config.strategy}-{config.split_seed}{''.join(ends)}.json"


def read_pairs(
    data: Data = None, *, labelled: bool = False, progress: Progress = silent, **settings: Any
) -> list[Pair]:
    """Read pairs: decode the texts and check the images.

    Args:
        data: a folder, a table file or a DataFrame.
        labelled: True reads the pairs with a label, for training. False reads the pairs without a label, to predict.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the data options of `mmsent predict --help`. With `labelled=True`, `labels` and `limit` are
            allowed too.

    Returns:
        The pairs. `train`, `LoadedModel.predict` and the other functions take them as `data`.

    Raises:
        DataError: pairs cannot be used.

    Example:
        >>> model.predict(read_pairs("folder"))
    """
    given, source = sort_settings("read-pairs", data, settings)
    config = build(DataConfig, given[DataConfig])
    cache = default_cache_dir(None)
    if labelled:
        return list(load_labelled(config, cache, progress, source, needs=()).pairs)
    source = source or locate(config.data)
    return list(iter_unlabelled(source, config, decide_encoding(source, config, cache)))


def check(
    data: Data = None,
    *,
    preset: str | None = None,
    runs_dir: PathLike = RUNS,
    progress: Progress = silent,
    **settings: Any,
) -> FinishedRun:
    """Check whether a model can be trained on the pairs, and list pairs that a person should look at.

    Args:
        data: labelled pairs, as in `train`. Rows without a label are checked too.
        preset: the preset that the training will use.
        runs_dir: folder of all runs.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent check --help`, such as `on_bad="drop"`.

    Returns:
        The finished run. `result.can_train` is True if `train` would start. `result.checks` has the outcome of each
        check, and the pairs that the check found. `to_frame()` has a row for each check. `to_frame("pairs")` has a row
        for each pair that a check found.

    Raises:
        ConfigError: settings cannot be combined.
        DataError: the data cannot be read at all, such as a folder without list files.

    Example:
        >>> check("pairs.csv").result.can_train
        True
    """
    given, source = sort_settings("check", data, settings)
    return run_check(given, preset, source, Path(runs_dir), progress)


def env(*, is_timed: bool = True, runs_dir: PathLike = RUNS, progress: Progress = silent, **settings: Any) -> EnvResult:
    """Check whether training can run on this machine, and how long it would take.

    Args:
        is_timed: measure the speed of this machine for some seconds, and estimate the minutes of each preset.
        runs_dir: folder of all runs. The free space of its disk is checked.
        progress: called with each event of `mmsent_cli.progress`.
        **settings: the settings of `mmsent env --help`, such as `offline=True`.

    Returns:
        `can_train` is True if training can run. `checks` has the outcome of each check, and `minutes` the estimated
        times. `to_frame()` has a row for each check.

    Raises:
        MmsentError: the given cache folder cannot be used.

    Example:
        >>> env(offline=True).minutes["fast"]
        1.2
    """
    given, _ = sort_settings("env", None, settings)
    return check_machine(build(RuntimeConfig, given[RuntimeConfig]), Path(runs_dir), is_timed, progress)
