"""A full disk: the error names the file, and what was there before stays whole."""

import errno
import os
import shlex
from pathlib import Path

import pytest
import torch

from mmsent_cli.features import store as features
from mmsent_cli.inference import rows
from mmsent_cli.inference.predictor import Predictor
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
    stopped = mmsent(*TRAIN)
    (run,) = run_folders()
    assert_refused(stopped, name, f"free some space and go on with: mmsent train --resume {run.absolute()}")
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


@pytest.mark.parametrize("kept", [0, 1])
def test_the_hint_of_a_prediction_leads_to_its_end(work, monkeypatch, kept):
    """After finished chunks it is `--resume`, before them the same command; nothing else has to be given."""
    succeed(*TRAIN)
    chunk = ("predict", "--data", "lab", "--out", "out.csv")
    monkeypatch.setattr(Predictor, "chunk_pairs", 1)
    succeed(*chunk)
    expected = Path("out.csv").read_bytes()
    Path("out.csv").unlink()
    is_full, opened = [True], Path.open

    def open_on_full_disk(self, mode="r", *arguments, **options):
        stream = opened(self, mode, *arguments, **options)
        if is_full and self.name == ".out.csv.partial" and mode == ("a" if kept else "x"):
            stream.write('{"prediction": ')
            stream.close()
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return stream

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    stopped = mmsent(*chunk)
    assert_refused(stopped, "out.csv", "free some space")
    is_full.clear()
    hint = stopped.stderr.splitlines()[-1]
    assert ("mmsent predict" in hint) == bool(kept)
    succeed(*(shlex.split(hint.partition("go on with: mmsent ")[2]) if kept else chunk))
    assert Path("out.csv").read_bytes() == expected
