"""`mmsent compare-fusions` and `mmsent augment-compare`: files, JSON, interruption, repetition, refusals."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from mmsent_cli.errors import DataError
from mmsent_cli.experiments import arms
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.progress import Epoch, Stage, Step
from tests.commands.running import (
    PROGRESS,
    QUICK,
    assert_refused,
    interrupted,
    mmsent,
    run_folders,
    small_lab,
    succeed,
    without_source,
)

ROOT = Path(__file__).parents[2]
COMPARE = ("compare-fusions", "--data", "lab", *QUICK, "--epochs", 2, "--fusions", "concat,gmu", "--seeds", 2)
AUGMENT = ("augment-compare", "--data", "lab", *QUICK, "--epochs", 2, "--policies", "flip,color", "--seeds", 2)
COMMANDS = {"compare-fusions": COMPARE, "augment-compare": AUGMENT}
ONCE = ("--seeds", 1, "--epochs", 1)
"""Options of a comparison that ends sooner."""
MODELS = {"compare-fusions": 8, "augment-compare": 6}
ISSUE_KEYS = {"fusion", "nested", "accuracy_difference", "p_adjusted", "verdict"}
FIGURES = {"compare-fusions": {"weights.png"}, "augment-compare": {"augmented.png", "weights.png"}}
FILES = {
    "accuracy.png",
    "arms",
    "config.json",
    "curves.png",
    "differences.png",
    "encoder_runs.json",
    "environment.json",
    "epochs.csv",
    "experiment.json",
    "losses.png",
    "report.html",
    "result.json",
    "split.json",
    "tables",
}

each_command = pytest.mark.parametrize("command", COMMANDS)


class Finished(NamedTuple):
    """A comparison that nothing disturbed, from an empty feature store; `cache` is its store, full by then."""

    values: dict[str, Any]
    folder: Path
    stderr: str
    cache: Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One of each command; not to be changed."""
    folder, runs = tmp_path_factory.mktemp("finished"), {}
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command, arguments in COMMANDS.items():
            patch.setenv("MMSENT_CACHE", str(folder / command))
            result = mmsent(*arguments, "--json")
            assert result.exit_code == 0, result.output
            values = json.loads(result.stdout)
            runs[command] = Finished(values, folder / values["run"], result.stderr, folder / command)
    return runs


@pytest.fixture
def interrupt(monkeypatch):
    """Press Ctrl-C at the n-th event of a kind."""
    return partial(interrupted, monkeypatch)


def kept(run, name="result.json"):
    return (Path(run) / name).read_bytes()


def figures(values):
    """A result without where and how long."""
    return {name: value for name, value in values.items() if name not in ("run", "seconds")}


@each_command
def test_a_comparison_writes_its_run_and_its_json(finished, command):
    values, folder, stderr, _ = finished[command]
    assert {path.name for path in folder.iterdir()} == FILES | FIGURES[command]
    assert json.loads(kept(folder)) == figures(values)
    assert all(arm.keys() >= ISSUE_KEYS for arm in values["arms"])
    assert values["seconds"] > 0
    assert len(list((folder / "arms").glob("*.json"))) == MODELS[command]
    assert f"mmsent {command} --config {folder}" in kept(folder, "report.html").decode()
    assert "\x1b" not in stderr
    assert sum(line.startswith("model ") for line in stderr.splitlines()) == MODELS[command]
    assert all(line.startswith((*PROGRESS, "model ")) for line in stderr.splitlines())


@each_command
def test_every_epoch_is_in_the_table(finished, command):
    values, folder, *_ = finished[command]
    with (folder / "epochs.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == MODELS[command] * 2
    for arm in values["arms"]:
        seeds = zip(("0", "1"), arm["curves"], strict=True)
        reported = [(seed, str(epoch["epoch"]), epoch["val_loss"]) for seed, curve in seeds for epoch in curve]
        own = [row for row in rows if row["name"] == arm["name"]]
        assert [(row["seed"], row["epoch"], float(row["val_loss"])) for row in own] == reported
        assert {(row["fusion"], row["augmentation"]) for row in own} == {(arm["fusion"], arm["augmentation"])}


def test_a_table_for_people(work):
    shown = mmsent(*COMPARE, "--epochs", 1, "--fusions", "gmu", "--seeds", 1)
    assert shown.exit_code == 0, shown.output
    (run,) = run_folders()
    assert run.name in shown.stdout
    assert all(arm["name"] in shown.stdout for arm in json.loads(kept(run))["arms"])


def test_the_list_of_fusions_trains_nothing(work):
    values = succeed("compare-fusions", "--list", "--encoders", "light", "--json")
    assert values["encoders"] == "light"
    assert [row["name"] for row in values["fusions"]] == list(FUSIONS)
    assert all(row["source"] and row["parameters"] > 0 for row in values["fusions"])
    shown = mmsent("compare-fusions", "--list", "--encoders", "light")
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in FUSIONS)
    assert not Path("runs").exists()


