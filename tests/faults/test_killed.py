"""SIGKILL at random moments, full disks, other users: no half-written file, and the rest ends with the same bytes."""

import contextlib
import datetime
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import mmsent_cli.run_folders
from mmsent_cli.features import store
from mmsent_cli.features.store import FeatureSet
from tests.commands.running import small_lab
from tests.faults.children import FINISHED, REFUSED, moments, outcome, require_whole, run, run_folders

LIGHT = ("--encoders", "light", "--image-size-px", 32, "--batch-size", 4, "--engine", "torch", "--precision", "fp32")
COMMANDS = {
    "train": ("train", "--data", "lab", *LIGHT, "--epochs", 3),
    "tune": ("tune", "--data", "lab", *LIGHT, "--epochs", 1, "--rates", "1,2", "--decays", "1e-4"),
    "compare-fusions": ("compare-fusions", "--data", "lab", *LIGHT, "--epochs", 1, "--fusions", "concat", "--seeds", 2),
    "ablate": ("ablate", "--checkpoint", "base/best_model.pt", "--retrain"),
}
PREDICT = ("predict", "--data", "lab", "--checkpoint", "base", "--engine", "torch", "--out", "out.csv", "--force")
ALL = (*COMMANDS, "folds")


@pytest.fixture(scope="session")
def ready(tmp_path_factory, weights_dir):
    """A folder with data and a trained model, to be copied; the command lines."""
    folder = tmp_path_factory.mktemp("ready")
    small_lab(folder / "lab", pairs=12)
    ended = run((*COMMANDS["train"], "--runs-dir", "base-runs"), folder)
    assert ended.code == FINISHED, ended.output
    (made,) = (path for path in (folder / "base-runs").iterdir() if not path.is_symlink())
    made.rename(folder / "base")
    shutil.rmtree(folder / "base-runs")
    shutil.rmtree(folder / "cache")
    encoders = ("--encoders", "bert-resnet18", "--weights-dir", weights_dir, "--offline", "--image-size-px", 32)
    frozen = ("--freeze-text", "all", "--freeze-image", "all", "--engine", "torch", "--precision", "fp32")
    folds = ("train", "--data", "lab", *encoders, *frozen, "--folds", 2, "--epochs", 1)
    return folder, {**COMMANDS, "folds": folds}


@pytest.fixture(scope="session")
def undisturbed(ready):
    """For each command: its outcome and its seconds, of a run that nothing disturbs."""
    folder, commands = ready
    found = {}

    def of(name):
        if name not in found:
            place = folder.with_name(f"undisturbed-{name}")
            shutil.copytree(folder, place)
            ended = run(PREDICT if name == "predict" else commands[name], place)
            assert ended.code == FINISHED, ended.output
            made = (place / "out.csv").read_bytes() if name == "predict" else outcome(run_folders(place)[-1])
            found[name] = made, ended.seconds
        return found[name]

    return of


def finish(command, folder):
    """Go on with what a command left, or run it again; its outcome."""
    runs = run_folders(folder)
    if not runs:
        ended = run(command, folder)
    elif not (runs[-1] / "result.json").exists():
        ended = run((command[0], "--resume", f"runs/{runs[-1].name}"), folder)
    else:
        return outcome(runs[-1])
    assert ended.code == FINISHED, ended.output
    (last,) = run_folders(folder)
    assert not list(last.rglob(".*"))
    return outcome(last)


@pytest.mark.parametrize("name", ALL)
def test_a_command_that_is_killed_goes_on_to_the_same_bytes(ready, undisturbed, tmp_path, rounds, count, name):
    folder, commands = ready
    expected, seconds = undisturbed(name)
    for number, moment in enumerate(moments(seconds, rounds, seed=len(name))):
        place = tmp_path / str(number)
        shutil.copytree(folder, place)
        ended = run(commands[name], place, kill_after=moment)
        assert ended.code in (-signal.SIGKILL, FINISHED), ended.output
        require_whole(place)
        assert finish(commands[name], place) == expected, f"killed after {moment:.3f} s"
        count(f"SIGKILL of {name}, then the same bytes")
        shutil.rmtree(place)


@pytest.mark.parametrize("name", ALL)
def test_a_command_on_a_full_disk_goes_on_to_the_same_bytes(ready, undisturbed, tmp_path, rounds, count, name):
    """No file can be larger than a random limit: the first that is larger fails half written, as on a full disk."""
    folder, commands = ready
    expected, _ = undisturbed(name)
    chance = random.Random(len(name))
    for number in range(rounds):
        place, limit = tmp_path / str(number), int(10 ** chance.uniform(1.5, 6))
        shutil.copytree(folder, place)
        ended = run(
            commands[name], place, lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        )
        assert ended.code in (FINISHED, REFUSED), (limit, ended.output)
        assert "Traceback" not in ended.output, (limit, ended.output)
        require_whole(place)
        assert not [path for path in place.rglob(".*") if path.is_file()], limit
        assert finish(commands[name], place) == expected, f"limit {limit}"
        count(f"files limited in size during {name}, then the same bytes")
        shutil.rmtree(place)


