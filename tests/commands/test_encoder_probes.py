"""Probes of extra encoders on the command line: texts and images, found and left out, resumed, moved and gone."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmsent_cli.command_settings import with_preset
from mmsent_cli.config import TrainConfig
from mmsent_cli.encoders.weights import source
from mmsent_cli.progress import ModelBegun
from tests.commands.running import assert_refused, interrupted, mmsent, run_folders, small_lab, succeed
from tests.undrawn import leave_out_figures

PROBES = "clip,clip-text,hf:small-roberta,timm:test_resnet,image:{weights}/small-vit"
ALONE = ("--offline", "--engine", "torch")
MEMBERS = ["clip", "clip-text", "text:hf:small-roberta", "image:timm:test_resnet", "image:hf:{weights}/small-vit"]


@pytest.fixture(scope="module")
def small(weights_dir):
    """Options of a training over three folds with small frozen encoders, without probes and weights."""
    encoders = ("--encoders", "bert-resnet18", "--image-encoder", "timm:test_efficientnet", "--image-size-px", 32)
    frozen = (
        "--offline",
        "--engine",
        "torch",
        "--freeze-text",
        "all",
        "--freeze-image",
        "all",
        "--folds",
        3,
        "--epochs",
        1,
        "--batch-size",
        8,
    )
    return ("train", "--data", "lab", *encoders, *frozen)


@pytest.fixture(scope="module")
def finished(small, weights_dir, tmp_path_factory):
    """A finished run with probes of every kind: its JSON and its folder; not to be changed."""
    folder = tmp_path_factory.mktemp("probes")
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        leave_out_figures(patch)
        probes = ("--probes", PROBES.format(weights=weights_dir), "--weights-dir", weights_dir)
        values = succeed(*small, *probes, "--json")
    return values, folder / values["run"]


@pytest.fixture
def only(tmp_path, weights_dir):
    """Makes a weights folder that has the model's own encoders and those that are named."""

    def make(*names):
        folder = tmp_path / "own-weights"
        folder.mkdir(exist_ok=True)
        for name in ("bert-base-uncased", "test_efficientnet", *names):
            (folder / name).symlink_to(weights_dir / name)
        return folder

    return make


def test_each_probe_is_a_member_and_the_weights_are_not_in_the_checkpoint(finished, weights_dir):
    values, run = finished
    names = [name.format(weights=weights_dir) for name in MEMBERS]
    assert [member["name"] for member in values["members"]] == ["network", *names]
    assert json.loads((run / "config.json").read_text())["model"]["probes"] == names
    content = torch.load(run / "best_model.pt", weights_only=True)
    assert [len(probe["weight"]) for probe in content["probes"]] == [12 + 12 + 1, 12, 16, 96, 16]
    assert len(content["auxiliary_digests"]) == 5


def test_a_prediction_from_another_folder_finds_the_weights(work, finished):
    _, run = finished
    checkpoint = ("--checkpoint", run, *ALONE)
    succeed("predict", "--data", "lab", "--out", "all.csv", "--probabilities", *checkpoint)
    together = list(csv.DictReader(Path("all.csv").read_text(encoding="utf-8").splitlines()))[1]
    text, image = Path("lab/data/102.txt").read_bytes().decode(), "lab/data/102.jpg"
    alone = succeed("predict", "--text", text, "--image", image, *checkpoint, "--json")["prediction"]
    for label, share in alone["probabilities"].items():
        assert share == pytest.approx(float(together[label]), abs=1e-4)
    explained = succeed("explain", "--text", "good day", "--grid", 2, *checkpoint, "--json")["explanations"][0]
    assert len(explained["members"]) == 1 + len(MEMBERS)
    assert succeed("evaluate", run, "--data", "lab", *ALONE, "--json")["pairs"] == 18


def test_each_encoder_runs_once_and_its_features_are_kept(work, small, weights_dir, empty_cache):
    options = (*small, "--weights-dir", weights_dir, "--probes", "clip,clip-text,clip-image")
    first, second = mmsent(*options), mmsent(*options)
    assert first.exit_code == second.exit_code == 0
    for name, unit in (("clip-text", "texts"), ("clip-image", "images")):
        lines = [line for line in first.stderr.splitlines() if line.startswith(f"encoding with {name}: ")]
        assert len(lines) == 1 and unit in lines[0]
    assert "encoding with" not in second.stderr


def test_optional_probes_are_used_where_their_weights_are_found(work, small, only):
    weights = only("clip-vit-base-patch32")
    optional = ("--probes", "lexicon", "--optional-probes", "clip-text,twitter-roberta,clip,lexicon")
    values = succeed(*small, "--weights-dir", weights, *optional, "--json")
    assert values["probes"] == ["lexicon", "clip-text", "clip"]
    said = [note for note in values["notes"] if note.startswith("the optional probe ")]
    assert [note.split()[2:6] for note in said] == [
        ["probe", "clip-text", "is", "used,"],
        ["probe", "twitter-roberta", "is", "left"],
        ["probe", "clip", "is", "used,"],
    ]
    assert "hf download cardiffnlp/twitter-roberta-base --local-dir" in said[1]
    run = Path(values["run"])
    config = json.loads((run / "config.json").read_text())["model"]
    assert (config["probes"], config["optional_probes"]) == (["lexicon", "clip-text", "clip"], [])
    assert json.loads((run / "result.json").read_text())["notes"] == values["notes"]


