"""List the runs with data, split, seed, metrics, time and size, and remove runs.

Only trainings on the same data and split are ranked, since metrics on different pairs cannot be compared.
"""

import datetime
import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.errors import CheckpointError, ConfigError, MmsentError
from mmsent_cli.results import Interval, RunRow, RunsResult
from mmsent_cli.run_folders import CONFIG, ENVIRONMENT, EXPERIMENT, RESULT, SECONDS, SPLIT, Run, discard_run, find_run
from mmsent_cli.stats import macro_f1_of

NAME = re.compile(r"(\d{8}-\d{6})-([a-z]+(?:-fusions|-compare|-encoding)?)-")
"""Pattern of the date, time and command at the start of a run's name, unless the user has renamed the run."""
SORTS = ("when", "accuracy", "macro-f1", "minutes", "size")


def list_runs(runs_dir: Path, sort: str = "when") -> RunsResult:
    """Return all runs in a folder.

    Args:
        runs_dir: the folder of all runs.
        sort: one of `SORTS`. The newest, best, longest or largest run is first.

    Raises:
        ConfigError: the order is unknown.
    """
    if sort not in SORTS:
        raise ConfigError(f"runs cannot be sorted by {sort!r}", f"known names: {', '.join(SORTS)}")
    folders = sorted(runs_dir.iterdir(), reverse=True) if runs_dir.is_dir() else []
    rows = _ranked([_row(Run(folder)) for folder in folders if is_run(folder)])
    keys = {
        "accuracy": lambda row: row.accuracy,
        "macro-f1": lambda row: row.macro_f1,
        "minutes": lambda row: row.minutes,
        "size": lambda row: row.megabytes,
    }
    if sort != "when":
        rows.sort(key=lambda row: (keys[sort](row) is None, -(keys[sort](row) or 0.0)))
    return RunsResult(folder=str(runs_dir), runs=tuple(rows))


def is_run(folder: Path) -> bool:
    """Return True for a run's own folder: it has the name of a run and a configuration, and is not a link."""
    is_named = NAME.match(folder.name) is not None
    return is_named and not folder.is_symlink() and folder.is_dir() and (folder / CONFIG).is_file()


def find_listed(spec: str, runs_dir: Path) -> Run:
    """Find the run that `spec` names.

    Raises:
        CheckpointError: there is no such run, or the folder is not a run.
    """
    run = find_run(spec, runs_dir)
    if not is_run(run.folder):
        raise CheckpointError(
            f"{run.folder} is not a run folder of mmsent",
            f"give a run in the folder {runs_dir}; mmsent runs lists the runs",
        )
    return run


def describe_run(run: Run) -> RunRow:
    """Return the row of the list that describes one run, without a rank."""
    return _row(run)


def remove_run(run: Run) -> None:
    """Delete the folder of a run.

    Raises:
        MmsentError: the folder is not a run, or it cannot be deleted.
    """
    if not is_run(run.folder):
        raise CheckpointError(
            f"{run.folder} is not a run folder of mmsent, so it is not deleted", "mmsent runs lists the runs"
        )
    discard_run(run)
    if run.folder.exists():
        raise MmsentError(f"{run.folder} could not be deleted", "check its permissions")


def _row(run: Run) -> RunRow:
    config, result = _read(run, CONFIG), _read(run, RESULT)
    experiment, splits = _read(run, EXPERIMENT), _read(run, SPLIT).get("splits") or []
    named = NAME.match(run.name)
    stamp, command = named.groups() if named else ("", "")
    model, fit = config.get("model") or {}, config.get("fit") or {}
    is_training = not experiment
    scores = _scores(result) if is_training or command == "evaluate" else {}
    names = [str(model[name]) for name in ("encoders", "fusion") if model.get(name)]
    probes = model.get("probes") or ()
    return RunRow(
        name=run.name,
        when=_when(stamp),
        command=str(experiment.get("command") or command),
        is_finished=run.is_finished,
        data=_place((config.get("data") or {}).get("data")),
        split=_digest(splits),
        split_words=_split_words(splits, config.get("split") or {}),
        model=" ".join([*names, *([f"+ {len(probes)} probes"] if probes else [])]),
        seed=fit.get("seed"),
        rank=None,
        ranked=0,
        minutes=_minutes(run, result, stamp),
        megabytes=_size(run.folder) / 1e6,
        **{"accuracy": None, "accuracy_interval": None, "macro_f1": None, "macro_f1_interval": None, **scores},
    )


