"""Commands in forked children, which start at once because every library is imported here already.

A child can be killed, limited or run as another user; the parent trains nothing itself.
"""

import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

import mmsent_cli.api  # noqa: F401  what a child needs is imported before it is forked
from mmsent_cli import finished_run
from mmsent_cli.commands.app import app

FINISHED, REFUSED = 0, 1
CRASHED = 70


class Ended(NamedTuple):
    """How a child ended: its exit code, negative for a signal, what it printed, and after how many seconds."""

    code: int
    output: str
    seconds: float


def run(
    arguments: tuple, folder: Path, prepare: Callable[[], object] = lambda: None, kill_after: float | None = None
) -> Ended:
    """Run a command in a folder, and kill it after some seconds."""
    start = time.monotonic()
    reading, writing = os.pipe()  # not a file, which would count against a limit on the size of files
    child = os.fork()
    if child == 0:
        _become(arguments, folder, prepare, writing)
    os.close(writing)
    while kill_after is not None and time.monotonic() - start < kill_after:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        time.sleep(0.002)
    if kill_after is not None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, errors="replace") as stream:
        output = stream.read()
    return Ended(os.waitstatus_to_exitcode(status), output, time.monotonic() - start)


def _become(arguments: tuple, folder: Path, prepare: Callable[[], object], output: int) -> None:
    """Be the command, to the end of this process."""
    code = CRASHED
    try:
        os.chdir(folder)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1) for stream in (1, 2))
        os.environ["MMSENT_CACHE"] = str(folder / "cache")
        torch.set_num_threads(1)
        finished_run.run_files = _undrawn
        prepare()
        app([str(argument) for argument in arguments])
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else REFUSED
    except BaseException as error:  # a crash of the child is one of the parent's counts
        print(f"Traceback: {error!r}", file=sys.stderr)
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _undrawn(*_: object, **__: object) -> dict[str, str]:
    """A page without figures, which take most of a run's time."""
    return {"report.html": "a page"}


def run_folders(folder: Path) -> list[Path]:
    """The runs in a folder, oldest first."""
    runs = (folder / "runs").glob("[!.]*")
    return sorted(path for path in runs if path.is_dir() and not path.is_symlink())


def require_whole(folder: Path) -> None:
    """Check that no file below a folder is half written, apart from hidden ones."""
    for path in folder.rglob("[!.]*"):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            assert path.read_text().endswith("\n")
        elif path.suffix == ".csv":
            assert path.read_text().endswith("\n"), path
        elif path.suffix == ".pt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".npz":
            np.load(path).files  # noqa: B018  reads the directory of the archive
        elif path.suffix == ".png":
            Image.open(path).load()


def outcome(run_folder: Path) -> dict[str, object]:
    """What a run computed: tables, metrics without times and places, and a digest of its weights."""
    found: dict[str, object] = {}
    for path in sorted(run_folder.iterdir()):
        if path.suffix == ".csv":
            found[path.name] = path.read_text()
        elif path.name == "metrics.jsonl":
            found[path.name] = [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.name == "result.json":
            found[path.name] = _timeless(json.loads(path.read_text()))
        elif path.suffix == ".pt":
            found[path.name] = _digest(torch.load(path, weights_only=True))
    return found


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if "seconds" not in name}
        left_out = ("run", "source", "notes", "checkpoint", "encoder_runs", "resumed")
        return {name: _timeless(part) for name, part in kept.items() if name not in left_out}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def _digest(content: dict) -> str:
    """BLAKE2b of every tensor in the trained states of a checkpoint."""
    digest = hashlib.blake2b()
    for state in content.get("states", [content.get("state", {})]):
        for name, tensor in sorted(state.items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def moments(seconds: float, number: int, seed: int) -> list[float]:
    """Random moments of a command that takes so long."""
    chance = random.Random(seed)
    return [chance.uniform(0, seconds) for _ in range(number)]