def test_a_resumed_run_has_the_probes_that_it_began_with(work, small, only, weights_dir, monkeypatch):
    """Also where weights came or went in between."""
    weights = only("clip-vit-base-patch32")
    options = (*small, "--weights-dir", weights, "--optional-probes", "clip-image,twitter-roberta")
    whole = succeed(*options, "--json")
    assert interrupted(monkeypatch, ModelBegun, 2, *options).exit_code == 130
    (weights / "twitter-roberta-base").symlink_to(weights_dir / "twitter-roberta-base")
    values = succeed("train", "--resume", "latest", "--json")
    assert values["probes"] == ["clip-image"]
    assert {note for note in values["notes"] if note.startswith("the optional probe ")} == {
        note for note in whole["notes"] if note.startswith("the optional probe ")
    }
    one, other = (np.load(Path(each["run"]) / "oof_log_probabilities.npy") for each in (whole, values))
    assert np.array_equal(one, other)
    assert succeed("train", "--config", values["run"], "--json")["probes"] == ["clip-image"]
    assert interrupted(monkeypatch, ModelBegun, 2, *options).exit_code == 130
    (weights / "clip-vit-base-patch32").unlink()
    assert_refused(mmsent("train", "--resume", "latest"), "openai/clip-vit-base-patch32", "hf download")


def test_a_host_that_does_not_respond_is_tried_once(work, small, only, monkeypatch):
    contacted = []
    monkeypatch.setattr(source, "is_reachable", lambda url: contacted.append(url))
    options = [option for option in small if option != "--offline"]
    optional = ("--optional-probes", "clip-text,clip-image,clip,twitter-roberta,hf:some/model")
    values = succeed(*options, "--weights-dir", only(), *optional, "--json")
    assert values["probes"] == []
    assert len([note for note in values["notes"] if "is left out" in note]) == 5
    assert len(contacted) == 1


@pytest.mark.parametrize("damage", ["model.safetensors", "tokenizer.json", "config.json"])
def test_an_optional_probe_with_damaged_weights_is_left_out(work, small, only, weights_dir, damage):
    weights = only()
    (weights / "twitter-roberta-base").mkdir()
    for path in (weights_dir / "twitter-roberta-base").iterdir():
        content = path.read_bytes()
        (weights / "twitter-roberta-base" / path.name).write_bytes(content[:40] if path.name == damage else content)
    values = succeed(*small, "--weights-dir", weights, "--optional-probes", "twitter-roberta", "--json")
    assert values["probes"] == []
    assert any(note.startswith("the optional probe twitter-roberta is left out") for note in values["notes"])


def test_weights_that_are_gone_are_named_with_what_to_type(work, small, only, finished):
    weights = only("clip-vit-base-patch32")
    run = succeed(*small, "--weights-dir", weights, "--probes", "clip-image", "--json")["run"]
    succeed("predict", "--text", "good day", "--checkpoint", run, *ALONE)
    weights.rename("moved")
    gone = mmsent("predict", "--text", "good day", "--checkpoint", run, *ALONE)
    assert_refused(gone, f"there is no folder {weights}", "--weights-dir")
    succeed("predict", "--text", "good day", "--checkpoint", run, *ALONE, "--weights-dir", "moved")


def test_the_folder_of_an_environment_variable_is_recorded(work, small, only, monkeypatch):
    monkeypatch.setenv("MMSENT_WEIGHTS", str(only("clip-vit-base-patch32")))
    run = succeed(*small, "--probes", "clip-image", "--json")["run"]
    monkeypatch.delenv("MMSENT_WEIGHTS")
    succeed("predict", "--text", "good day", "--checkpoint", run, *ALONE)


def test_best_hub_is_best_with_optional_probes():
    best, hub = (with_preset(TrainConfig(), name) for name in ("best", "best-hub"))
    assert hub.model.optional_probes == ("clip-text", "clip-image", "clip", "twitter-roberta")
    assert (hub.model.probes, hub.fit, hub.split) == (best.model.probes, best.fit, best.split)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("--probes", "hf:clip-vit-base-patch32"), "text:hf:clip-vit-base-patch32"),
        (("--probes", "text:hf:small-vit"), "reads images"),
        (("--probes", "./no-such-folder"), "no-such-folder"),
        (("--optional-probes", "image:hf:small-roberta"), "reads texts"),
    ],
)
def test_what_a_probe_cannot_read_is_refused_before_training(work, small, weights_dir, arguments, reported):
    assert_refused(mmsent(*small, "--weights-dir", weights_dir, *arguments), reported)
    assert run_folders() == []


def test_optional_probes_need_folds(work):
    assert_refused(mmsent("train", "--data", "lab", "--encoders", "compact", "--optional-probes", "clip"), "--folds 5")
