"""`mmsent predict`: which checkpoint, which pairs, what is written."""

import contextlib
import csv
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mmsent_cli import api
from mmsent_cli.commands.app import app
from mmsent_cli.errors import ConfigError
from mmsent_cli.inference import predictor as module
from mmsent_cli.inference.partial import PartialPrediction
from mmsent_cli.progress import Stage
from mmsent_cli.run_folders import point_latest
from tests.commands.running import assert_refused, interrupted, mmsent, small_lab, succeed
from tests.data.builders import image_bytes


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A copy of the trained run in `runs`, and its data in `lab`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.parent, "runs", symlinks=True)
    return small_lab(tmp_path / "lab")


def predict(*arguments):
    return succeed("predict", "--data", "lab", *arguments, "--json")


def rows(path="out.csv"):
    with Path(path).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_way_to_name_a_checkpoint(ready, trained):
    best = f"runs/{trained.name}/best_model.pt"
    last = f"runs/{trained.name}/last.pt"
    shutil.copytree("runs", "elsewhere", symlinks=True)
    named = {
        (): best,
        ("--checkpoint", "best_model.pt"): best,
        ("--checkpoint", "last.pt"): last,
        ("--checkpoint", trained.name): best,
        ("--checkpoint", "latest"): best,
        ("--checkpoint", f"runs/{trained.name}"): best,
        ("--checkpoint", last): last,
        ("--runs-dir", "elsewhere"): best.replace("runs", "elsewhere"),
    }
    found = {how: predict(*how, "--out", "out.csv", "--force")["checkpoint"] for how in named}
    assert found == named
    shutil.copy(best, "mine.pt")
    shutil.rmtree("runs")
    assert predict("--checkpoint", "mine.pt", "--out", "out.csv", "--force")["checkpoint"] == "mine.pt"


@pytest.mark.parametrize("checkpoint", ["nope.pt", "nope/best_model.pt", "lab", "lab/train.txt"])
def test_a_checkpoint_that_is_none(ready, checkpoint):
    assert_refused(mmsent("predict", "--data", "lab", "--out", "out.csv", "--checkpoint", checkpoint), checkpoint)
    assert not Path("out.csv").exists()


def test_without_any_run(work):
    assert_refused(mmsent("predict", "--data", "lab", "--out", "out.csv"), "mmsent train")


def test_rows_keep_their_order_and_probabilities_sum_to_one(ready):
    guids = ["103", "7", "101", "102", "3"]
    for length, guid in enumerate(guids):
        (ready / f"data/{guid}.txt").write_text("word " * (7 - length))
    (ready / "test_without_label.txt").write_text("guid,tag\r\n" + "".join(f"{guid},null\r\n" for guid in guids))
    values = predict("--out", "new/folder/out.csv", "--probabilities")
    answers = rows("new/folder/out.csv")
    assert [row["guid"] for row in answers] == guids
    assert list(answers[0]) == ["guid", "tag", "missing", "negative", "neutral", "positive"]
    for row in answers:
        shares = {label: float(row[label]) for label in ("negative", "neutral", "positive")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == row["tag"]
    assert sum(values["counts"].values()) == values["pairs"] == 5


def test_a_pair_gets_the_same_answer_in_any_company(ready):
    predict("--out", "all.csv", "--probabilities")
    (ready / "test_without_label.txt").write_text("guid,tag\n102,null\n")
    predict("--out", "one.csv", "--probabilities")
    alone = succeed("predict", "--text", "text of 102", "--image", "lab/data/102.jpg", "--json")["prediction"]
    (of_all,) = [row for row in rows("all.csv") if row["guid"] == "102"]
    (of_one,) = rows("one.csv")
    for label, share in alone["probabilities"].items():
        assert float(of_all[label]) == pytest.approx(share, abs=2e-6)
        assert float(of_one[label]) == pytest.approx(share, abs=2e-6)


def test_a_missing_modality_is_marked(ready):
    (ready / "data/101.txt").unlink()
    (ready / "data/103.jpg").unlink()
    values = predict("--out", "out.csv", "--probabilities")
    assert [row["missing"] for row in rows()] == ["text", "", "image"]
    assert (values["missing_text"], values["missing_image"]) == (1, 1)
    assert any("101" in note and "103" in note for note in values["notes"])


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("--text", "a fine day", "--image", "lab/data/1.jpg"), ""),
        (("--text", "a fine day"), "image"),
        (("--image", "lab/data/1.jpg"), "text"),
        (("--text", " ", "--image", "lab/data/1.jpg"), "text"),
    ],
)
def test_one_pair(ready, arguments, missing):
    values = succeed("predict", *arguments, "--json")
    prediction = values["prediction"]
    assert (prediction["missing"], values["out"]) == (missing, None)
    weights = next(Path("runs").glob("*/best_model.pt")).read_bytes()
    assert values["model"]["checkpoint_digest"] == hashlib.blake2b(weights, digest_size=16).hexdigest()
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert max(prediction["probabilities"], key=prediction["probabilities"].get) == prediction["tag"]
    assert prediction["tag"] in mmsent("predict", *arguments).stdout


