"""docs/accuracy.md is what its script makes of the recorded figures, and the script computes as `train` does."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_accuracy", DOCS / "make_accuracy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_written_from_the_record(script):
    tables = json.loads((DOCS / "accuracy.json").read_text(encoding="utf-8"))
    assert script.page(tables) == (DOCS / "accuracy.md").read_text(encoding="utf-8")


def test_a_gain_is_that_over_the_row_before(script):
    """Two seeds: the first row is right on 3 of 4 pairs, the second on all."""
    targets = np.array([0, 1, 0, 1])
    right = np.log(np.where(np.eye(2)[targets] == 1, 0.9, 0.1))
    worse = right.copy()
    worse[0] = worse[0][::-1]
    row = script.step("better", [right, right], targets, [worse, worse])
    assert (row.accuracy, row.accuracy_sd, row.seeds) == (1, 0, 2)
    assert row.accuracy_gain == pytest.approx(0.25)
    assert row.accuracy_interval[0] < 0.25 < row.accuracy_interval[1]


def test_recorded_runs_are_joined_as_the_run_itself_did(script, tmp_path, monkeypatch, undrawn, weights_dir):
    from tests.commands.running import small_lab, succeed

    monkeypatch.chdir(tmp_path)
    small_lab(tmp_path / "lab")
    encoders = ("--encoders", "bert-resnet18", "--image-encoder", "timm:test_resnet", "--image-size-px", 32)
    rest = (
        "--weights-dir",
        weights_dir,
        "--offline",
        "--engine",
        "torch",
        "--freeze-text",
        1,
        "--freeze-image",
        "all",
        "--epochs",
        1,
        "--batch-size",
        8,
        "--models-per-fold",
        2,
    )
    joined = ("--folds", 3, "--probes", "image,lexicon", "--logit-adjustment", 0.25)
    run = succeed("train", "--data", "lab", *encoders, *rest, *joined, "--json")["run"]
    recorded = script.Recorded(run)
    assert recorded.networks.shape == (2, 18, 3)
    joined = recorded.joined(["image", "lexicon"], 2, recorded.adjustment)
    np.testing.assert_allclose(np.exp(joined), np.exp(recorded.stacked), atol=2e-6)
