"""Outputs of commands: standard output, inputs that are never overwritten, and names of files that are no UTF-8."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.commands.running import QUICK, assert_refused, mmsent, run_folders, small_lab, succeed


@pytest.fixture
def ready(work, trained):
    """A finished run in `runs`, beside the lab layout."""
    shutil.copytree(trained.parent, "runs", symlinks=True)
    return work


def everything():
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_predictions_on_standard_output_are_those_of_a_file(ready):
    succeed("predict", "--data", "lab", "--out", "out.csv")
    printed = succeed("predict", "--data", "lab", "--out", "-")
    assert printed.stdout == Path("out.csv").read_text()
    assert "data: " in printed.stderr
    assert not Path("-").exists()
    assert_refused(mmsent("predict", "--data", "lab", "--out", "-", "--json"), "--json")


def test_a_split_on_standard_output_is_that_of_a_file(work):
    succeed("split", "--data", "lab", "--out", "s.json")
    assert succeed("split", "--data", "lab", "--out", "-").stdout == Path("s.json").read_text()
    assert_refused(mmsent("split", "--data", "lab", "--out", "-", "--json"), "--json")


@pytest.mark.parametrize(
    "name",
    ["runs/latest/best_model.pt", "lab/data/1.txt", "lab/data/101.jpg", "lab/train.txt", "hard.txt", "runs/latest"],
)
def test_predict_never_overwrites_what_it_reads(ready, name):
    Path("hard.txt").hardlink_to("lab/data/102.txt")
    before = everything()
    assert_refused(mmsent("predict", "--data", "lab", "--out", name, "--force"), Path(name).name)
    assert everything() == before


def test_an_image_that_a_manifest_names_is_never_overwritten(ready):
    rows = [f"{number},text {number},lab/data/{number}.jpg" for number in (1, 2, 3)]
    Path("new.csv").write_text("\n".join(["guid,text,image", *rows, ""]))
    before = everything()
    for name in ("new.csv", "lab/data/2.jpg"):
        assert_refused(mmsent("predict", "--data", "new.csv", "--out", name, "--force"), name)
    assert everything() == before


@pytest.mark.parametrize("name", ["lab/train.txt", "lab/data/3.txt", "lab/data/3.jpg"])
def test_split_never_overwrites_what_it_reads(work, name):
    before = everything()
    assert_refused(mmsent("split", "--data", "lab", "--out", name, "--force"), name)
    assert everything() == before


def test_copies_never_replace_the_texts(work):
    for path in (work / "data").iterdir():
        path.rename(work / path.name)
    (work / "data").rmdir()
    Path("copies").mkdir()
    Path("copies/1.txt").hardlink_to(work / "1.txt")
    (work / "2.txt").unlink()
    (work / "2.txt").symlink_to("../copies/2.txt")
    Path("copies/2.txt").write_text("text of 2\n")
    Path("again").symlink_to("lab")
    before = everything()
    for folder in ("copies", "lab", "again", "lab/../lab", "-"):
        assert_refused(mmsent("inspect-encoding", "--data", "lab", "--convert-to", folder, "--force"))
    assert everything() == before


FOREIGN = os.fsdecode(b"\xca\xb5\xd1\xe9-caf\xc3\xa9")
"""A name in GBK, as `unzip` leaves it on Linux."""


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        small_lab(tmp_path / FOREIGN)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    return tmp_path / FOREIGN


def test_a_folder_whose_name_is_no_utf_8_trains_and_is_trained_again(foreign):
    options = ("--epochs", 1, "--runs-dir", Path(FOREIGN, "runs"))
    values = succeed("train", "--data", FOREIGN, *QUICK, *options, "--json")
    run = Path(values["run"])
    for path in (path for path in run.rglob("*") if path.is_file() and path.suffix not in (".pt", ".png")):
        path.read_bytes().decode("utf-8")
    assert Path(json.loads((run / "config.json").read_text())["data"]["data"]).is_dir()
    again = succeed("train", "--config", run, "--runs-dir", "runs", "--json")
    assert again["accuracy"] == values["accuracy"]
    assert len(run_folders()) == 1
    succeed("predict", "--data", FOREIGN, "--checkpoint", run, "--out", Path(FOREIGN, "out.csv"))
    succeed("split", "--data", FOREIGN, "--out", Path(FOREIGN, "s.json"))


def test_guids_that_are_no_utf_8_are_predicted_and_written_as_escapes(ready):
    shutil.copy("lab/data/1.txt", Path("lab", f"{FOREIGN}.txt"))
    Path("lab/test_without_label.txt").unlink()
    Path("lab/train.txt").unlink()
    succeed("predict", "--data", "lab", "--out", "out.csv")
    assert "caf" in Path("out.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("typed", [os.fsdecode(b"\xc4\xe3\xba\xc3"), "lone \ud800 surrogate"])
def test_a_typed_text_that_cannot_be_decoded_is_predicted_and_counted(ready, typed):
    values = succeed("predict", "--text", typed, "--json")
    assert values["replaced_characters"] > 0
    assert values["prediction"]["tag"] in ("negative", "neutral", "positive")