@pytest.mark.parametrize("arguments", [(), ("--text", "a", "--out", "o.csv"), ("--text", " ")])
def test_neither_a_file_nor_a_pair_or_both(ready, arguments):
    assert_refused(mmsent("predict", *arguments), "--text")


@pytest.mark.parametrize("content", [None, b"", b"a text", image_bytes(1, (200, 200))[:900]])
def test_an_image_that_cannot_be_read(ready, content):
    if content is not None:
        Path("my.jpg").write_bytes(content)
    assert_refused(mmsent("predict", "--text", "a", "--image", "my.jpg"), "my.jpg", "--image")


def test_a_manifest(ready):
    lines = [{"guid": f"p{n}", "text": f"words {n}", "image": f"lab/data/{n}.jpg"} for n in (3, 1, 2)]
    Path("new.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    succeed("predict", "--data", "new.jsonl", "--out", "out.csv")
    assert [row["guid"] for row in rows()] == ["p3", "p1", "p2"]


def test_an_output_is_overwritten_by_force_alone(ready):
    Path("out.csv").write_text("mine")
    assert_refused(mmsent("predict", "--data", "lab", "--out", "out.csv"), "out.csv", "--force")
    assert Path("out.csv").read_text() == "mine"
    predict("--out", "out.csv", "--force")
    assert len(rows()) == 3


@pytest.mark.parametrize("out", ["lab", "lab/train.txt/out.csv", "x" * 300])
def test_a_place_that_cannot_be_written(ready, out):
    before = sorted(Path().rglob("*"))
    assert_refused(mmsent("predict", "--data", "lab", "--out", out), out)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_a_prediction_that_stops_half_way_leaves_no_file(ready, monkeypatch, stop):
    from mmsent_cli.inference import predictor as module

    original = module.Predictor.predict

    def stopping(self, pairs):
        answers = original(self, pairs)
        yield next(answers)
        raise stop

    monkeypatch.setattr(module.Predictor, "predict", stopping)
    Path("old.csv").write_text("mine")
    before = sorted(Path().glob("*"))
    for out in ("out.csv", "old.csv"):
        result = mmsent("predict", "--data", "lab", "--out", out, "--force")
        assert result.exit_code == (130 if stop is KeyboardInterrupt else 1)
    assert Path("old.csv").read_text() == "mine"
    assert sorted(Path().glob("*")) == before


def test_progress_off_a_terminal_is_one_line_with_the_true_number(ready):
    for number in range(201, 241):
        shutil.copy(ready / "data/1.txt", ready / f"data/{number}.txt")
    with (ready / "test_without_label.txt").open("a") as stream:
        stream.writelines(f"{number},null\n" for number in range(201, 241))
    result = mmsent("predict", "--data", "lab", "--out", "out.csv", "--json")
    assert result.stderr.splitlines() == ["predicting: 43 pairs"]
    assert json.loads(result.stdout)["missing_image"] == 40


@pytest.fixture
def many(ready, monkeypatch):
    """Seventy pairs to predict, in chunks of sixteen."""
    monkeypatch.setattr("mmsent_cli.features.pipeline.CHUNK_BATCHES", 1)
    monkeypatch.setattr("mmsent_cli.compute.device.Compute.predict_batch", 16)
    guids = [str(number) for number in range(300, 370)]
    for guid in guids:
        (ready / f"data/{guid}.txt").write_text(f"word {guid} " * (int(guid) % 7 + 1))
        if guid != "305":
            shutil.copy(ready / "data/1.jpg", ready / f"data/{guid}.jpg")
    (ready / "test_without_label.txt").write_text("guid,tag\n" + "".join(f"{guid},null\n" for guid in guids))
    return ready


@pytest.mark.parametrize(("torn", "asked"), [(False, ("--probabilities",)), (True, ("--abstain-below", "0.36"))])
def test_an_interrupted_prediction_goes_on_to_the_same_bytes(many, monkeypatch, torn, asked):
    how = ("predict", "--data", "lab", "--out", "out.csv", *asked)
    whole = predict("--out", "whole.csv", *asked)
    assert ("--abstain-below" in asked) == (whole["abstained"] > 0)
    stopped = interrupted(monkeypatch, Stage, 3, *how)
    assert stopped.exit_code == 130
    assert not Path("out.csv").exists()
    (partial,) = Path().glob(".out.csv*")
    if torn:
        partial.write_text(partial.read_text() + '[["348", "neut')
    _, _, line = stopped.stderr.splitlines()[-1].partition("go on with: mmsent ")
    predicted = []
    predict_pairs = module.Predictor.predict
    monkeypatch.setattr(
        module.Predictor,
        "predict",
        lambda self, pairs: predict_pairs(self, (predicted.append(pair.guid) or pair for pair in pairs)),
    )
    with contextlib.chdir("lab"):
        values = succeed(*shlex.split(line), "--json")
    assert predicted == [str(number) for number in range(348, 370)]
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    same = ("pairs", "counts", "abstained", "missing_text", "missing_image", "replaced_characters")
    assert [values[name] for name in same] == [whole[name] for name in same]
    assert not list(Path().glob(".out.csv*"))


def test_what_cannot_be_resumed(many, monkeypatch):
    how = ("predict", "--data", "lab", "--out", "out.csv")
    assert_refused(mmsent(*how, "--resume"), "no unfinished prediction", "--resume")
    assert_refused(mmsent("predict", "--text", "a", "--resume"), "--out")
    interrupted(monkeypatch, Stage, 3, *how)
    go_on = f"mmsent predict --checkpoint {next(Path('runs').absolute().glob('2*'))}"
    assert_refused(mmsent(*how, "--resume", "--on-bad", "drop"), "another --on-bad", go_on, "--force")
    (many / "test_without_label.txt").write_text("guid,tag\n" + "".join(f"{guid},null\n" for guid in range(299, 369)))
    (many / "data/299.txt").write_text("new")
    assert_refused(mmsent(*how, "--resume"), "pairs have changed")
    assert_refused(mmsent(*how), "prediction into out.csv was interrupted", "--resume", "--force")
    assert_refused(mmsent(*how), go_on)
    assert len(list(Path().glob(".out.csv*"))) == 1, "nothing is lost"
    assert succeed(*how, "--force", "--json")["pairs"] == 70, "begun again"
    assert succeed(*how, "--resume", "--json")["notes"][0].startswith("nothing to do")
    assert not list(Path().glob(".out.csv*"))


def newer_run(trained, is_finished):
    """A run with another model, newer than the one that predicted."""
    newer = shutil.copytree(trained, Path("runs", f"29{trained.name[2:]}"))
    content = torch.load(newer / "best_model.pt", weights_only=True)
    torch.save({**content, "epoch": 7}, newer / "best_model.pt")
    if not is_finished:
        (newer / "result.json").unlink()
    point_latest(Path("runs"), newer.name)
    return newer


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_prediction_goes_on_with_the_checkpoint_that_it_was_begun_with(many, monkeypatch, trained, is_finished):
    how = ("predict", "--data", "lab", "--out", "out.csv")
    interrupted(monkeypatch, Stage, 3, *how)
    newer = newer_run(trained, is_finished)
    assert succeed("predict", "--text", "a", "--json")["checkpoint"].startswith(str(newer)) == is_finished
    named = succeed("predict", "--text", "a", "--checkpoint", newer, "--json")
    assert any("unfinished run" in note for note in named["notes"]) != is_finished
    assert_refused(mmsent(*how, "--resume", "--checkpoint", newer), "another checkpoint", trained.name)
    values = succeed(*how, "--resume", "--json")
    assert trained.name in values["checkpoint"]
    again = succeed(*how, "--resume", "--json")
    assert again["notes"][0].startswith("nothing to do") and again["counts"] == values["counts"]
    assert again["checkpoint"] == values["checkpoint"]


@pytest.mark.parametrize("change", ["probabilities", "data", "output", "checkpoint"])
def test_a_finished_output_of_another_prediction_is_kept(many, trained, change):
    how = ["predict", "--data", "lab", "--out", "out.csv", "--resume"]
    succeed(*how[:-1])
    if change == "data":
        (many / "data/301.txt").write_text("another text")
    elif change == "output":
        Path("out.csv").write_text("mine")
    how += {"probabilities": ["--probabilities"], "checkpoint": ["--checkpoint", newer_run(trained, True)]}.get(
        change, []
    )
    before = Path("out.csv").read_bytes()
    assert_refused(mmsent(*how), "out.csv exists already", "--force")
    assert Path("out.csv").read_bytes() == before


SHARES = [0.2, 0.3, 0.5]
SOUND = ["a", "positive", "", *SHARES]


@pytest.mark.parametrize(
    "line",
    [
        "5",
        "[[]]",
        '["abcdef"]',
        json.dumps([["a", "unknown", "", *SHARES]]),
        json.dumps([["a", "positive", 7, *SHARES]]),
        json.dumps([["a", "positive", "", "x", *SHARES[1:]]]),
        json.dumps([["a", "positive", "", float("nan"), *SHARES[1:]]]),
        json.dumps([SOUND[:-1]]),
        "[" * 100_000,
    ],
)
def test_damaged_chunks_of_an_unfinished_prediction_are_dropped(tmp_path, line):
    first, sound = json.dumps({"prediction": {}}), json.dumps([SOUND])
    path = tmp_path / ".out.csv.partial"
    path.write_text("\n".join([first, sound, line, sound]) + "\n")
    partial = PartialPrediction(tmp_path / "out.csv", {}, resume=True)
    assert list(partial.rows(("negative", "neutral", "positive"))) == [SOUND]
    assert path.read_text().splitlines() == [first, sound]


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_unfinished_predictions_are_kept_in_plain_files_alone(tmp_path, kind, resume):
    path, kept = tmp_path / ".out.csv.partial", tmp_path / "kept"
    kept.write_text(json.dumps({"prediction": {}}) + "\n")
    {"link": lambda: path.symlink_to(kept), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(ConfigError, match=f"is a {kind}"):
        PartialPrediction(tmp_path / "out.csv", {}, resume)
    assert os.path.lexists(path) and kept.read_text()


def test_a_text_may_come_from_standard_input(ready):
    typed = succeed("predict", "--text", "a gloomy day", "--json")["prediction"]
    piped = CliRunner().invoke(app, ["predict", "--text", "-", "--json"], input="a gloomy day\n")
    assert json.loads(piped.stdout)["prediction"] == typed
    assert_refused(CliRunner().invoke(app, ["predict", "--text", "-"], input="  \n"), "standard input")


@pytest.mark.parametrize("layout", ["lab", "csv"])
def test_the_live_view_gets_the_number_of_rows_from_the_beginning(ready, layout):
    """With one row that is dropped: the bar still ends full."""
    guids = [str(number) for number in range(301, 341)]
    for guid in guids:
        shutil.copy(ready / "data/1.txt", ready / f"data/{guid}.txt")
    (ready / "data/320.txt").unlink()
    (ready / "test_without_label.txt").write_text("guid,tag\n" + "".join(f"{guid},null\n" for guid in guids))
    lines = [f"{guid},{'' if guid == '320' else 'words'},,\n" for guid in guids]
    Path("pairs.csv").write_text("guid,text,image,tag\n" + "".join(lines))
    seen = []
    data = "lab" if layout == "lab" else "pairs.csv"
    api.predict(data, out="out.csv", on_bad="drop", progress=seen.append)
    assert [(event.done, event.total) for event in seen] == [(16, 40), (32, 40), (39, 39)]


def test_a_reader_that_goes_away_sees_no_traceback(ready):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "from mmsent_cli.__main__ import main; main()", "predict", "--text", "a"]
    done = subprocess.run([*command, "--json"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_predictions_in_the_folder_of_the_pairs_can_be_written_again(trained, tmp_path, monkeypatch):
    """A file beside the lists is read only if a list names it."""
    lab = shutil.copytree(trained.parents[1] / "lab", tmp_path / "lab")
    monkeypatch.chdir(lab)
    words = ("predict", "--data", lab, "--checkpoint", trained / "best_model.pt", "--force", "--out")
    for _ in range(2):
        assert succeed(*words, "submission.txt", "--json")["pairs"] == 3
    for name in ("train.txt", "test_without_label.txt", "data/1.txt", "data/101.txt"):
        before = Path(name).read_bytes()
        reason = ("101.jpg",) if name.endswith(".jpg") else (name, "an input")  # no predictions are written as an image
        assert_refused(mmsent(*words, name), *reason)
        assert Path(name).read_bytes() == before
