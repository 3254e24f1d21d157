"""The experiments on the real data, with frozen compact encoders: what equal arms look like."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmsent_cli.commands.app import app

DATA = Path(__file__).parents[3] / "shared" / "mvsa"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data set does not lie beside the repository"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs and the feature store of this module lie."""
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def compared(folder: Path) -> dict:
    """A fusion against itself under other seeds, and the unimodal references."""
    places = ["--data", str(DATA), "--runs-dir", str(folder / "runs"), "--cache-dir", str(folder / "cache")]
    frozen = ["--encoders", "compact", "--freeze-text", "all", "--freeze-image", "all", "--epochs", "4"]
    arguments = ["compare-fusions", "--fusions", "concat,concat", *frozen, *places, "--json"]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    return json.loads(outcome.stdout)


def test_equal_arms_are_not_distinguishable(compared: dict) -> None:
    again = compared["arms"][1]
    assert again["name"] == "concat (again)"
    assert again["verdict"] == "not distinguishable"
    assert again["accuracy_difference"]["interval"][0] <= 0 <= again["accuracy_difference"]["interval"][1]


def test_the_encoders_ran_once_for_each_text_and_image(compared: dict) -> None:
    assert compared["setup"]["encoder_runs"]["image"] <= 4000
    assert compared["setup"]["encoder_runs"]["text"] <= 4000


def test_both_modalities_beat_the_image_alone_and_are_no_worse_than_the_text(compared: dict) -> None:
    """What these few epochs gain over the text alone is less than three seeds can show, so it is not asked for."""
    figures = {arm["name"]: arm["nested"]["accuracy_mean"] for arm in compared["arms"]}
    assert figures["concat"] > max(figures["image-only"], compared["setup"]["majority_accuracy"])
    assert figures["concat"] > figures["text-only"] - 0.02
