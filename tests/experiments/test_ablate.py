"""`ablate` on a small trained model: what each arm saw, what the scores are computed from, and what is refused."""

import csv
import io
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmsent_cli.config import DataConfig, RuntimeConfig
from mmsent_cli.config.command_settings import AblateSettings
from mmsent_cli.data.frames import frame_of
from mmsent_cli.data.layouts import frame_source
from mmsent_cli.data.split import digest_of, make_split, write_split
from mmsent_cli.errors import CheckpointError, ConfigError, DataError
from mmsent_cli.experiments.ablation import ablate as module
from mmsent_cli.experiments.ablation.ablate import Predictions, ablate, predictions_csv, remove
from mmsent_cli.experiments.ablation.perturb import another_pair
from mmsent_cli.experiments.ablation.target import examine
from mmsent_cli.experiments.arms import load
from mmsent_cli.progress import Stage, silent
from mmsent_cli.run_folders import Run
from mmsent_cli.stats import accuracy_interval
from mmsent_cli.training.plan import plan_run
from mmsent_cli.training.predictions import read_predictions
from mmsent_cli.training.workspace import Workspace
from tests.commands.running import small_lab
from tests.data.builders import TAGS, image_bytes
from tests.events import models_read_back, models_trained
from tests.experiments.test_perturb import by_hand, features, linear_model, pooled_table, subject_of
from tests.training.test_run import CONFIG, run_once

pytestmark = pytest.mark.shared_cache
METHODS = ("zero", "mean", "permuted", "missing")
SIDES = ("text", "image")
RUNTIME = RuntimeConfig(device="cpu", precision="fp32")
QUICK = replace(CONFIG, fit=replace(CONFIG.fit, epochs=2))


def train(folder, fusion="weighted", **sections):
    config = replace(QUICK, **sections)
    return run_once(replace(config, model=replace(config.model, fusion=fusion)), folder)


def examined_of(checkpoint, data=None, split=None):
    return examine(checkpoint, data and {"data": data.data}, split, RUNTIME)


def run_ablate(examined, folder, progress=silent, **settings):
    folder.mkdir(exist_ok=True)
    return ablate(examined, AblateSettings(**settings), Run(folder), progress)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Result and run of a small training on part of the sample."""
    return train(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def checkpoint(trained):
    return trained[1].path("best_model.pt")


@pytest.fixture(scope="module")
def ablated(checkpoint, tmp_path_factory):
    """An ablation with retrained models: the result, what it was counted from, its events and its folder."""
    events, folder = [], tmp_path_factory.mktemp("ablation")
    return (*run_ablate(examined_of(checkpoint), folder, events.append, retrain=True), events, folder)


@pytest.fixture(scope="module")
def true(checkpoint):
    """Class numbers of the validation pairs."""
    workspace = Workspace(examined_of(checkpoint).plan)
    return workspace.targets[list(workspace.val)]


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the run's folder, under its own name."""
    return Path(shutil.copytree(trained[1].folder, tmp_path / trained[1].name))


def changed(path, **parts):
    """Write a checkpoint anew with some parts changed."""
    torch.save({**torch.load(path, weights_only=True), **parts}, path)
    return path


def accuracy(answers, true):
    return float(np.mean(answers == true))


def test_the_whole_model_gets_the_figures_that_its_run_reported(ablated, trained):
    result, detail, *_ = ablated
    reported, run = trained
    both = result.arms[0]
    assert (both.name, both.inputs, both.method) == ("both", "both", "none")
    assert (both.accuracy, both.macro_f1) == (reported.accuracy, reported.macro_f1)
    assert both.per_class == reported.best.per_class
    rows = read_predictions(run)
    assert [result.labels[number] for number in detail.predicted["both"]] == [row.predicted for row in rows]
    shares = [list(row.probabilities) for row in rows]
    np.testing.assert_allclose(detail.probabilities, shares, atol=1e-5)
    assert (result.trained_by, result.epoch) == (run.name, reported.best_epoch)
    assert (result.val_pairs, result.majority_accuracy) == (reported.val_pairs, reported.majority_accuracy)


