"""Predictions that are not given, JSON lines, and columns that are kept."""

import errno
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mmsent_cli.inference.rows import Tally
from mmsent_cli.inference.stream import findings_of_counts
from mmsent_cli.results import NEVER_ANSWERED, Prediction
from tests.commands.running import assert_refused, mmsent, small_lab, succeed


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A trained run, and a manifest with two columns more."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, Path("runs", trained.name))
    small_lab(tmp_path / "lab")
    rows = [
        {"guid": f"p{n}", "text": f"text of {n}", "image": f"lab/data/{n}.jpg", "who": f"user {n}"} for n in range(1, 9)
    ]
    pd.DataFrame(rows).to_csv("new.csv", index=False)
    return Path("runs", trained.name)


def predict(*arguments, out="out.csv"):
    values = succeed("predict", "--data", "new.csv", "--out", out, "--force", *arguments, "--json")
    return values, pd.read_csv(out, keep_default_na=False) if out.endswith("csv") else None


def test_labels_below_the_threshold_are_left_empty(ready):
    _, table = predict("--probabilities")
    confidence = table[["negative", "neutral", "positive"]].max(axis=1)
    threshold = sorted(confidence)[3] + 1e-7
    values, table = predict("--probabilities", "--abstain-below", threshold)
    assert (table["tag"] == "").tolist() == (confidence < threshold).tolist()
    assert values["abstained"] == sum(confidence < threshold) > 3
    assert sum(values["counts"].values()) == sum(confidence >= threshold) > 0


def test_a_probability_at_the_threshold_is_enough():
    """As in the share of answered pairs that a threshold was chosen by."""
    tally = Tally(3, 0.5)
    shares = [{"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.1, "b": 0.499, "c": 0.401}, {"a": 0.1, "b": 0.1, "c": 0.8}]
    given = [tally.count(Prediction(guid="", tag=max(each, key=each.get), probabilities=each)) for each in shares]
    assert (given, tally.abstained, tally.pairs) == ([True, False, True], 1, 3)
    assert dict(tally.tags) == {"a": 1, "b": 0, "c": 1}
    assert dict(tally.predicted) == {"a": 1, "b": 1, "c": 1}
    assert vars(Tally.from_plain(vars(tally))) == vars(tally)


def test_the_threshold_for_an_accuracy_comes_from_the_predictions_of_the_run(ready):
    file = ready / "val_predictions.csv"
    lines = [
        "guid,tag,predicted,negative,neutral,positive",
        "1,neutral,neutral,0,0.9,0.1",
        "2,neutral,neutral,0.3,0.7,0",
        "3,negative,neutral,0.4,0.6,0",
    ]
    file.write_text("\n".join(lines) + "\n")
    assert predict("--abstain-for-accuracy", 1)[0]["threshold"] == 0.7
    assert predict("--abstain-for-accuracy", 0.6)[0]["threshold"] == 0.6
    out_of_fold = ready / "oof_predictions.csv"  # pairs that no model was chosen on, so these come first
    out_of_fold.write_text("\n".join([*lines[:2], "2,neutral,neutral,0.2,0.8,0", lines[3]]) + "\n")
    assert predict("--abstain-for-accuracy", 1)[0]["threshold"] == 0.8
    out_of_fold.unlink()
    file.write_text("\n".join(lines).replace("1,neutral,", "1,positive,") + "\n")
    assert_refused(
        mmsent("predict", "--data", "new.csv", "--out", "o.csv", "--abstain-for-accuracy", 0.9), "no threshold reaches"
    )
    shutil.copy(ready / "best_model.pt", "mine.pt")
    elsewhere = ("--checkpoint", "mine.pt", "--abstain-for-accuracy", 0.5)
    assert_refused(mmsent("predict", "--data", "new.csv", "--out", "o.csv", *elsewhere), "--abstain-below")


def test_json_lines_hold_what_the_table_holds_and_kept_columns_stay_with_their_pairs(ready):
    frame = pd.read_csv("new.csv").astype(object)
    frame.loc[2, ["text", "image"]] = None  # is dropped
    frame.to_csv("new.csv", index=False)
    _, table = predict("--probabilities", "--keep", "who,text", "--on-bad", "drop")
    assert [int(guid[1:]) for guid in table["guid"]] == [int(who.split()[1]) for who in table["who"]]
    assert len(table) == 7
    predict("--keep", "who", "--on-bad", "drop", out="out.jsonl")
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == table["tag"].tolist()
    assert [row["who"] for row in rows] == table["who"].tolist()
    assert rows[0]["probabilities"]["neutral"] == pytest.approx(table["neutral"][0], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--abstain-below", 0.5, "--abstain-for-accuracy", 0.5), "leave out one"),
        (("--abstain-below", 1.5), "--abstain-below 1.5: the value must lie between 0 and 1"),
        (("--keep", "nobody"), "nobody"),
        (("--keep", "guid"), "guid"),
    ],
)
def test_what_is_refused_writes_no_file(ready, arguments, told):
    assert_refused(mmsent("predict", "--data", "new.csv", "--out", "o.csv", *arguments), told)
    assert not Path("o.csv").exists()


def test_one_pair_has_no_threshold(ready):
    assert_refused(mmsent("predict", "--text", "a", "--abstain-below", 0.5), "--out")


def test_a_class_that_was_as_seldom_predicted_in_training_is_no_finding(ready):
    """The label `neutral` is frequent, but the model predicted it for 1 of 100 validation pairs."""
    lines = [f"{number},neutral,{'neutral' if not number else 'positive'},0.2,0.3,0.5" for number in range(100)]
    (ready / "val_predictions.csv").write_text("\n".join(["guid,tag,predicted,negative,neutral,positive", *lines]))
    labels = ("negative", "neutral", "positive")
    known = SimpleNamespace(labels=labels, findings=(), seen=SimpleNamespace(classes=np.array([0, 1, 2, 1, 1, 2])))
    counts = {"negative": 300, "neutral": 4, "positive": 600}
    assert findings_of_counts(ready / "best_model.pt", known, counts) == ()
    (found,) = findings_of_counts(Path("alone.pt"), known, counts)
    assert found.kind == NEVER_ANSWERED


def test_many_unusable_pairs_are_listed_in_a_file(ready):
    for number in range(1, 8):
        Path(f"lab/data/{number}.jpg").write_text("no image")
    values, _ = predict("--on-bad", "blank")
    assert values["blanked"] == 7
    assert len(Path("out.csv.problems").read_text().splitlines()) == 7
    assert sum(": blanked: " in note for note in values["notes"]) == 5


def test_the_list_of_unusable_pairs_replaces_no_file_and_comes_before_the_output(ready, monkeypatch):
    for number in range(1, 8):
        Path(f"lab/data/{number}.jpg").write_text("no image")
    own = Path("out.csv.problems")
    own.write_text("mine")
    words = ("predict", "--data", "new.csv", "--on-bad", "blank", "--out")
    succeed(*words, "out.csv")
    assert own.read_text() == "mine"
    assert len(Path("out.csv.problems2").read_text().splitlines()) == 7
    succeed(*words, "out.csv", "--force")
    assert len(own.read_text().splitlines()) == 7
    own.unlink()
    own.mkdir()
    before = Path("out.csv").read_bytes()
    succeed(*words, "out.csv", "--force")
    write = Path.open

    def full(self, *arguments, **options):
        if "problems" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    stopped = mmsent(*words, "late.csv")
    assert_refused(stopped, "late.csv.problems", "free some space")
    assert not Path("late.csv").exists()
    assert Path("out.csv").read_bytes() == before