def test_the_list_is_about_the_encoders_of_a_configuration(work, finished):
    folder = finished["compare-fusions"].folder
    assert succeed("compare-fusions", "--list", "--config", folder, "--json")["encoders"] == "light"
    wide = succeed("compare-fusions", "--list", "--config", folder, "--head-hidden", "512", "--json")["fusions"]
    sizes = {row["name"]: row["parameters"] for row in wide}
    assert sizes["text-only"] == 256 * 512 + 512 + 512 * 3 + 3 + 256 * 3 + 3


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        ((*COMPARE, "--fusions", "concat,wieghted"), ("wieghted", "weighted")),
        ((*COMPARE, "--baseline", "cat"), ("cat", "concat")),
        ((*COMPARE, "--fusions", "gmu,gmu,gmu"), ("gmu", "twice")),
        ((*AUGMENT, "--policies", "flop"), ("flop", "flip")),
        ((*COMPARE, "--seeds", 0), ("seeds",)),
        ((*COMPARE, "--data", "nowhere"), ("nowhere",)),
        ((*COMPARE, "--text-encoder", "bert", "--weights-dir", "lab", "--offline"), ("bert",)),
    ],
)
def test_what_cannot_be_compared_leaves_no_run(work, arguments, reported):
    assert_refused(mmsent(*arguments), *reported)
    assert run_folders() == []
    assert not Path("runs/latest").is_symlink()


