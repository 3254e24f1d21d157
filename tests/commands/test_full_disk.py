"""A full disk: the error names the file, and what was there before stays whole."""

import errno
import os
from pathlib import Path

import pytest
import torch

from mmsent_cli.features import store as features
from mmsent_cli.inference import rows
from tests.commands.running import QUICK, RUN_FILES, assert_refused, epochs_of, mmsent, run_folders, succeed

pytestmark = pytest.mark.usefixtures("empty_cache")


TRAIN = ("train", "--data", "lab", *QUICK, "--epochs", 2)


@pytest.fixture
def full_at(monkeypatch):
    """Let the disk be full for the n-th writing of a file."""
    write, seen = Path.write_bytes, []

    def fill(name, times=1):
        def write_or_fail(self, content):
            seen.append(self.name.startswith(f".{name}."))
            if seen[-1] and sum(seen) == times:
                write(self, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(self, content)

        monkeypatch.setattr(Path, "write_bytes", write_or_fail)

    return fill


@pytest.mark.parametrize("name", ["config.json", "environment.json", "best_model.pt"])
def test_before_anything_is_trained_no_run_is_left(work, full_at, name):
    full_at(name)
    assert_refused(mmsent(*TRAIN), name, "free some space")
    assert list(Path("runs").iterdir()) == []


@pytest.mark.parametrize("name", ["last.pt", "metrics.jsonl"])
def test_in_the_second_epoch_the_first_stays_whole_and_the_run_goes_on(work, full_at, name):
    full_at(name, times=2)
    assert_refused(mmsent(*TRAIN), name, "free some space")
    (run,) = run_folders()
    assert not list(run.glob(".*"))
    assert torch.load(run / "last.pt", weights_only=True)["epoch"] == 1
    assert "state" in torch.load(run / "best_model.pt", weights_only=True)
    assert [epoch["epoch"] for epoch in epochs_of(run)] == [1, 2][: 1 if name == "metrics.jsonl" else 2]
    assert succeed("train", "--resume", run.name, "--json")["epochs"] == 2
    assert [epoch["epoch"] for epoch in epochs_of(run)] == [1, 2]


@pytest.mark.parametrize("name", ["curves.png", "report.html", "result.json"])
def test_after_training_the_run_can_be_finished(work, full_at, name):
    full_at(name)
    assert_refused(mmsent(*TRAIN), name)
    (run,) = run_folders()
    assert not (run / "result.json").exists()
    assert succeed("train", "--resume", run, "--json")["epochs"] == 2
    assert {path.name for path in run.iterdir()} == RUN_FILES


def test_in_the_feature_store(work, monkeypatch):
    def refuse(self, key, array):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(features._ShardWriter, "append", refuse)
    assert_refused(mmsent(*TRAIN), "features", "free some space")
    assert not run_folders()
    assert not list(Path(os.environ["MMSENT_CACHE"]).rglob("*.bin"))


def test_in_a_prediction(work, monkeypatch):
    succeed(*TRAIN)

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rows.RowWriter, "write", refuse)  # the header is written by then
    before = sorted(Path().iterdir())
    assert_refused(mmsent("predict", "--data", "lab", "--out", "out.csv"), "out.csv", "free some space")
    assert sorted(Path().iterdir()) == before