def test_an_arm_for_each_side_and_method(ablated, true):
    result, detail, *_ = ablated
    methods = (*METHODS, "retrained")
    expected = [("both", "none"), *((side, method) for method in methods for side in SIDES)]
    assert [(arm.inputs, arm.method) for arm in result.arms] == expected
    assert [arm.name for arm in result.arms] == list(detail.predicted)
    for arm in result.arms:
        right = int((detail.predicted[arm.name] == true).sum())
        assert arm.accuracy == right / len(true)
        assert arm.interval == accuracy_interval(right, len(true))
        assert arm.macro_f1_interval[0] <= arm.macro_f1 <= arm.macro_f1_interval[1]
        assert sum(row.support for row in arm.per_class) == len(true)


def shown(model, text, image):
    """Class numbers of the linear model for features of both modalities."""
    return by_hand(model, text, image).argmax(axis=1)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_takes_the_other_modality_away(method):
    """On a linear model whose answers depend on every number of every pair."""
    model, table = linear_model(), pooled_table(60)
    put = {"text": torch.tensor([0.5, -0.5, 0.2]), "image": torch.tensor([-0.5, 0.3])}
    subject = subject_of(model, table, means=put)
    text, image = features(table)
    stand_ins = {
        "zero": (torch.zeros_like(text), torch.zeros_like(image)),
        "mean": (put["text"].expand_as(text), put["image"].expand_as(image)),
        "permuted": (text[another_pair(60, 0)], image[another_pair(60, 1)]),
        "missing": (model.missing_text.expand_as(text), model.missing_image.expand_as(image)),
    }
    no_text, no_image = stand_ins[method]
    answers = remove(subject)[method]
    assert np.array_equal(answers.text, shown(model, text, no_image))
    assert np.array_equal(answers.image, shown(model, no_text, image))
    assert np.array_equal(answers.nothing, shown(model, no_text, no_image))
    views = (answers.text, answers.image, answers.nothing, shown(model, text, image))
    assert len({tuple(view) for view in views}) == 4


def test_the_mean_feature_is_that_of_the_training_pairs(checkpoint):
    examined = examined_of(checkpoint)
    workspace = Workspace(examined.plan)
    ((subject, rows),) = examined.subjects(workspace)
    assert rows.tolist() == list(workspace.val)
    model = examined.ensemble.model
    table = workspace.table(model, examined.plan.config.fit)
    with torch.no_grad():
        train, val = (model.eval().encode(table.batch(rows)) for rows in (workspace.train, workspace.val))
    for side, of_train, of_val in zip(SIDES, train, val, strict=True):
        torch.testing.assert_close(subject.means[side], of_train.pooled.mean(dim=0), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(getattr(subject, side).pooled, of_val.pooled, rtol=1e-4, atol=1e-5)
        assert getattr(subject, side).tokens is None


def test_shares_of_pairs_that_either_side_gets_right(ablated, true):
    result, detail, *_ = ablated
    assert [row.method for row in result.agreements] == [*METHODS, "retrained"]
    for row in result.agreements:
        text, image = (detail.predicted[f"{side} only, {row.method}"] == true for side in SIDES)
        counts = Counter(zip(text.tolist(), image.tolist(), strict=True))
        shares = (row.both_right, row.only_text_right, row.only_image_right, row.neither_right)
        kinds = ((True, True), (True, False), (False, True), (False, False))
        assert shares == pytest.approx([counts[kind] / len(true) for kind in kinds])


def test_contributions_add_up_to_the_whole_model(ablated):
    result, *_ = ablated
    assert [row.method for row in result.shapley] == [*METHODS, "retrained"]
    for row in result.shapley:
        assert row.nothing + row.text + row.image == pytest.approx(result.arms[0].accuracy)
    assert result.shapley[-1].nothing == result.majority_accuracy


def test_contributions_by_hand():
    """Ten pairs: .2 right with nothing, .5 with the text, .3 with the image, .9 with both."""
    true = np.zeros(10, dtype=np.int64)

    def right(count):
        return np.array([0] * count + [1] * (10 - count))

    row = module._shapley("zero", Predictions(right(5), right(3), right(2)), right(9), true)
    assert (row.method, row.nothing) == ("zero", 0.2)
    # The text adds .3 to nothing and .6 to the image; the image adds .1 to nothing and .4 to the text.
    assert (row.text, row.image) == (pytest.approx(0.45), pytest.approx(0.25))


def test_agreement_by_hand():
    text, image, true = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 0, 2]), np.zeros(5, dtype=np.int64)
    row = module._agreement("mean", Predictions(text, image, image), true)
    assert (row.both_right, row.only_text_right, row.only_image_right, row.neither_right) == (0.4, 0.2, 0.2, 0.2)


