"""Find and read the pairs on which a trained model is used."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data.check import decide_encoding, iter_unlabelled, load_labelled
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.pairs import Dataset, Pair
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.ablation.target import own_config
from mmsent_cli.files import default_cache_dir
from mmsent_cli.progress import Progress

NO_DATA = "give labelled pairs with --data"


def load_judged(data: DataConfig, runtime: RuntimeConfig, source: Source | None, progress: Progress) -> Dataset:
    """Read labelled pairs. A pair may lack its text or its image."""
    return load_labelled(data, default_cache_dir(runtime.cache_dir), progress, source, needs=None)


def own_data(checkpoint: Path, given: Mapping[str, Any], has_data: bool) -> dict[str, Any]:
    """Return the data settings. If `--data` is not given, the settings of the checkpoint's run fill the gaps."""
    if has_data:
        return dict(given)
    own = own_config(checkpoint)
    if own is None:
        raise ConfigError(f"{checkpoint} is not in its run folder, so the pairs of its run are unknown", NO_DATA)
    return {**to_dict(own.data), **given}


def first_pairs(given: dict[str, Any], cache: Path, source: Source | None, count: int) -> list[Pair]:
    """Read the first `count` unlabelled pairs of the data."""
    data = build(DataConfig, given)
    source = source or locate(data.data)
    decision = decide_encoding(source, data, cache)
    return list(islice(iter_unlabelled(source, data, decision), count))
