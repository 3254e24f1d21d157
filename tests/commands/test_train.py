"""`mmsent train` from data to a finished run: its files, its result, replay, encoders from folders."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from mmsent_cli.config import read_train_config
from mmsent_cli.reports.progress import ProgressView
from tests.commands.running import (
    QUICK,
    RUN_FILES,
    SAMPLE,
    assert_refused,
    epochs_of,
    mmsent,
    run_folders,
    same_weights,
    succeed,
    weights,
)

ISSUE_KEYS = {
    "run",
    "encoders",
    "fusion",
    "accuracy",
    "macro_f1",
    "majority_accuracy",
    "best_epoch",
    "epochs",
    "seconds",
}


def train(*arguments):
    return succeed("train", "--data", "lab", *QUICK, "--json", *arguments)


def test_the_sample_from_train_to_predict(work):
    settings = ("--encoders", "light", "--epochs", 1, "--limit", 40, "--image-size-px", 32)
    values = succeed("train", "--data", SAMPLE, *settings, "--json")
    run = Path(values["run"])
    assert {path.name for path in run.iterdir()} == RUN_FILES == set(values["files"])
    assert json.loads((run / "result.json").read_text()) == values
    assert values.keys() >= ISSUE_KEYS
    assert (values["encoders"], values["fusion"], values["best_epoch"], values["epochs"]) == ("light", "weighted", 1, 1)
    assert (values["train_pairs"] + values["val_pairs"], values["val_pairs"]) == (40, 8)
    assert Path("runs/latest").resolve() == run.resolve()

    succeed("predict", "--data", SAMPLE, "--out", "submission.txt")
    asked = [line.split(",")[0] for line in (SAMPLE / "test_without_label.txt").read_text().splitlines()]
    lines = Path("submission.txt").read_text().splitlines()
    assert lines[0] == "guid,tag"
    assert [line.split(",")[0] for line in lines] == asked
    assert {line.split(",")[1] for line in lines[1:]} <= {"negative", "neutral", "positive"}


def test_nothing_but_json_on_stdout_and_no_control_characters_off_a_terminal(work, empty_cache):
    result = mmsent("train", "--data", "lab", *QUICK, "--epochs", 1, "--json")
    json.loads(result.stdout)
    assert "\x1b" not in result.output
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == [
        "checking pairs",
        "encoding with light-text",
        "encoding with light-image",
        "epoch 1 of 1",
    ]


def test_the_result_agrees_with_the_epochs_and_the_predictions(work):
    values = train("--epochs", 2)
    epochs = epochs_of(values["run"])
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    best = epochs[values["best_epoch"] - 1]
    assert (best["accuracy"], best["macro_f1"]) == (values["accuracy"], values["macro_f1"])
    with (Path(values["run"]) / "val_predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == values["val_pairs"]
    assert sum(row["tag"] == row["predicted"] for row in rows) / len(rows) == pytest.approx(values["accuracy"])
    for row in rows:
        shares = {label: float(row[label]) for label in values["labels"]}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == row["predicted"]


def test_an_epoch_reports_the_rate_of_its_last_step(work):
    (one, two) = train("--epochs", 2, "--schedule", "linear", "--warmup", 0, "--head-lr", 0.004)["history"]
    steps = 2  # 14 or 15 training pairs in batches of 8
    assert one["head_lr"] == pytest.approx(0.004 * (1 - (steps - 1) / (2 * steps)))
    assert two["head_lr"] == pytest.approx(0.004 / (2 * steps))


def test_the_same_command_twice_and_another_seed(work):
    first, second, other = train("--epochs", 1), train("--epochs", 1), train("--epochs", 1, "--seed", 1)
    assert epochs_of(first["run"]) == epochs_of(second["run"]) != epochs_of(other["run"])
    assert same_weights(weights(first["run"]), weights(second["run"]))
    assert not same_weights(weights(first["run"]), weights(other["run"]))
    assert len(run_folders()) == 3


def test_a_replay_gives_the_same_run_and_options_change_it(work):
    first = train("--epochs", 2, "--seed", 3, "--fusion", "concat", "--head-hidden", "16,8", "--head-dropout", "0.1,0")
    for config in (f"{first['run']}/config.json", first["run"]):
        replay = succeed("train", "--config", config, "--json")
        assert epochs_of(replay["run"]) == epochs_of(first["run"])
        assert same_weights(weights(replay["run"]), weights(first["run"]))
        assert read_train_config(Path(replay["run"])) == read_train_config(Path(first["run"]))
    changed = succeed("train", "--config", first["run"], "--epochs", 1, "--json")
    assert (changed["epochs"], changed["fusion"]) == (1, "concat")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (None, "my.json"),
        ("{", "my.json"),
        ("[]", "my.json"),
        ('{"fit": 3}', "my.json"),
        ('{"fit": {"epoch": 3}}', "epoch"),
        ('{"fits": {}}', "fits"),
        ('{"fit": {"epochs": "three"}}', "epochs"),
        ('{"fit": {"epochs": 2.5}}', "epochs"),
        ('{"fit": {"epochs": 0}}', "epochs"),
        ('{"model": {"text_cleaning": 1}}', "--text-cleaning"),
        ('{"model": {"fusion": ["concat"]}}', "fusion"),
        ('{"data": {"on_bad": "cry"}}', "--on-bad"),
    ],
)
def test_a_configuration_that_cannot_be_used(work, content, reported):
    if content is not None:
        Path("my.json").write_text(content)
    assert_refused(mmsent("train", "--config", "my.json"), "my.json", reported)
    assert not Path("runs").exists()


@pytest.mark.parametrize("encoders", ["bert-resnet18", "clip"])
def test_pretrained_encoders_from_a_folder_train_and_predict(work, weights_dir, encoders):
    settings = ("--encoders", encoders, "--weights-dir", weights_dir, "--offline", "--epochs", 1)
    sizes = () if encoders == "clip" else ("--image-size-px", 32, "--freeze-text", 2, "--freeze-image", "all")
    values = succeed("train", "--data", "lab", *settings, *sizes, "--json")
    assert 0 < values["trainable_parameters"] < values["total_parameters"]
    out = succeed("predict", "--data", "lab", "--weights-dir", weights_dir, "--offline", "--out", "out.csv", "--json")
    assert (out["pairs"], len(Path("out.csv").read_text().splitlines())) == (3, 4)
    # Frozen weights are not in the checkpoint. Its run names their folder; apart from its run it needs --weights-dir.
    assert succeed("predict", "--text", "a", "--offline", "--json")["prediction"]["missing"] == "image"
    shutil.copy(Path(values["run"], "best_model.pt"), "alone.pt")
    assert_refused(mmsent("predict", "--text", "a", "--offline", "--checkpoint", "alone.pt"))
    whole = succeed("train", "--config", values["run"], "--save-all", "--json")
    assert same_weights(weights(whole["run"], "last.pt"), weights(values["run"], "last.pt"))
    assert weights(whole["run"]).keys() > weights(values["run"]).keys()


def test_labels_and_guids_with_commas_and_quotes(work):
    labels = ('so, "so"', "fine, thanks")
    with Path("pairs.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["guid", "text", "image", "tag"])
        for number in range(1, 11):
            rows.writerow([f'n,"{number}"', f"word {number}", f"lab/data/{number}.jpg", labels[number % 2]])
        rows.writerow(['last, "one"', "word", "lab/data/1.jpg", ""])
    values = succeed("train", "--data", "pairs.csv", *QUICK, "--epochs", 1, "--json")
    assert set(values["labels"]) == set(labels)
    with (Path(values["run"]) / "val_predictions.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            assert row["guid"].startswith('n,"')
            assert row["tag"] in labels and row["predicted"] in labels
    succeed("predict", "--data", "pairs.csv", "--probabilities", "--out", "out.csv")
    with Path("out.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["guid"] == 'last, "one"'
    assert sum(float(row[label]) for label in labels) == pytest.approx(1, abs=1e-5)


def test_dropped_pairs_are_listed_in_the_run(work):
    (work / "data/3.jpg").write_bytes(b"")
    values = train("--epochs", 1, "--on-bad", "drop")
    assert values["problems"] == 1
    assert (Path(values["run"]) / "problems.txt").read_text().startswith("pair 3: dropped")
    assert values["train_pairs"] + values["val_pairs"] == 17


def test_the_live_view_draws_on_a_terminal(work, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(ProgressView, "_print", None)  # a plain line would fail
    result = mmsent("train", "--data", "lab", *QUICK, "--epochs", 1)
    assert result.exit_code == 0, result.output
    assert "\x1b" in result.stderr