def test_emap_is_about_the_same_pairs_as_the_whole_model(ablated, checkpoint, true, tmp_path):
    result, detail, *_ = ablated
    assert result.emap.pairs == result.val_pairs
    assert result.emap.full_accuracy == result.arms[0].accuracy
    few, again = (run_ablate(examined_of(checkpoint), tmp_path / name, emap_pairs=5)[0].emap for name in "ab")
    assert (few.pairs, few) == (5, again)
    drawn = module._emap_rows(len(true), examined_of(checkpoint), AblateSettings(emap_pairs=5))
    assert len(set(drawn)) == 5
    assert few.full_accuracy == accuracy(detail.predicted["both"][drawn], true[drawn])


def test_emap_by_hand():
    """Four pairs: three right by the whole model, two by its additive part, which changes three answers."""
    full, additive = np.eye(3)[[0, 1, 2, 2]], np.eye(3)[[0, 2, 0, 0]]
    emap = module._emap(full, additive, np.array([0, 1, 2, 0]), ("a", "b", "c"))
    assert (emap.pairs, emap.full_accuracy, emap.accuracy, emap.changed) == (4, 0.75, 0.5, 0.75)
    assert emap.difference.difference == 0.25
    assert emap.macro_f1 == pytest.approx((2 * 2 / (2 + 3) + 0 + 0) / 3)


def test_emap_takes_fewer_pairs_where_tokens_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOKEN_EMAP_PAIRS", 4)
    fit = replace(QUICK.fit, epochs=1)
    reported, run = train(tmp_path / "runs", "cross-attention", fit=fit)
    result, _ = run_ablate(examined_of(run.path("best_model.pt")), tmp_path / "ablation")
    assert result.emap.pairs == 4
    assert result.arms[0].accuracy == reported.accuracy


def curve(epochs):
    """What training said of each epoch."""
    return [(epoch.epoch, epoch.train_loss, epoch.val_loss, epoch.accuracy) for epoch in epochs]


def assert_trained_alone(ablation, folder, **sections):
    """The retrained models of an ablation are those of two training runs."""
    detail, arms = ablation
    for side in SIDES:
        reported, run = train(folder / side, f"{side}-only", **sections)
        kept = load(arms, f"{side}-only-seed-0")
        assert kept is not None and curve(kept.curve) == curve(reported.history)
        answers = [row.predicted for row in read_predictions(run)]
        assert [reported.labels[number] for number in detail.predicted[f"{side} only, retrained"]] == answers


def test_a_retrained_model_is_trained_as_the_checkpoint_was(ablated, tmp_path):
    _, detail, _, folder = ablated
    assert_trained_alone((detail, folder / "arms"), tmp_path)


def test_retrained_models_are_kept(ablated, checkpoint):
    result, _, events, folder = ablated
    assert models_trained(events) == [("text-only", 0), ("image-only", 0)]
    assert [event for event in events if isinstance(event, Stage) and event.unit == "model"][:2] == [
        Stage("predicting without text or image", done, 1, "model") for done in (0, 1)
    ]
    second = []
    again, _ = run_ablate(examined_of(checkpoint), folder, second.append, retrain=True)
    assert (models_trained(second), models_read_back(second)) == ([], models_trained(events))
    assert again == result


def test_predictions_have_a_row_a_pair_and_a_column_an_arm(ablated, trained, true):
    result, detail, *_ = ablated
    pairs = {pair.guid: pair for pair in plan_run(QUICK).dataset.pairs}
    val = [pairs[row.guid] for row in read_predictions(trained[1])]
    rows = list(csv.DictReader(io.StringIO(predictions_csv(val, result.labels, detail.predicted))))
    assert [(row["guid"], row["tag"]) for row in rows] == [(pair.guid, pair.tag) for pair in val]
    for arm in result.arms:
        assert sum(row["tag"] == row[arm.name] for row in rows) / len(rows) == arm.accuracy


