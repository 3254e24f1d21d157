"""Create and find run folders, which are never overwritten. `result.json` is written last, at the end of a run."""

import dataclasses
import datetime
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from mmsent_cli.config import TrainConfig, read_train_config
from mmsent_cli.errors import CheckpointError, MmsentError
from mmsent_cli.files import FREE_SPACE, NO_SPACE, atomic_write, hidden_name, natural_order, reason, similar_paths
from mmsent_cli.interrupts import on_interrupt
from mmsent_cli.printed_commands import command_line

LATEST = "latest"
RUN_NAME = re.compile(r"\d{8}-\d{6}-\S+")


def point_latest(runs_dir: Path, name: str) -> None:
    """Make `latest` a link to the run, or a text file with its name if links are not allowed.

    If the user has a file or folder called `latest`, it is not changed, and `latest_note` reports it.
    """
    latest = runs_dir / LATEST
    if not is_own(latest):
        return
    hidden = hidden_name(latest)
    with on_interrupt(lambda: hidden.unlink(missing_ok=True)):
        try:
            hidden.symlink_to(name)
        except OSError:
            hidden.write_text(name, encoding="utf-8")
        hidden.replace(latest)


def latest_note(folder: Path) -> str:
    """Return a note if something other than mmsent's link is called `latest`; else an empty string."""
    latest = folder.parent / LATEST
    return "" if is_own(latest) else f"{latest} is not a link of mmsent, so it was not changed; this run is {folder}"


def is_own(latest: Path) -> bool:
    """Return True if `latest` may be replaced: it is a link, a text file with a run's name, or does not exist."""
    if latest.is_symlink() or not latest.exists():
        return True
    try:
        name = latest.read_text(encoding="utf-8").strip() if latest.is_file() else ""
    except (OSError, ValueError):
        return False
    return bool(RUN_NAME.fullmatch(name)) or (Path(name).name == name != "" and (latest.parent / name).is_dir())


def follow(path: Path) -> Path | None:
    """Return the folder `path`. If `path` is the link or text file `latest`, return the folder that it names.

    Return None if there is no such folder.
    """
    try:
        if path.name == LATEST and path.is_symlink():
            path = path.parent / path.readlink()
        elif path.name == LATEST and path.is_file():
            path = path.parent / path.read_text(encoding="utf-8").strip()
        return path if path.is_dir() else None
    except (OSError, ValueError):  # the file cannot be read, or contains no name
        return None


BEST = "best_model.pt"
RESULT = "result.json"
"""The file that is written last. A run without it is unfinished."""
LAST = "last.pt"
CONFIG = "config.json"
SPLIT = "split.json"
ENVIRONMENT = "environment.json"
SECONDS = "seconds"
"""Key of the duration of a finished run in `ENVIRONMENT`. Results contain no times, so that resumed runs have the
same result."""
EXPERIMENT = "experiment.json"
ARMS = "arms"
"""Folder with the trained models of an experiment."""
FOLDS = "folds"
"""Folder with the models of each finished fold."""
SHOWN_RUNS = 3
NEAR = 0.8
"""A run is suggested if the similarity of its name to the typed name, 0 to 1, is at least this number."""
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}")
"""Pattern of the names from `files.hidden_name`."""


