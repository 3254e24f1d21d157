"""The main job on the real data: train on the compact encoders, predict the unlabelled pairs."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmsent_cli.commands.app import app

DATA = Path(__file__).parents[3] / "shared" / "mvsa"
FROZEN = ["--freeze-text", "all", "--freeze-image", "all"]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data set does not lie beside the repository"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs and the feature store of this module lie."""
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[dict]:
    """The results of three seeds; the first fills the feature store."""
    return [_train(folder, seed) for seed in (0, 1, 2)]


def test_frozen_compact_encoders_beat_the_majority_on_every_seed(runs: list[dict]) -> None:
    assert all(run["accuracy"] >= run["majority_accuracy"] + 0.05 for run in runs)
    assert all(run["macro_f1"] >= 0.5 for run in runs)


def test_seeds_share_the_split_and_differ_in_figures(runs: list[dict]) -> None:
    splits = {Path(run["run"], "split.json").read_bytes() for run in runs}
    losses = {tuple(epoch["train_loss"] for epoch in run["history"]) for run in runs}
    assert (len(splits), len(losses)) == (1, 3)


def test_all_511_pairs_are_predicted_in_the_order_of_the_input(runs: list[dict], folder: Path) -> None:
    out = folder / "submission.txt"
    arguments = ["predict", "--data", str(DATA), "--out", str(out), "--runs-dir", str(folder / "runs")]
    outcome = CliRunner().invoke(app, [*arguments, "--cache-dir", str(folder / "cache")], catch_exceptions=False)
    assert outcome.exit_code == 0
    asked = [row["guid"] for row in csv.DictReader((DATA / "test_without_label.txt").open())]
    answered = list(csv.DictReader(out.open()))
    assert [row["guid"] for row in answered] == asked
    assert len(asked) == 511
    assert {row["tag"] for row in answered} == {"negative", "neutral", "positive"}


def _train(folder: Path, seed: int) -> dict:
    places = ["--data", str(DATA), "--runs-dir", str(folder / "runs"), "--cache-dir", str(folder / "cache")]
    arguments = ["train", "--encoders", "compact", *FROZEN, "--seed", str(seed), *places, "--json"]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    return json.loads(outcome.stdout)