@contextlib.contextmanager
def small_file_system(place):
    """A file system in memory, of 64 MB. Yields a function that leaves so many bytes free on it."""
    place.mkdir()
    mounting = ("mount", "-t", "tmpfs", "-o", "size=64m", "none", str(place))
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")

    def leave(size):
        state = os.statvfs(place)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        subprocess.run(["mount", "-o", f"remount,size={used + size}", str(place)], check=True)

    try:
        yield leave
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


@pytest.mark.parametrize("name", [*ALL, "predict"])
def test_a_command_that_fills_a_file_system_goes_on_to_the_same_bytes(
    ready, undisturbed, tmp_path, rounds, count, name
):
    folder, commands = ready
    command = PREDICT if name == "predict" else commands[name]
    chance, place = random.Random(len(name)), tmp_path / "small"
    for _ in range(rounds):
        free = int(10 ** chance.uniform(3.6, 6.3))
        with small_file_system(place) as leave:
            shutil.copytree(folder, place, dirs_exist_ok=True)
            leave(free)
            ended = run(command, place)
            assert ended.code in (FINISHED, REFUSED), (free, ended.output)
            assert "Traceback" not in ended.output, (free, ended.output)
            require_whole(place)
            leave(64_000_000)
            if name == "predict":
                assert run(command, place).code == FINISHED
                assert (place / "out.csv").read_bytes() == undisturbed(name)[0]
            else:
                assert finish(command, place) == undisturbed(name)[0], f"{free} bytes free"
        count(f"{name} on a file system that fills up, then the same bytes")


def test_a_prediction_that_is_killed_leaves_the_earlier_one(ready, undisturbed, tmp_path, rounds, count):
    folder, _ = ready
    expected, seconds = undisturbed("predict")
    for number, moment in enumerate(moments(seconds, 3 * rounds, seed=3)):
        place = tmp_path / str(number)
        shutil.copytree(folder, place)
        (place / "out.csv").write_bytes(b"mine")
        run(PREDICT, place, kill_after=moment)
        assert (place / "out.csv").read_bytes() in (b"mine", expected)
        assert run(PREDICT, place).code == FINISHED
        assert (place / "out.csv").read_bytes() == expected
        count("SIGKILL of predict, then the same bytes")
        shutil.rmtree(place)


DESCRIPTION = {"encoder": "x", "stages": "1"}
ARRAYS = {f"key {number}": np.full((50, 20), number, dtype=np.float32) for number in range(200)}


def fill(root):
    features = FeatureSet(root, DESCRIPTION)
    missing = features.missing(ARRAYS)
    features.add((key, ARRAYS[key]) for key in missing)


def start_filling(root):
    """A child that fills a store in small shards."""
    child = os.fork()
    if child == 0:
        try:
            store.SHARD_BYTES = 50_000
            fill(root)
        finally:
            os._exit(0)
    return child


