"""The line under "Next" of every command works as printed, from another folder."""

import contextlib
import json
import shlex
import shutil
from pathlib import Path

import pytest

from mmsent_cli import api
from mmsent_cli.next_steps import next_commands
from mmsent_cli.results import ONE_CLASS
from tests.commands.running import QUICK, mmsent, small_lab, succeed
from tests.data.builders import TAGS, image_bytes

SMALL = (*QUICK, "--epochs", 1)
COLUMNS = {"guid": "post_id", "text": "caption", "image": "photo_path", "tag": "verdict"}
NAMED = [word for name, column in COLUMNS.items() for word in (f"--{name}-column", column)]


def next_line(*arguments):
    """The command that a command suggests, as words."""
    shown = succeed(*arguments).stdout
    line = shown.splitlines()[-1].strip()
    assert line.startswith("mmsent "), shown
    return shlex.split(line)[1:]


def run_elsewhere(words):
    """Run a suggested command in an empty folder; its result as JSON."""
    Path("elsewhere").mkdir(exist_ok=True)
    with contextlib.chdir("elsewhere"):
        return succeed(*words, "--json")


def write_table(path: Path, labelled=18, unlabelled=4):
    """A table with columns of its own, whose last rows have no label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS.values())]
    for number in range(labelled + unlabelled):
        (path.parent / f"{number}.jpg").write_bytes(image_bytes(number))
        tag = TAGS[number % 3] if number < labelled else ""
        lines.append(f"{number},text of {number},{number}.jpg,{tag}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("where", ["data in this folder", "folder named", "table named", "runs elsewhere"])
def test_after_train_the_unlabelled_pairs_are_predicted(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    options = {
        "data in this folder": (),
        "folder named": ("--data", "my lab"),
        "table named": ("--data", "table/posts.csv", *NAMED),
        "runs elsewhere": ("--data", "my lab", "--runs-dir", "other runs"),
    }[where]
    small_lab(tmp_path / ("data" if not options else "my lab"))
    write_table(tmp_path / "table/posts.csv")
    words = next_line("train", *options, *SMALL)
    values = run_elsewhere(words)
    assert values["pairs"] == (4 if where == "table named" else 3)
    assert Path("elsewhere", values["out"]).is_file()
    runs = Path("other runs" if where == "runs elsewhere" else "runs")
    assert Path(values["checkpoint"]) == (runs / "latest").resolve() / "best_model.pt"


def test_after_train_without_unlabelled_pairs_a_text_is_predicted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = write_table(tmp_path / "posts.csv", unlabelled=0)
    values = run_elsewhere(next_line("train", "--data", table, *NAMED, *SMALL))
    assert values["prediction"]["tag"] in TAGS


def test_a_file_in_the_way_is_not_suggested(work):
    Path("submission.txt").write_text("mine")
    words = next_line("train", "--data", "lab", *SMALL)
    assert succeed(*words, "--json")["out"] == "submission-2.txt"
    assert Path("submission.txt").read_text() == "mine"


def test_after_a_training_that_learned_nothing_it_is_trained_with_other_settings(work):
    small_lab(work.parent / "many", pairs=60)
    words = next_line("train", "--data", "many", *SMALL, "--batch-size", 30, "--head-lr", 1e-9, "--encoder-lr", 1e-9)
    first = json.loads(Path("runs/latest/result.json").read_text())
    assert [finding["kind"] for finding in first["findings"]] == [ONE_CLASS]
    values = run_elsewhere(words)
    assert (values["epochs"], values["train_pairs"]) == (10, first["train_pairs"])


EXPERIMENTS = {
    "tune": ("--rates", "1", "--decays", "0.01"),
    "compare-fusions": ("--fusions", "concat,gmu", "--seeds", 1),
    "augment-compare": ("--seeds", 1, "--fusion", "concat"),
}


@pytest.mark.parametrize("command", EXPERIMENTS)
def test_after_an_experiment_its_best_settings_are_trained(work, command):
    words = next_line(command, "--data", "lab", *SMALL, *EXPERIMENTS[command], "--runs-dir", "mine")
    result = json.loads(Path("mine/latest/result.json").read_text())
    values = run_elsewhere(words)
    assert Path(values["run"]).parent == Path("mine").absolute()
    if command == "tune":
        assert values["accuracy"] == result["trials"][result["best"]]["accuracy"]
    else:
        assert values["fusion"] == "concat"
        assert values["train_pairs"] == result["setup"]["train_pairs"]


def test_after_a_prediction_it_is_explained(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab = trained.parent.parent / "lab"
    image = lab / "data/1.jpg"
    single = run_elsewhere(next_line("predict", "--checkpoint", trained, "--text", "it's fine", "--image", image))
    assert single["explanations"][0]["text"] == "it's fine"
    words = next_line("predict", "--checkpoint", trained, "--data", lab, "--out", "out.csv")
    assert [one["guid"] for one in run_elsewhere(words)["explanations"]] == ["101", "102", "103"]


@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_after_an_evaluation_or_explanation_the_modalities_are_measured(trained, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    arguments = (trained,) if command == "evaluate" else ("--checkpoint", trained, "--text", "fine")
    values = run_elsewhere([*next_line(command, *arguments), "--emap-pairs", "2"])
    assert (values["trained_by"], len(values["arms"])) == (trained.name, 9)
    alone = Path(shutil.copy(trained / "best_model.pt", tmp_path / "alone.pt"))
    lab = trained.parent.parent / "lab"
    of_alone = (alone, "--data", lab) if command == "evaluate" else ("--checkpoint", alone, "--text", "fine")
    assert run_elsewhere(next_line(command, *of_alone))["checkpoint"] == str(alone)


def test_after_a_comparison_the_more_accurate_model_predicts(work):
    runs = [succeed("train", "--data", "lab", *SMALL, "--seed", seed, "--json")["run"] for seed in (0, 1)]
    words = next_line("compare", *runs)
    scores = json.loads(Path("runs/latest/result.json").read_text())["models"]
    best = max(scores, key=lambda model: model["accuracy"]["value"])["sources"][0]
    assert Path(run_elsewhere(words)["checkpoint"]).parent.name == Path(best).parent.name


def test_after_an_ablation_unimodal_models_are_trained_once(work):
    succeed("train", "--data", "lab", *SMALL)
    words = next_line("ablate", "--emap-pairs", 2)
    values = run_elsewhere([*words, "--emap-pairs", "2"])
    assert "retrained" in {arm["method"] for arm in values["arms"]}
    again = api.ablate(retrain=True, emap_pairs=2)
    assert next_commands(again, again.result) == []


def test_after_a_check_that_failed_it_is_checked_without_the_bad_pairs(work):
    (work / "data/3.jpg").write_bytes(b"")
    failed = mmsent("check", "--data", "lab", "--encoders", "light")
    assert failed.exit_code == 1
    words = shlex.split(failed.stdout.splitlines()[-1])[1:]
    assert run_elsewhere(words)["usable"] == 17


@pytest.mark.parametrize("options", [(), ("--folds", 3), ("--limit", 12)])
def test_after_split_the_split_is_trained_on(work, options):
    words = next_line("split", "--data", "lab", *options)
    values = run_elsewhere([*words, *map(str, SMALL)])
    assert values["train_pairs"] + values["val_pairs"] == (12 if "--limit" in options else 18)


# Columns that travel with the checkpoint


def test_new_tables_need_no_column_options_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    succeed("train", "--data", write_table(tmp_path / "old/posts.csv"), *NAMED, *SMALL)
    new = write_table(tmp_path / "new/posts.csv", labelled=6)
    assert succeed("predict", "--data", new, "--out", "out.csv", "--json")["pairs"] == 4
    assert succeed("ablate", "--data", new, "--emap-pairs", 2, "--json")["val_pairs"] == 6
    usual = tmp_path / "usual.csv"
    usual.write_text("guid,text\na,a fine day\n")
    assert succeed("predict", "--data", usual, "--out", "usual.txt", "--json")["pairs"] == 1
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("one,two\na,b\n")
    refused = mmsent("predict", "--data", wrong, "--out", "wrong.txt")
    assert refused.exit_code == 1
    assert "--guid-column" in refused.stderr


def test_a_loaded_model_knows_the_columns_of_its_training(tmp_path, monkeypatch):
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    succeed("train", "--data", write_table(tmp_path / "posts.csv"), *NAMED, *SMALL)
    model = api.load()
    own = model.predict(pd.DataFrame({"caption": ["a fine day"]}))
    usual = model.predict(pd.DataFrame({"text": ["a fine day"]}))
    assert own["label"].tolist() == usual["label"].tolist()
