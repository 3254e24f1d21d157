"""`mmsent compare`: runs, checkpoints and prediction files."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from mmsent_cli import api
from tests.commands.running import assert_refused, mmsent, succeed


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """Two runs, `one` and `two`, in `runs`, and their data in `lab`; the second predicts one class for all."""
    monkeypatch.chdir(tmp_path)
    for name in ("20250101-000000-train-one", "20250102-000000-train-two"):
        shutil.copytree(trained, Path("runs", name))
    shutil.copytree(trained.parent.parent / "lab", "lab")
    file = Path("runs/20250102-000000-train-two/val_predictions.csv")
    frame = pd.read_csv(file).assign(predicted="neutral")
    frame.to_csv(file, index=False)
    return [str(path) for path in sorted(Path("runs").iterdir())]


def test_runs_are_compared_on_the_pairs_that_they_predicted(ready):
    values = succeed("compare", *ready, "--json")
    assert [model["name"] for model in values["models"]] == ["one", "two"]
    frame = pd.read_csv(f"{ready[0]}/val_predictions.csv")
    accuracies = [(frame["tag"] == predicted).mean() for predicted in (frame["predicted"], "neutral")]
    assert [model["accuracy"]["value"] for model in values["models"]] == pytest.approx(accuracies)
    assert values["differences"][0]["accuracy"]["difference"] == pytest.approx(accuracies[0] - accuracies[1])
    assert {"report.html", "differences.png", "result.json"} - {"differences.png"} <= {
        path.name for path in Path(values["run"]).iterdir()
    }
    again = succeed("compare", "20250101-000000-train-one", f"{ready[1]}/val_predictions.csv", "--json")
    assert again["differences"] == values["differences"]


def test_with_data_the_pairs_of_the_training_are_left_out(ready):
    values = succeed("compare", f"{ready[0]}/best_model.pt", ready[1], "--data", "lab", "--json")
    validation = len(pd.read_csv(f"{ready[0]}/val_predictions.csv"))
    assert values["pairs"] == validation
    assert values["differences"][0]["verdict"] == "not distinguishable"  # two copies of one checkpoint
    assert any("that it was trained on" in note for note in values["notes"])


def test_seeds_and_tables_from_python(ready):
    run = api.compare([ready[0], ready[1]], [ready[1], ready[0]])
    assert run.result.seeds == 2
    assert run.to_frame()["accuracy"].nunique() == 1
    assert run.to_frame("differences")["accuracy_difference"].tolist() == [0]
    typed = succeed("compare", f"{ready[0]},{ready[1]}", f"{ready[1]},{ready[0]}", "--json")
    assert len(typed["models"]) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("{0}",), "two models"),
        (("{0}", "nope"), "nope"),
        (("{0}", "nope,{1}"), "same number of seeds"),
        (("{0}", "unlabelled.csv"), "--data"),
        (
            ("{0}/best_model.pt", "{1}/best_model.pt", "--data", "other.csv", "--labels", "negative,mixed,positive"),
            "has the labels",
        ),
        (("{0}/best_model.pt", "{1}/best_model.pt", "--data", "known.csv"), "was trained on these pairs"),
    ],
)
def test_what_is_refused_leaves_no_run(ready, arguments, told):
    Path("unlabelled.csv").write_text("guid,tag\n1,neutral\n2,neutral\n")
    known = pd.read_csv("lab/train.txt").astype(str)
    known["text"], known["image"] = ("lab/data/" + known["guid"] + ending for ending in (".txt", ".jpg"))
    known.assign(tag=known["tag"].replace("neutral", "mixed")).to_csv("other.csv", index=False)
    training = json.loads(Path(ready[0], "split.json").read_text())["splits"][0]["train"]
    known[known["guid"].isin(training)].to_csv("known.csv", index=False)
    assert_refused(mmsent("compare", *(each.format(*ready) for each in arguments)), told)
    assert sorted(map(str, Path("runs").glob("2*"))) == ready


def test_a_checkpoint_that_does_not_record_its_pairs_may_be_tested_on_them(ready):
    path = Path(ready[0], "best_model.pt")
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["seen"]
    torch.save(checkpoint, path)
    values = succeed("compare", path, f"{ready[1]}/best_model.pt", "--data", "lab", "--json")
    assert any("does not record its training pairs" in note for note in values["notes"])
    assert values["differences"][0]["accuracy"]["difference"] == 0


def test_models_of_one_name_are_told_apart_by_their_runs(ready):
    """Two runs with the same name and seed; one of them is called an ensemble by its configuration."""
    second = Path("runs/20250102-000000-train-one")
    Path(ready[1]).rename(second)
    values = succeed("compare", ready[0], second, "--json")
    assert [model["name"] for model in values["models"]] == ["20250101-000000-train-one", second.name]
    config = json.loads((second / "config.json").read_text())
    config["split"]["folds"] = 5
    (second / "config.json").write_text(json.dumps(config))
    values = succeed("compare", ready[0], second, "--json")
    assert [model["name"] for model in values["models"]] == ["one", "one, 5 folds"]
    assert "--" not in Path(values["run"]).name