def test_a_store_whose_filling_is_killed_gives_only_right_arrays(tmp_path, rounds, count):
    for number, moment in enumerate(moments(0.03, 10 * rounds, seed=5)):
        root = tmp_path / str(number)
        children = [start_filling(root) for _ in range(2)]  # two processes fill one store
        with subprocess.Popen(["sleep", f"{moment:.4f}"]) as waiting:
            waiting.wait()
        os.kill(children[0], signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        features = FeatureSet(root, DESCRIPTION)
        assert features.damaged == 0
        assert features.missing(ARRAYS) == []  # the other process filled it
        fill(root)
        again = FeatureSet(root, DESCRIPTION)
        assert again.missing(ARRAYS) == []
        assert all(np.array_equal(again.read(key), array) for key, array in ARRAYS.items())
        count("SIGKILL of one of two processes that fill a store")
        shutil.rmtree(root)


def test_a_run_folder_that_is_moved_goes_on(ready, undisturbed, tmp_path, rounds, count):
    folder, commands = ready
    expected, seconds = undisturbed("train")
    for number, moment in enumerate(moments(seconds, rounds, seed=9)):
        place, other = tmp_path / str(number), tmp_path / "another machine"
        shutil.copytree(folder, place)
        run(commands["train"], place, kill_after=moment)
        runs = [path for path in run_folders(place) if not (path / "result.json").exists()]
        if runs:
            shutil.copytree(runs[-1], other / "runs" / "moved")
            ended = run(("train", "--resume", "runs/moved"), other)
            assert ended.code == FINISHED, ended.output
            assert outcome(other / "runs" / "moved") == expected
            count("a run folder moved elsewhere, then the same bytes")
            shutil.rmtree(other)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_in_folders_of_root_is_refused_in_two_lines(ready, tmp_path_factory, count):
    folder, commands = ready
    place = tmp_path_factory.mktemp("locked")
    shutil.copytree(folder, place, dirs_exist_ok=True)
    for path in (place, *place.parents[:2]):
        path.chmod(0o755)

    def become_nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    for command in (commands["train"], ("predict", "--data", "lab", "--checkpoint", "base", "--out", "out.csv")):
        ended = run(command, place, become_nobody)
        assert ended.code == REFUSED, ended.output
        assert "Traceback" not in ended.output
        assert ended.output.splitlines()[-1].startswith("hint: ")
        assert not (place / "runs").exists() and not (place / "out.csv").exists()
        count("another user in a folder that only root may write")


def set_clock_back():
    """Let this process take every time of day for one of twenty years ago, one second earlier at each look."""
    looks = itertools.count(1)

    class Past(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2001, 1, 1, tzinfo=tz) - datetime.timedelta(seconds=next(looks))

    mmsent_cli.run_folders.datetime = SimpleNamespace(datetime=Past)
    time.time = lambda: Past.now().timestamp()
    time.time_ns = lambda: int(time.time() * 1e9)


@pytest.mark.parametrize("name", ALL)
def test_a_command_whose_clock_is_set_back_goes_on_to_the_same_bytes(ready, undisturbed, tmp_path, rounds, count, name):
    folder, commands = ready
    expected, seconds = undisturbed(name)
    for number, moment in enumerate(moments(seconds, rounds, seed=11 + len(name))):
        place = tmp_path / str(number)
        shutil.copytree(folder, place)
        run(commands[name], place, kill_after=moment)
        begun = run_folders(place)
        command = (name.replace("folds", "train"), "--resume", "latest") if begun else commands[name]
        if not begun or not (begun[-1] / "result.json").exists():
            ended = run(command, place, set_clock_back)
            assert ended.code == FINISHED, ended.output
        (made,) = run_folders(place)
        assert outcome(made) == expected
        count(f"clock set back while {name} goes on, then the same bytes")
        shutil.rmtree(place)


def test_a_run_is_the_newest_although_the_clock_was_set_back(ready, tmp_path, count):
    folder, commands = ready
    place = tmp_path / "place"
    shutil.copytree(folder, place)
    assert run(commands["train"], place).code == FINISHED
    assert run((*commands["train"], "--seed", 7), place, set_clock_back).code == FINISHED
    made = run_folders(place)[0]
    assert made.name.startswith("2000")
    ended = run(("predict", "--text", "hi", "--json"), place)
    assert made.name in ended.output
    count("a run of a clock that is set back is the newest")


def test_links_in_circles(ready, tmp_path, count):
    folder, commands = ready
    place = tmp_path / "place"
    shutil.copytree(folder, place)
    (place / "lab" / "loop").symlink_to(".")
    (place / "lab" / "data" / "loop.txt").symlink_to("loop.txt")
    (place / "lab" / "data" / "up").symlink_to("..")
    (place / "runs").mkdir()
    (place / "runs" / "latest").symlink_to("latest")
    assert run(commands["train"], place).code == FINISHED
    for loop in ("runs/circle", "lab/data/loop.txt"):
        if not os.path.lexists(place / loop):
            (place / loop).symlink_to(Path(loop).name)
        ended = run(("train", "--data", loop, *LIGHT), place)
        assert (ended.code, "Traceback" in ended.output) == (REFUSED, False), ended.output
        count("links in circles")


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_file_that_goes_during_a_run_is_no_traceback(ready, tmp_path, rounds, count, change):
    folder, commands = ready
    for number in range(2 * rounds):
        place = tmp_path / f"{number}"
        shutil.copytree(folder, place)
        chance = random.Random(number)
        names = chance.sample(sorted((place / "lab" / "data").glob("*")), 3)

        def spoil(names=names, chance=chance):
            from mmsent_cli.reports.progress import ProgressView

            show, at = ProgressView.__call__, chance.randrange(1, 12)
            seen = []

            def spoiling(self, event):
                seen.append(event)
                if len(seen) == at:
                    for name in names:
                        change(name)
                show(self, event)

            ProgressView.__call__ = spoiling

        ended = run(commands["train"], place, spoil)
        assert ended.code in (FINISHED, REFUSED), ended.output
        assert "Traceback" not in ended.output
        require_whole(place)
        shutil.rmtree(place)
        count("files that go or change during a run")
