"""Ctrl-C while the report of an experiment is written: the message says how to go on, and nothing is trained twice."""

import shutil

import pytest

from tests.commands.running import QUICK, mmsent, run_folders, small_lab, succeed

OPTIONS = ("--data", "lab", *QUICK, "--epochs", 1)
COMMANDS = {
    "train": OPTIONS,
    "tune": (*OPTIONS, "--rates", "1", "--decays", "1e-4"),
    "ablate": ("--retrain",),
    "compare-fusions": (*OPTIONS, "--fusions", "concat", "--seeds", 1),
    "augment-compare": (*OPTIONS, "--policies", "flip", "--seeds", 1),
    "paper": (*OPTIONS, "--seeds", 1),
}


def press(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A copy of the trained run, and its data; the names of the runs there are."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.parent, "runs", symlinks=True)
    small_lab(tmp_path / "lab")
    return {run.name for run in run_folders()}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_interruption_says_how_to_go_on(ready, monkeypatch, command):
    """`paper` is pressed in the report of its first step."""
    with monkeypatch.context() as patch:
        patch.setattr("mmsent_cli.finished_run.run_files", press)
        stopped = mmsent(command, *COMMANDS[command])
    (run,) = [run for run in run_folders() if run.name not in ready]
    assert stopped.exit_code == 130
    assert stopped.stderr.splitlines()[-1] == f"interrupted; go on with: mmsent {command} --resume {run.absolute()}"
    assert not (run / "result.json").exists()


def test_an_ablation_is_resumed_with_other_jobs_and_trains_nothing_twice(ready, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("mmsent_cli.finished_run.run_files", press)
        mmsent("ablate", *COMMANDS["ablate"])
    (run,) = [run for run in run_folders() if run.name not in ready]
    resumed = mmsent("ablate", "--resume", run.name, "--jobs", 1)
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stderr.count("done before") == 2
    whole = succeed("ablate", "--retrain", "--checkpoint", next(iter(ready)), "--json")
    assert (run / "result.json").read_bytes() == (run.parent / whole["run"].split("/")[-1] / "result.json").read_bytes()
