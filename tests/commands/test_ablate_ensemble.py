"""`mmsent ablate` of an ensemble: out of fold on its own pairs, as saved on others, retrained over the same folds."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmsent_cli import load
from mmsent_cli.data.pairs import Pair
from mmsent_cli.progress import ModelBegun
from tests.commands.running import assert_refused, interrupted, mmsent, run_folders, small_lab, succeed, without_source
from tests.undrawn import leave_out_figures

SIDES = ("text", "image")
LEAST_MARGIN = 1e-3
"""Two classes whose probabilities are closer than this may be exchanged by rounding."""


@pytest.fixture(scope="module")
def options(weights_dir):
    """Small encoders that come with weights; images frozen."""
    return ("--weights-dir", weights_dir, "--offline", "--device", "cpu", "--engine", "torch")


@pytest.fixture(scope="module")
def settings(options):
    """An ensemble over three folds, with two models each."""
    encoders = ("--encoders", "bert-resnet18", "--image-encoder", "timm:test_resnet", "--image-size-px", 32)
    frozen = ("--freeze-text", 1, "--freeze-image", "all")
    folds = ("--folds", 3, "--epochs", 1, "--batch-size", 8, "--models-per-fold", 2, "--logit-adjustment", 0.25)
    return ("train", "--data", "lab", *options, *encoders, *frozen, *folds)


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    """A run with an ensemble, whose labels the texts show; not to be changed."""
    folder = tmp_path_factory.mktemp("ensemble")
    small_lab(folder / "lab", 24)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        leave_out_figures(patch)
        return folder / succeed(*settings, "--probes", "image,characters,lexicon", "--json")["run"]


@pytest.fixture(scope="module")
def retrained(trained, tmp_path_factory):
    """The JSON of an ablation with ensembles of one modality."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained.parents[1])
        leave_out_figures(patch)
        return ablate(
            "--retrain", "--checkpoint", trained / "best_model.pt", "--runs-dir", tmp_path_factory.mktemp("retrained")
        )


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A copy of the run in `runs`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.parent, "runs", symlinks=True)
    shutil.copytree(trained.parents[1] / "lab", "lab")
    return Path("runs") / trained.name


def ablate(*arguments):
    return succeed("ablate", *arguments, "--json")


def column(path, name):
    """A column of a table by guid."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return {row["guid"]: row[name] for row in csv.DictReader(stream)}


def test_the_whole_ensemble_gets_the_out_of_fold_predictions_of_its_run(ready):
    values = ablate()
    reported = json.loads((ready / "result.json").read_text())
    assert (values["val_pairs"], values["folds"]) == (24, 3)
    assert values["members"] == ["network", "image", "characters", "lexicon"]
    both = values["arms"][0]
    assert (both["accuracy"], both["macro_f1"]) == (reported["accuracy"], pytest.approx(reported["macro_f1"]))
    predictions = Path(values["run"]) / "predictions.csv"
    assert column(predictions, "both") == column(ready / "oof_predictions.csv", "predicted")
    for arm in values["arms"]:
        answers, tags = (column(predictions, name) for name in (arm["name"], "tag"))
        assert sum(answers[guid] == tags[guid] for guid in tags) / 24 == arm["accuracy"]
    assert len({tuple(column(predictions, arm["name"]).values()) for arm in values["arms"]}) > 3


def test_on_other_pairs_the_ensemble_is_the_one_that_predict_uses(ready, options):
    """A pair without its text is predicted as `predict` does it: by all models, probes and the stacker."""
    shutil.copy(ready / "best_model.pt", "alone.pt")
    exact = ("--engine", "torch", "--precision", "fp32")
    values = ablate("--checkpoint", "alone.pt", "--data", "lab", *options, *exact)
    assert (values["val_pairs"], values["folds"], len(values["members"])) == (24, 0, 4)
    assert any("too high" in note for note in values["notes"])
    model = load("alone.pt", weights_dir=options[1], offline=True, device="cpu", engine="torch", precision="fp32")
    guids = list(column(Path(values["run"]) / "predictions.csv", "both"))
    texts = {guid: Path(f"lab/data/{guid}.txt").read_text() for guid in guids}
    images = {guid: Path(f"lab/data/{guid}.jpg") for guid in guids}
    pairs = {
        "both": [Pair(guid=guid, tag=None, text=texts[guid], image=images[guid]) for guid in guids],
        "text only, missing": [Pair(guid=guid, tag=None, text=texts[guid], image=None) for guid in guids],
        "image only, missing": [Pair(guid=guid, tag=None, text=None, image=images[guid]) for guid in guids],
    }
    for arm, inputs in pairs.items():
        frame, answers = model.predict(inputs), column(Path(values["run"]) / "predictions.csv", arm)
        shares = frame.filter(like="probability_").to_numpy()
        unsure = np.ptp(np.sort(shares)[:, -2:], axis=1) < LEAST_MARGIN
        assert unsure.sum() < 3
        assert [answers[guid] for guid in np.array(guids)[~unsure]] == frame["label"][~unsure].tolist()


def test_retrained_ensembles_are_those_of_a_training_on_one_modality(ready, settings, retrained):
    probes = {"text": "characters,lexicon", "image": "image"}
    for side in SIDES:
        run = Path(succeed(*settings, "--fusion", f"{side}-only", "--probes", probes[side], "--json")["run"])
        answers = column(Path(retrained["run"]) / "predictions.csv", f"{side} only, retrained")
        assert answers == column(run / "oof_predictions.csv", "predicted")


def test_an_interrupted_ablation_of_an_ensemble_goes_on_to_the_same_end(ready, retrained, monkeypatch):
    before = run_folders()
    assert interrupted(monkeypatch, ModelBegun, 4, "ablate", "--retrain").exit_code == 130
    (run,) = [path for path in run_folders() if path not in before]
    kept = sorted((run / "arms").rglob("*.pt"))
    assert kept
    times_written = [path.stat().st_mtime_ns for path in kept]
    ablate("--resume", run.name)
    assert [path.stat().st_mtime_ns for path in kept] == times_written
    results = [json.loads((Path(each) / "result.json").read_text()) for each in (run, retrained["run"])]
    assert without_source(results[0]) == without_source(results[1])


def test_what_an_ensemble_cannot_be_ablated_on(ready, options):
    before = run_folders()
    refused = mmsent("ablate", "--data", "lab", "--retrain", *options)
    assert_refused(refused, "--retrain", "own folds", "leave out --data")
    shutil.copy(ready / "best_model.pt", "alone.pt")
    assert_refused(mmsent("ablate", "--checkpoint", "alone.pt", *options), "alone.pt", "--data")
    assert run_folders() == before


def test_an_ensemble_that_reads_one_modality_has_nothing_to_take_away(ready, settings):
    succeed(*settings, "--fusion", "text-only", "--probes", "characters")
    assert_refused(mmsent("ablate"), "text-only", "reads text and image")


def test_an_ensemble_is_bimodal_by_its_probes(ready, settings):
    """The models read the image alone, and a probe reads the text."""
    succeed(*settings, "--fusion", "image-only", "--probes", "lexicon")
    values = ablate()
    assert values["members"] == ["network", "lexicon"]
    assert len({arm["accuracy"] for arm in values["arms"]}) > 1