class Run:
    """The folder of one run.

    Args:
        folder: an existing folder.
        is_writable: False in the second and later processes of a training. Then `write` does nothing.
    """

    def __init__(self, folder: Path, is_writable: bool = True) -> None:
        self.folder = folder
        self.is_writable = is_writable

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def is_finished(self) -> bool:
        """True if `result.json` exists."""
        return (self.folder / "result.json").is_file()

    @property
    def has_progress(self) -> bool:
        """True if at least one epoch, or one model of an experiment, was finished and saved."""
        is_begun = self.path(LAST).is_file() or any(self.path(FOLDS).glob("*.pt"))
        is_arm_done = any(self.path(ARMS).glob("*.json")) or any(self.path(ARMS).glob(f"*/{FOLDS}/*.pt"))
        return is_begun or is_arm_done

    def path(self, name: str) -> Path:
        """Return the path of a file in the run folder."""
        return self.folder / name

    def write_json(self, name: str, value: Any) -> Path:
        """Write a dataclass or plain value as JSON, atomically."""
        return self.write(name, json.dumps(_plain(value), indent=1, ensure_ascii=False) + "\n")

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file atomically. Bytes of a file name that are not UTF-8 are written as escapes."""
        path = self.path(name)
        if not self.is_writable:
            return path
        atomic_write(path, content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
        return path

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run.

        Raises:
            MmsentError: the file is missing or damaged.
        """
        try:
            return json.loads(self.path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            raise MmsentError(f"cannot read {self.path(name)}: {why}", "start a new run") from error

    def write_lines(self, name: str, lines: list[Any]) -> None:
        """Write one JSON value per line. An existing file is replaced."""
        self.write(name, "".join(json.dumps(_plain(line), ensure_ascii=False) + "\n" for line in lines))


def create_run(runs_dir: Path, command: str, name: str, fill: Callable[[Run], object] = lambda run: None) -> Run:
    """Make the folder `runs/<date-time>-<command>-<name>/`, and make `runs/latest` a link to this folder.

    Args:
        runs_dir: the folder of all runs.
        command: name of the command.
        name: the name of the model.
        fill: a function that writes the first files of the run. Afterwards, the folder gets its final name.

    Raises:
        MmsentError: the folder cannot be created.
    """
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    base = re.sub("-{2,}", "-", f"{stamp}-{command}-{as_file_name(name)}").strip("-")
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        folder = _make_folder(runs_dir, base, fill)
        point_latest(runs_dir, folder.name)
    except OSError as error:
        hint = FREE_SPACE if error.errno in NO_SPACE else "choose another folder with --runs-dir"
        raise MmsentError(f"cannot make a run folder in {runs_dir}: {reason(error)}", hint) from error
    return Run(folder)


def discard_run(run: Run) -> None:
    """Delete a run, and make `latest` a link to the newest of the other runs."""
    runs_dir = run.folder.parent
    shutil.rmtree(run.folder, ignore_errors=True)
    others = _names(runs_dir)
    if others:
        point_latest(runs_dir, others[-1])
    elif is_own(runs_dir / LATEST):
        (runs_dir / LATEST).unlink(missing_ok=True)


def find_run(spec: str | None, runs_dir: Path, suggested: str = CONFIG) -> Run:
    """Find a run by `spec`: its folder, its name in `runs_dir`, or `latest`. None means the newest run.

    The newest run is the target of the link `latest`. If the link is missing or broken, the newest run is the run with
    the latest time in its name. If there is no such run, a folder called `latest` is used, since some programs copy a
    link as a folder.

    Raises:
        CheckpointError: there is no such run. The hint lists runs that contain the file `suggested`.
    """
    _require_short(spec)
    for found in _candidates(spec, runs_dir):
        if found is not None and found.is_dir():
            return Run(found)
    if spec is None or spec == LATEST:
        raise CheckpointError(f"the folder {runs_dir} contains no run yet", "train a model first: mmsent train")
    raise CheckpointError(
        f"there is no run called {spec}: it is neither a folder, nor the name of a run in the folder {runs_dir}",
        _known_runs(runs_dir, spec, suggested),
    )


def find_finished(spec: str, runs_dir: Path) -> Run:
    """Find a run as `find_run` does. But `latest` means the newest finished run, or the newest run if none is finished.

    Raises:
        CheckpointError: there is no such run.
    """
    _require_short(spec)
    if Path(spec).suffix and not any(found and found.is_dir() for found in _candidates(spec, runs_dir)):
        _existing(Path(spec))  # a mistyped file, since mmsent gives no run a name with a suffix
    run = find_run(spec, runs_dir, BEST)
    if spec != LATEST or run.is_finished:
        return run
    finished = [runs_dir / name for name in _names(runs_dir) if Run(runs_dir / name).is_finished]
    return Run(finished[-1]) if finished else run


def _candidates(spec: str | None, runs_dir: Path) -> Iterator[Path | None]:
    """Return the paths that `spec` may mean, the most likely first."""
    if spec is None:
        yield _newest(runs_dir)
    elif spec == LATEST:
        yield follow(Path(LATEST))  # in a folder of runs
        yield _newest(runs_dir)
    elif Path(spec).name == LATEST:
        yield _newest(Path(spec).parent)
        yield _newest(runs_dir / Path(spec).parent)
    else:
        yield Path(spec)
        yield runs_dir / spec


def own_config(checkpoint: Path) -> TrainConfig | None:
    """Return the configuration of the checkpoint's run, or None if the checkpoint is not in a run folder."""
    run = Run(checkpoint.parent)
    is_there = all(run.path(name).is_file() for name in (CONFIG, SPLIT))
    return read_train_config(run.folder) if is_there else None


def find_checkpoint(spec: str | None, runs_dir: Path) -> Path:
    """Find a checkpoint file.

    Args:
        spec: a file, a run folder, or a file name in the newest run. `latest` and None mean the best model of the
            newest run. Only a finished training counts as the newest run; an unfinished training must be named.
        runs_dir: the folder of all runs.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    _require_short(spec)
    if spec is not None and Path(spec).name == LATEST and len(Path(spec).parts) > 1:
        spec, runs_dir = LATEST, Path(spec).parent
    if spec is not None:
        given = Path(spec)
        if given.is_file():
            # Do not use the path of the link `latest`, since the next run changes its target.
            return (follow(given.parent) or given.parent) / given.name
        if given.is_dir() or len(given.parts) > 1:
            return _in_run(follow(given) or _existing(given), BEST)
        named = follow(runs_dir / spec)
        if named is not None and spec != LATEST:
            return _in_run(named, BEST)
        if given.suffix not in ("", ".pt"):
            _existing(given)
    if spec in (None, LATEST):
        return _newest_training(runs_dir) / BEST
    found = _newest_training(runs_dir, spec) / spec
    if not found.is_file():
        raise CheckpointError(f"there is no run and no file called {spec}", _known_runs(runs_dir, spec, BEST))
    return found


def unfinished_note(checkpoint: Path) -> str:
    """Return a note if a checkpoint is in the folder of an unfinished run; else an empty string."""
    run = Run(checkpoint.parent)
    if run.is_finished or not run.path(CONFIG).is_file():
        return ""
    return f"{run.folder} is an unfinished run: this is its best model so far"


def _require_short(spec: str | None) -> None:
    """Check that no file system refuses a name only for its length.

    Raises:
        CheckpointError: a part of the path is longer than 255 bytes, or the path is longer than 4,000 bytes.
    """
    parts = [len(os.fsencode(part)) for part in Path(spec or "").parts]
    if max(parts, default=0) > 255 or sum(parts) > 4000:
        raise CheckpointError(f"the name {(spec or '')[:40]}… is too long", "give a .pt file or the folder of a run")


def _existing(path: Path) -> Path:
    """Check that a path exists.

    Raises:
        CheckpointError: the path does not exist. The hint has the most similar paths.
    """
    if path.exists():
        return path
    try:
        _, _, near = similar_paths(path)
    except (OSError, ValueError):
        near = []
    names = [str(each if path.is_absolute() else os.path.relpath(each)) for each in near]
    raise CheckpointError(
        f"{path} does not exist",
        f"did you mean {' or '.join(names)}?" if names else "give a .pt file or the folder of a finished run",
    )


def as_file_name(name: str) -> str:
    """Convert a text to a file name of letters, digits, `-` and `_`."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)


def _make_folder(runs_dir: Path, base: str, fill: Callable[[Run], object]) -> Path:
    """Create a new folder. If two runs start in the same second, a number is added to the name."""
    hidden = hidden_name(runs_dir / base)
    remove = partial(shutil.rmtree, hidden, ignore_errors=True)
    with ExitStack() as cleanup:
        cleanup.callback(remove)
        cleanup.enter_context(on_interrupt(remove))
        hidden.mkdir()
        fill(Run(hidden))
        for attempt in range(1, 1000):
            folder = runs_dir / (base if attempt == 1 else f"{base}-{attempt}")
            if not folder.exists() and _rename(hidden, folder):
                return folder
    raise FileExistsError(base)


def _rename(hidden: Path, folder: Path) -> bool:
    """Give a folder its final name. Return False if another process has taken the name."""
    try:
        hidden.rename(folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def remove_unfinished(run: Run) -> None:
    """Delete temporary files that a killed process left in this run."""
    for path in run.folder.rglob(".*"):
        if UNFINISHED.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _newest(folder: Path) -> Path | None:
    """Return the target of `latest` in a folder, else the newest run by time, else a folder called `latest`."""
    latest, names = folder / LATEST, _names(folder)
    pointed = follow(latest)
    if pointed is not None and (latest.is_symlink() or latest.is_file() or not names):
        return pointed
    return folder / names[-1] if names else None


def _newest_training(runs_dir: Path, wanted: str = "") -> Path:
    """Return the newest finished run with a model. `wanted` is the name that the user gave, for the error message.

    Raises:
        CheckpointError: there is no such run. The message also names unfinished runs.
    """
    newest, names = _newest(runs_dir), _names(runs_dir, BEST)
    folders = [*([newest] if newest is not None else []), *(runs_dir / name for name in reversed(names))]
    finished = [folder for folder in folders if Run(folder).is_finished and (folder / BEST).is_file()]
    if finished:
        return finished[0]
    if wanted or not names:
        missing = (
            f"there is no run and no file called {wanted}"
            if wanted
            else f"the folder {runs_dir} contains no trained model yet"
        )
        raise CheckpointError(
            missing, _known_runs(runs_dir, wanted, BEST) if wanted else "train a model first: mmsent train"
        )
    folder = runs_dir / names[-1]
    resume = command_line("train", {"resume": folder})
    raise CheckpointError(
        f"no training in the folder {runs_dir} is finished",
        f"go on with: {resume}; or name the unfinished run ({folder}) to use its best model so far",
    )


def _names(runs_dir: Path, file: str = CONFIG) -> list[str]:
    """Return the names of the runs that contain `file`, the oldest first. Names begin with date and time."""
    names = [path.parent.name for path in runs_dir.glob(f"[!.]*/{file}") if path.parent.name != LATEST]
    return sorted(names, key=natural_order)


def unfinished_runs(runs_dir: Path) -> list[str]:
    """Return the names of the newest unfinished runs."""
    return [name for name in _names(runs_dir)[::-1] if not Run(runs_dir / name).is_finished][:SHOWN_RUNS]


def _known_runs(runs_dir: Path, wanted: str, file: str) -> str:
    """Make a hint that lists runs which contain `file`: names similar to `wanted`, or else the newest runs."""
    names = _names(runs_dir, file)[::-1]
    if not names:
        return f"the folder {runs_dir} contains no run with a model yet; mmsent train makes one"
    near = [name for name in names if wanted in name] or get_close_matches(wanted, names, SHOWN_RUNS, NEAR)
    if near:
        return f"did you mean {' or '.join(near[:SHOWN_RUNS])}?"
    newest = names[:SHOWN_RUNS]
    return f"the newest runs are {', '.join(newest)}" if len(newest) > 1 else f"the only run is {newest[0]}"


def _in_run(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint {path}", "give a .pt file or the folder of a finished run, or train a model first"
        )
    return path


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value