def _place(data: object) -> str:
    """Return the path of the data: relative if the data is in the current folder, else absolute."""
    if not isinstance(data, str) or not data:
        return ""
    path = Path(data)
    if not path.exists():
        return data
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path.absolute())


def _read(run: Run, name: str) -> dict[str, Any]:
    """Read a JSON file of a run; empty if it is missing or damaged, so that the other runs can still be listed."""
    try:
        content = json.loads(run.path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _scores(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return accuracy and macro-F1, each with its confidence interval; empty if the result has no such scores."""
    metrics = result.get("best") or result.get("metrics")
    if isinstance(metrics, Mapping) and "confusion" in metrics:
        return {
            "accuracy": metrics["accuracy"],
            "accuracy_interval": tuple(metrics["interval"]),
            "macro_f1": metrics["macro_f1"],
            "macro_f1_interval": _macro_f1_interval(metrics["confusion"]),
        }
    if isinstance(result.get("accuracy"), Mapping):
        return {
            key: value
            for name in ("accuracy", "macro_f1")
            for key, value in ((name, result[name]["value"]), (f"{name}_interval", tuple(result[name]["interval"])))
        }
    return {}


def _macro_f1_interval(confusion: Sequence[Sequence[int]]) -> Interval | None:
    """Compute the confidence interval of macro-F1 from the confusion matrix; None if there are fewer than two pairs."""
    counts = np.array(confusion)
    true, predicted = (np.repeat(numbers.ravel(), counts.ravel()) for numbers in np.indices(counts.shape))
    return macro_f1_of(true, predicted[None], len(counts)) if len(true) > 1 else None


def _digest(splits: Sequence[Mapping[str, Any]]) -> str:
    digests = [str(split.get("digest", "")) for split in splits]
    if len(digests) < 2:
        return "".join(digests)
    return blake2b(",".join(digests).encode(), digest_size=16).hexdigest()


def _split_words(splits: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> str:
    """Describe the split, such as `5 folds, seed 42`."""
    if not splits:
        return ""
    seed = splits[0].get("seed", config.get("split_seed"))
    if len(splits) > 1:
        return f"{len(splits)} folds, seed {seed}"
    train, val = (len(splits[0].get(part) or ()) for part in ("train", "val"))
    return f"{train:,} training and {val:,} validation pairs, seed {seed}"


def _ranked(rows: list[RunRow]) -> list[RunRow]:
    """Add the ranks of trainings with the same data and split."""
    groups: defaultdict[tuple[str, str], list[RunRow]] = defaultdict(list)
    for row in rows:
        if row.split and row.accuracy is not None and row.is_finished and row.command == "train":
            groups[(row.data, row.split)].append(row)
    places = {}
    for group in groups.values():
        if len(group) > 1:
            accuracies = sorted((row.accuracy or 0.0 for row in group), reverse=True)
            places |= {row.name: (1 + accuracies.index(row.accuracy or 0.0), len(group)) for row in group}
    return [
        replace(row, rank=places[row.name][0], ranked=places[row.name][1]) if row.name in places else row
        for row in rows
    ]


def _when(stamp: str) -> str:
    try:
        return datetime.datetime.strptime(stamp, "%Y%m%d-%H%M%S").isoformat(sep=" ")
    except ValueError:
        return ""


def _minutes(run: Run, result: Mapping[str, Any], stamp: str) -> float | None:
    """Return the recorded duration of a run. For an older run, return the time from its start to its result file."""
    if not run.is_finished:
        return None
    for place in (result, _read(run, ENVIRONMENT)):
        if isinstance(place.get(SECONDS), int | float):
            return place[SECONDS] / 60
    begun = datetime.datetime.strptime(stamp, "%Y%m%d-%H%M%S").timestamp()
    return max(0.0, run.path(RESULT).stat().st_mtime - begun) / 60


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder. Links are not followed."""
    total = 0
    for base, _, files in os.walk(folder):
        total += sum((Path(base) / name).lstat().st_size for name in files)
    return total
