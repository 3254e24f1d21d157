"""Runs that were interrupted: what is left, what is said, and that `--resume` ends as if nothing had happened."""

import contextlib
import json
import shlex
import shutil
from pathlib import Path

import pytest

from mmsent_cli.progress import Epoch, Stage, Step
from tests.commands.running import (
    QUICK,
    RUN_FILES,
    assert_refused,
    epochs_of,
    interrupted,
    mmsent,
    run_folders,
    same_weights,
    small_lab,
    succeed,
    weights,
)
from tests.undrawn import leave_out_figures

TRAIN = ("train", "--data", "lab", *QUICK, "--epochs", 3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing disturbed; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        leave_out_figures(patch)
        return folder / succeed(*TRAIN, "--json")["run"]


@pytest.fixture
def interrupt(monkeypatch):
    """Press Ctrl-C at the n-th event of a kind."""
    return lambda kind, times: interrupted(monkeypatch, kind, times, *TRAIN)


def resume(spec):
    return succeed("train", "--resume", spec, "--json")


@pytest.mark.parametrize(("kind", "times"), [(Stage, 3), (Step, 3), (Epoch, 3)])
def test_an_interrupted_run_goes_on_to_the_same_end(work, empty_cache, whole, interrupt, kind, times):
    result = interrupt(kind, times)
    assert result.exit_code == 130
    assert isinstance(result.exception, SystemExit)
    (run,) = run_folders()
    _, _, told = result.stderr.splitlines()[-1].partition("go on with: mmsent ")
    Path("elsewhere").mkdir()
    with contextlib.chdir("elsewhere"):  # the line works from any folder
        values = succeed(*shlex.split(told), "--json")
    assert run_folders() == [run]
    assert {path.name for path in run.iterdir()} == RUN_FILES
    assert json.loads((run / "result.json").read_text()) == values
    assert epochs_of(run) == epochs_of(whole)
    for name in ("best_model.pt", "last.pt"):
        assert same_weights(weights(run, name), weights(whole, name))
    assert (run / "val_predictions.csv").read_bytes() == (whole / "val_predictions.csv").read_bytes()


def test_ctrl_c_before_there_is_a_run(work, interrupt):
    result = interrupt(Stage, 1)
    assert (result.exit_code, result.stderr.strip()) == (130, "interrupted; run the same command again")
    assert not Path("runs").exists()


def test_a_run_is_found_by_name_folder_latest_and_elsewhere(work, interrupt):
    interrupt(Epoch, 1)
    (run,) = run_folders()
    for place in ("copy", "runs/copy", "other/copy"):
        shutil.copytree(run, place)
    Path("other/latest").write_text("copy")  # where links are not allowed
    (Path("runs/latest")).unlink()
    Path("runs/latest").symlink_to(run.name)
    found = [resume("latest"), resume("copy"), resume("runs/copy")]
    found.append(succeed("train", "--resume", "latest", "--runs-dir", "other", "--json"))
    assert [Path(values["run"]) for values in found] == [run, *map(Path, ("copy", "runs/copy", "other/copy"))]
    assert len({values["accuracy"] for values in found}) == 1


def test_save_all_is_remembered(work, interrupt, monkeypatch):
    monkeypatch.setattr("tests.commands.test_resume.TRAIN", (*TRAIN, "--save-all", "--freeze-image", "all"))
    interrupt(Epoch, 1)
    (run,) = run_folders()
    resume("latest")
    assert any(name.startswith("image.") for name in weights(run))


def test_what_cannot_be_resumed(work, interrupt):
    assert_refused(mmsent("train", "--resume", "latest"), "mmsent train")
    interrupt(Epoch, 1)
    (run,) = run_folders()
    assert_refused(mmsent("train", "--resume", "nothing"), "nothing", run.name)
    assert_refused(mmsent("train", "--resume", "lab"), "lab")
    assert_refused(mmsent("train", "--resume", "latest", "--epochs", 5), "--resume", "mmsent train --config RUN-FOLDER")
    assert_refused(mmsent("train", "--resume", "latest", "--config", run), "--resume")
    (run / "last.pt").write_bytes((run / "last.pt").read_bytes()[:1000])
    assert_refused(mmsent("train", "--resume", "latest"), "last.pt")
    (run / "last.pt").unlink()
    resume("latest")
    assert_refused(mmsent("train", "--resume", "latest"), run.name)


def test_a_run_killed_while_it_was_set_up(work, interrupt):
    interrupt(Step, 1)
    (run,) = run_folders()
    for name in ("split.json", "environment.json"):
        (run / name).unlink()
    resume("latest")
    assert {path.name for path in run.iterdir()} == RUN_FILES


def test_data_that_changed_since_is_noticed(work, interrupt):
    interrupt(Epoch, 1)
    lines = (work / "train.txt").read_text().splitlines()
    (work / "train.txt").write_text("\n".join(line for line in lines if not line.startswith("5,")))
    assert_refused(mmsent("train", "--resume", "latest"), "5")
    assert len(run_folders()) == 1


@pytest.mark.parametrize("name", ["device", "engine"])
def test_a_run_does_not_go_on_over_another_device_or_engine(work, interrupt, name):
    interrupt(Epoch, 1)
    (run,) = run_folders()
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**environment, name: "another"}))
    assert_refused(mmsent("train", "--resume", "latest"), f"settings, data or device have changed: {name}", "--config")