def test_a_checkpoint_that_was_not_trained(copy):
    """Fault 5 of the published course systems: an ablation of an untrained network."""
    for epoch in (0, -1, None, "3"):
        with pytest.raises(CheckpointError, match=r"best_model\.pt is an untrained"):
            examined_of(changed(copy / "best_model.pt", epoch=epoch))


@pytest.mark.parametrize(("article", "fusion"), [("a", "text-only"), ("an", "image-only")])
def test_a_model_of_one_modality(article, fusion, tmp_path):
    _, run = train(tmp_path, fusion, fit=replace(QUICK.fit, epochs=1))
    with pytest.raises(CheckpointError, match=rf"\.pt is {article} {fusion} model"):
        examined_of(run.path("best_model.pt"))


def test_a_checkpoint_that_cannot_be_read(copy, tmp_path):
    whole = (copy / "best_model.pt").read_bytes()
    cut = tmp_path / "cut.pt"
    for content in (b"", b"words", whole[: len(whole) // 2]):
        cut.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cut\.pt"):
            examined_of(cut)


def test_a_checkpoint_apart_from_its_run_needs_data(copy, tmp_path):
    alone = Path(shutil.copy(copy / "best_model.pt", tmp_path / "alone.pt"))
    with pytest.raises(CheckpointError, match=r"alone\.pt is not in its run folder") as caught:
        examined_of(alone)
    assert "--data" in caught.value.hint
    (copy / "split.json").unlink()
    with pytest.raises(CheckpointError, match="is not in its run folder"):
        examined_of(copy / "best_model.pt")


def test_a_checkpoint_in_the_folder_of_another_run(trained, copy, tmp_path):
    fit = replace(QUICK.fit, epochs=1)
    _, other = train(tmp_path / "other", "concat", fit=fit)
    foreign = Path(shutil.copy(other.path("best_model.pt"), copy / "best_model.pt"))
    with pytest.raises(CheckpointError, match="is not in its run folder"):
        examined_of(foreign)
    same_model = Path(shutil.copytree(trained[1].folder, tmp_path / "renamed"))
    (note,) = examined_of(same_model / "best_model.pt").notes
    assert trained[1].name in note and "renamed" in note
    assert examined_of(trained[1].path("best_model.pt")).notes == ()


@pytest.fixture
def lab(tmp_path):
    """Other pairs, with words that the checkpoint never saw."""
    folder = small_lab(tmp_path / "lab", 30)
    for number in range(1, 31):
        words = " ".join(f"w{number % 6}x{place} w{number % 5}x{place}" for place in range(12))
        (folder / f"data/{number}.txt").write_text(f"{words} the day\n")
    return DataConfig(data=str(folder))


def split_file(data, path):
    """A split of other pairs, and its guids."""
    dataset = plan_run(replace(QUICK, data=data)).dataset
    split = make_split(dataset.pairs, dataset.labels, replace(QUICK.split, split_seed=5))
    write_split(split, path, force=False)
    return split


def test_other_pairs_are_all_examined(checkpoint, lab, tmp_path):
    result, _ = run_ablate(examined_of(checkpoint, lab), tmp_path / "ablation")
    assert (result.val_pairs, result.arms[0].method) == (30, "none")
    assert "every labelled pair" in result.source and "lab" in result.source
    assert not any("too high" in note for note in result.notes)
    assert result.majority_accuracy == pytest.approx(1 / 3)


def test_other_pairs_are_read_by_the_columns_of_the_training_or_else_by_usual_ones(copy, tmp_path):
    model = changed(copy / "best_model.pt", columns={"text_column": "second"})
    (tmp_path / "1.png").write_bytes(image_bytes(kind="PNG"))
    for names, text in (("guid,text,second,image,tag", "b"), ("guid,text,third,image,tag", "a")):
        rows = [f"{number},a,b,1.png,{tag}" for number, tag in enumerate(TAGS)]
        (tmp_path / "pairs.csv").write_text("\n".join([names, *rows]))
        pairs = examined_of(model, DataConfig(data=str(tmp_path / "pairs.csv"))).plan.dataset.pairs
        assert {pair.text for pair in pairs} == {text}


def test_pairs_in_memory_are_examined_alone(checkpoint, lab):
    pairs = plan_run(replace(QUICK, data=lab)).dataset.pairs[3:15]
    source = frame_source(frame_of(pairs, DataConfig()))
    examined = examine(checkpoint, {"data": lab.data}, None, RUNTIME, pairs=source)
    assert [pair.guid for pair in examined.plan.dataset.pairs] == [pair.guid for pair in pairs]
    assert examined.plan.split.train == examined.plan.split.val == tuple(pair.guid for pair in pairs)
    assert examined.source == "every labelled pair of DataFrame"


def test_pairs_that_the_training_used_are_counted(copy, lab):
    pairs = plan_run(QUICK).dataset.pairs
    (Path(lab.data) / "data/7.txt").write_text(next(pair.text for pair in pairs if pair.text.isascii()))
    assert "1 of 30 pairs were used in training" in " ".join(examined_of(copy / "best_model.pt", lab).notes)
    content = torch.load(copy / "best_model.pt", weights_only=True)
    torch.save({name: part for name, part in content.items() if name != "seen"}, copy / "best_model.pt")
    notes = " ".join(examined_of(copy / "best_model.pt", lab).notes)
    assert "if the model was trained on some of these pairs" in notes


def test_of_other_pairs_the_validation_side_of_a_split(checkpoint, lab, tmp_path):
    split = split_file(lab, tmp_path / "split.json")
    examined = examined_of(checkpoint, lab, str(tmp_path / "split.json"))
    result, detail = run_ablate(examined, tmp_path / "ablation")
    assert result.val_pairs == len(split.val) == len(detail.predicted["both"]) < 30
    assert "split.json" in result.source
    assert not any("too high" in note for note in result.notes)


def test_retraining_on_other_pairs_starts_from_their_own_words(checkpoint, lab, tmp_path):
    """A model's token ids must not be those of the checkpoint's vocabulary."""
    split_file(lab, tmp_path / "split.json")
    examined = examined_of(checkpoint, lab, str(tmp_path / "split.json"))
    assert examined.plan.config.fit == plan_run(QUICK).config.fit
    _, detail = run_ablate(examined, tmp_path / "ablation", retrain=True)
    alone = replace(QUICK.split, split=str(tmp_path / "split.json"))
    assert_trained_alone((detail, tmp_path / "ablation" / "arms"), tmp_path, data=lab, split=alone)


def test_retraining_on_the_evaluated_pairs_is_refused(checkpoint, lab, tmp_path):
    with pytest.raises(ConfigError, match="--retrain") as caught:
        run_ablate(examined_of(checkpoint, lab), tmp_path / "ablation", retrain=True)
    assert "--split" in caught.value.hint


def test_a_single_validation_pair_is_refused(checkpoint, lab, tmp_path):
    split = split_file(lab, tmp_path / "whole.json")
    one = split.val[:1]
    write_split(replace(split, val=one, digest=digest_of(split.train, one)), tmp_path / "one.json", force=False)
    with pytest.raises(DataError, match="one validation pair"):
        run_ablate(examined_of(checkpoint, lab, str(tmp_path / "one.json")), tmp_path / "ablation")


def test_the_labels_are_those_of_the_checkpoint_in_its_order(tmp_path):
    backwards = ("positive", "neutral", "negative")
    data = replace(QUICK.data, labels=backwards)
    reported, run = train(tmp_path / "runs", data=data, fit=replace(QUICK.fit, epochs=1))
    examined = examined_of(run.path("best_model.pt"), QUICK.data)
    assert examined.plan.dataset.labels == backwards
    result, detail = run_ablate(examined, tmp_path / "ablation")
    assert result.labels == reported.labels == backwards
    tags = [pair.tag for pair in examined.plan.dataset.pairs]
    answers = [backwards[number] for number in detail.predicted["both"]]
    assert result.arms[0].accuracy == np.mean([one == other for one, other in zip(answers, tags, strict=True)])


def test_data_with_other_labels_is_refused(checkpoint, tmp_path):
    lab = small_lab(tmp_path / "lab")
    lines = (lab / "train.txt").read_text()
    (lab / "train.txt").write_text(lines.replace("negative", "sad"))
    with pytest.raises(DataError, match="sad"):
        examined_of(checkpoint, DataConfig(data=str(lab)))