@each_command
def test_a_first_arm_that_fails_leaves_no_folder_behind(work, monkeypatch, command):
    before = Path(succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--json")["run"])
    original = arms.train_arm

    def fail_at(number):
        calls = []

        def train_arm(workspace, arm):
            calls.append(arm)
            if len(calls) == number:
                raise DataError("the disk is full", "free some space")
            return original(workspace, arm)

        with monkeypatch.context() as patch:
            patch.setattr(arms, "train_arm", train_arm)
            failed = mmsent(*COMMANDS[command], *ONCE)
        assert failed.exit_code == 1
        assert failed.stderr.splitlines()[-2:] == ["error: the disk is full", "hint: free some space"]

    fail_at(1)
    assert run_folders() == [before]
    assert Path("runs/latest").resolve() == before.resolve()
    fail_at(3)
    assert len(run_folders()) == 2
    resumed = mmsent(command, "--resume", "latest")
    assert resumed.exit_code == 0
    assert resumed.stderr.count("done before") == 2


@pytest.mark.parametrize(
    ("command", "kind", "times"),
    [
        ("compare-fusions", Stage, 3),  # the images are being encoded
        ("compare-fusions", Epoch, 8),
        ("augment-compare", Step, 22),
    ],
)
def test_an_interrupted_comparison_goes_on_to_the_same_end(
    work, empty_cache, finished, interrupt, command, kind, times
):
    stopped = interrupt(kind, times, *COMMANDS[command])
    assert stopped.exit_code == 130
    assert isinstance(stopped.exception, SystemExit)
    (run,) = run_folders()
    assert stopped.stderr.splitlines()[-1].endswith(f"mmsent {command} --resume {run.absolute()}")
    done = sorted((run / "arms").glob("*.npz"))
    for damaged in done[:1]:  # is trained again
        damaged.write_bytes(damaged.read_bytes()[:-1])
    resumed = mmsent(command, "--resume", "latest", "--json")
    assert resumed.stderr.count("done before") == max(len(done) - 1, 0)
    values = json.loads(resumed.stdout)
    assert run_folders() == [run]
    for name in ("result.json", "epochs.csv"):
        assert kept(run, name) == kept(finished[command].folder, name)
    assert figures(values) == figures(finished[command].values)


def test_an_interruption_names_a_folder_that_lies_elsewhere(work, interrupt):
    stopped = interrupt(Epoch, 1, *COMPARE, *ONCE, "--runs-dir", "other/runs")
    (run,) = run_folders(Path("other/runs"))
    assert stopped.stderr.splitlines()[-1].endswith(f"mmsent compare-fusions --resume {run.absolute()}")
    succeed("compare-fusions", "--resume", run)
    assert (run / "result.json").is_file()


SIDE_BY_SIDE = """
import os, signal
from mmsent_cli.__main__ import main
from mmsent_cli.progress import Epoch
from mmsent_cli.reports.progress import ProgressView

def show(self, event):
    if isinstance(event, Epoch):
        print(*open(f"/proc/self/task/{os.getpid()}/children").read().split(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    ProgressView.__call__ = show
    main()
"""


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the processes that a process has begun")
def test_a_comparison_killed_while_two_models_train_leaves_no_process(work, empty_cache):
    arguments = [sys.executable, "-c", SIDE_BY_SIDE, *map(str, COMPARE), "--jobs", "2"]
    with Path("children.txt").open("w") as stream:
        streams = {"stdout": stream, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        killed = subprocess.run(arguments, **streams, env=environment, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    children = [Path("/proc", number) for number in Path("children.txt").read_text().split()]
    assert len(children) == 3  # two trainers, and what multiprocessing has to clean up
    for _ in range(300):
        if not any(child.exists() for child in children):
            break
        time.sleep(0.1)
    assert not any(child.exists() for child in children)


@pytest.mark.faults
def test_ctrl_c_while_two_models_train_ends_both_and_resume_takes_fewer_jobs(work, empty_cache, finished, interrupt):
    stopped = interrupt(Epoch, 1, *COMPARE, "--jobs", 2)
    (run,) = run_folders()
    assert stopped.stderr.splitlines()[-1].endswith(f"mmsent compare-fusions --resume {run.absolute()}")
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    assert mmsent("compare-fusions", "--resume", run.name, "--jobs", 1).exit_code == 0
    assert kept(run, "result.json") == kept(finished["compare-fusions"].folder, "result.json")


def test_what_cannot_be_resumed(work, interrupt):
    assert_refused(mmsent("compare-fusions", "--resume", "latest"), "contains no run")
    interrupt(Epoch, 1, *COMPARE, *ONCE)
    (run,) = run_folders()
    assert_refused(mmsent("compare-fusions", "--resume", "nothing"), "nothing", run.name)
    for arguments in (("--seeds", 5), ("--fusions", "gmu"), ("--epochs", 5), ("--config", run)):
        assert_refused(mmsent("compare-fusions", "--resume", "latest", *arguments), "--resume")
    for command in ("train", "augment-compare", "ablate"):
        told = f"mmsent compare-fusions --resume {run.absolute()}"
        assert_refused(mmsent(command, "--resume", run.name), "a run of mmsent compare-fusions", told)
    succeed("compare-fusions", "--resume", "latest")
    assert_refused(mmsent("compare-fusions", "--resume", "latest"), run.name, "finished")
    trained = Path(succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--json")["run"])
    (trained / "result.json").unlink()
    assert_refused(
        mmsent("compare-fusions", "--resume", "latest"), "a run of mmsent train", f"--resume {trained.absolute()}"
    )
    assert len(run_folders()) == 2


@each_command
def test_the_folder_of_a_comparison_repeats_it(work, finished, monkeypatch, command):
    values, folder, _, cache = finished[command]
    monkeypatch.setenv("MMSENT_CACHE", str(cache))
    again, first = (without_source(figures(each)) for each in (succeed(command, "--config", folder, "--json"), values))
    assert first["setup"]["encoder_runs"] == {"text": 18, "image": 18}
    nothing = {"encoder_runs": {"text": 0, "image": 0}}
    assert again == {**first, "setup": {**first["setup"], **nothing}}
    changed = succeed(command, "--config", folder, "--seeds", 1, "--epochs", 1, "--json")
    assert changed["setup"]["seeds"] == [0]
    assert [arm["name"] for arm in changed["arms"]] == [arm["name"] for arm in values["arms"]]
    assert [len(arm["curves"][0]) for arm in changed["arms"]] == [1] * len(values["arms"])


def test_a_comparison_may_start_from_another_runs_settings(work):
    trained = succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--seed", 4, "--json")["run"]
    values = succeed("compare-fusions", "--config", trained, "--fusions", "concat", "--seeds", 1, "--json")
    assert (values["setup"]["seeds"], values["setup"]["epochs"]) == ([4], 1)
    other = succeed("augment-compare", "--config", values["run"], "--seeds", 1, "--json")
    assert [arm["name"] for arm in other["arms"]] == ["none", "standard"]
    assert (other["setup"]["seeds"], other["setup"]["epochs"]) == ([4], 1)
    assert {arm["fusion"] for arm in other["arms"]} == {"weighted"}


def test_training_a_fusion_repeats_its_arm(work, finished):
    values = finished["compare-fusions"].values
    trained = succeed("train", *COMPARE[1:-4], "--fusion", "gmu", "--seed", 1, "--json")
    arm = next(arm for arm in values["arms"] if arm["name"] == "gmu")
    names = list(arm["curves"][1][0])
    assert [{name: epoch[name] for name in names} for epoch in trained["history"]] == arm["curves"][1]
    assert arm["best"]["accuracies"][1] == trained["accuracy"]
    assert values["setup"]["majority_accuracy"] == trained["majority_accuracy"]
