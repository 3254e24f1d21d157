"""`mmsent evaluate`: a checkpoint or a prediction file, on its own pairs or on others."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mmsent_cli import api
from tests.commands.running import QUICK, assert_refused, mmsent, succeed


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A copy of the trained run in `runs`, and of its data in `lab`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.parent, "runs", symlinks=True)
    shutil.copytree(trained.parent.parent / "lab", "lab")
    return Path("runs", trained.name)


def manifest(name="pairs.csv", *guids, **columns):
    """Pairs of the lab layout as a manifest."""
    tags = dict(line.split(",") for line in Path("lab/train.txt").read_text().splitlines()[1:])
    rows = [
        {"guid": f"new-{guid}", "text": f"other text {guid}", "image": f"lab/data/{guid}.jpg", "tag": tags[guid]}
        for guid in guids or tags
    ]
    frame = pd.DataFrame(rows).assign(**columns)
    frame.to_csv(name, index=False)
    return name


def test_the_runs_own_pairs_without_its_training_pairs_are_its_validation_pairs(ready):
    values = succeed("evaluate", ready, "--json")
    trained = json.loads((ready / "result.json").read_text())
    assert (values["in_training"], values["pairs"]) == (trained["train_pairs"], trained["val_pairs"])
    assert values["accuracy"]["value"] == trained["accuracy"]
    assert values["confusion"] == trained["best"]["confusion"]
    names = {path.name for path in Path(values["run"]).iterdir()}
    assert names >= {"config.json", "environment.json", "predictions.csv", "report.html", "result.json"}
    written = (Path(values["run"]) / "predictions.csv").read_text()
    assert sorted(written.splitlines()) == sorted((ready / "val_predictions.csv").read_text().splitlines())


def test_predictions_and_the_checkpoint_behind_them_have_the_same_scores(ready):
    data = manifest()
    (Path("lab") / "other.csv").write_text("")
    frame = pd.read_csv(data)
    frame.drop(columns="tag").to_csv("unlabelled.csv", index=False)
    succeed("predict", "--data", "unlabelled.csv", "--out", "out.csv", "--probabilities", "--checkpoint", ready)
    by_file = succeed("evaluate", "out.csv", "--data", data, "--json")
    by_model = succeed("evaluate", ready, "--data", data, "--json")
    assert by_model["near_training"] > 0  # the images are those of the training
    of_all = [group for group in by_model["groups"] if group["by"] == "training"]
    assert sum(group["pairs"] for group in of_all) == by_file["pairs"] == len(frame)
    right = sum(group["pairs"] * group["accuracy"]["value"] for group in of_all)
    assert by_file["accuracy"]["value"] == pytest.approx(right / len(frame))


def test_scores_by_a_column_and_as_tables(ready):
    data = manifest("pairs.csv", "1", "2", "3", "4", language=["de", "de", "en", ""])
    run = api.evaluate("latest", data, by=["language"])
    table = run.to_frame("groups")
    assert table[table["by"] == "language"][["name", "pairs"]].to_numpy().tolist()[0] == ["de", 2]
    assert run.to_frame()["metric"].tolist() == ["accuracy", "macro_f1", "weighted_f1"]
    assert run.to_frame("classes")["precision_low"].between(0, 1).all()
    assert run.read_json("experiment.json")["command"] == "evaluate"


def test_the_label_map_and_the_columns_of_the_training_are_used_again(ready):
    """Labels that are written as in the training, and labels that have their new names already."""
    mapped = ("--label-map", "0=negative,1=neutral,2=positive")
    frame = pd.read_csv(manifest()).rename(columns={"tag": "mood", "text": "post"})
    numbers = {"negative": 0, "neutral": 1, "positive": 2}
    frame.assign(mood=frame["mood"].map(numbers)).to_csv("numbers.csv", index=False)
    frame.iloc[:9].assign(post="later text").to_csv("later.csv", index=False)
    columns = ("--tag-column", "mood", "--text-column", "post")
    run = succeed("train", "--data", "numbers.csv", *columns, *mapped, *QUICK, "--epochs", 1, "--json")["run"]
    for name in ("numbers.csv", "later.csv"):
        values = succeed("evaluate", run, "--data", name, "--json")
        assert values["labels"] == ["negative", "neutral", "positive"]
    other = succeed("train", "--data", "numbers.csv", *columns, *mapped, *QUICK, "--epochs", 1, "--seed", 1, "--json")
    frame.assign(mood=frame["mood"].map(numbers), post="later").to_csv("mine.csv", index=False)
    compared = succeed("compare", run, other["run"], "--data", "mine.csv", "--json")
    assert compared["labels"] == ["negative", "neutral", "positive"]


def test_a_pair_may_lack_its_text_or_its_image(ready):
    frame = pd.read_csv(manifest()).astype(object)
    frame.loc[0, "image"], frame.loc[1, "text"] = None, None
    frame.to_csv("gaps.csv", index=False)
    values = succeed("evaluate", ready, "--data", "gaps.csv", "--json")
    assert {group["name"] for group in values["groups"] if group["by"] == "training"} >= {"not in training"}


def test_an_evaluation_is_not_taken_for_a_trained_model(ready):
    succeed("evaluate", ready, "--json")
    values = succeed("predict", "--data", "lab", "--out", "out.csv", "--json")
    assert values["checkpoint"] == str(ready / "best_model.pt")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nope",), "no run and no file called nope"),
        (("out.csv",), "--data"),
        (("--data", "lab", "--by", "language"), "language"),
        (("out.csv", "--by", "language"), "needs a table"),
        (("--data", "pairs.csv", "--by", "languag"), "languag"),
        (("--data", "strange.csv"), "unknown tag"),
    ],
)
def test_what_is_refused_leaves_no_run(ready, arguments, told):
    manifest()
    Path("out.csv").write_text("guid,tag\n1,neutral\n2,neutral\n")
    Path("strange.csv").write_text(Path("pairs.csv").read_text().replace("neutral", "odd"))
    before = sorted(Path("runs").iterdir())
    assert_refused(mmsent("evaluate", *arguments), told)
    assert sorted(Path("runs").iterdir()) == before


def test_a_checkpoint_elsewhere_still_knows_its_training_pairs(ready):
    shutil.copy(ready / "best_model.pt", "mine.pt")
    shutil.rmtree("runs")
    assert_refused(mmsent("evaluate", "mine.pt"), "--data")
    values = succeed("evaluate", "mine.pt", "--data", "lab", "--json")
    assert values["in_training"] > 0


@pytest.mark.parametrize("model", [(), ("predictions.csv",)])
def test_a_column_that_is_not_there_is_found_before_anything_is_read(ready, monkeypatch, model):
    manifest()
    Path("predictions.csv").write_text("guid,tag\n")
    for name in ("Predictor", "load_judged"):
        monkeypatch.delattr(f"mmsent_cli.after_training.evaluate.{name}")
    named = mmsent("evaluate", *model, "--data", "pairs.csv", "--by", "tagg")
    assert_refused(named, "no column 'tagg'; did you mean tag?", "its columns are guid, text, image, tag")


@pytest.mark.parametrize("option", [("--limit", 10), ("--exclude-labels", "neutral"), ("--label-map", "negative=bad")])
def test_options_of_the_pairs_need_pairs(ready, option):
    assert_refused(mmsent("evaluate", ready / "val_predictions.csv", *option), f"{option[0]}: there are no pairs")
