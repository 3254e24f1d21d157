"""Figures of a training over folds, against their definitions, and its parts on arrays made by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from mmsent_cli.ensemble import ProbeInputs, fit_probe
from mmsent_cli.errors import ConfigError
from mmsent_cli.progress import ModelBegun, ModelDone, silent
from mmsent_cli.results import EpochResult
from mmsent_cli.run_folders import Run
from mmsent_cli.stats import calibration_error
from mmsent_cli.training import fold_models
from mmsent_cli.training.fold_models import FoldModel, TrainedModel, _join, _lines, _models, _train_folds, rows_of
from mmsent_cli.training.folds import _member, _trade_off
from mmsent_cli.training.metrics import metrics_of
from mmsent_cli.training.predictions import read_predictions, write_rows
from mmsent_cli.training.probes import cross_fit, out_of_fold, require_probes
from tests.training.builders import tiny_model

LABELS = ("negative", "neutral", "positive")


def test_calibration_error_by_hand():
    """Two bins: three pairs said at .9 of which two are right, one pair said at .5 that is right."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    targets = np.array([0, 1, 1, 0])
    assert calibration_error(probabilities, targets) == pytest.approx((3 * (0.9 - 2 / 3) + (1 - 0.5)) / 4)


def test_a_judge_that_is_right_as_often_as_it_says_has_hardly_any_calibration_error():
    draws = np.random.default_rng(0)
    shares = draws.dirichlet([1, 1, 1], size=20_000)
    targets = np.array([draws.choice(3, p=share) for share in shares])
    assert calibration_error(shares, targets) < 0.02
    assert calibration_error(shares**4 / (shares**4).sum(axis=1, keepdims=True), targets) > 0.15


def test_a_probability_of_one_falls_into_the_last_bin():
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0


def test_figures_are_those_of_the_most_probable_classes():
    draws = np.random.default_rng(1)
    shares, targets = draws.dirichlet([1, 1, 1], size=200), draws.integers(3, size=200)
    figures = metrics_of(np.log(shares), targets, LABELS)
    predicted = shares.argmax(axis=1)
    assert figures.accuracy == pytest.approx(accuracy_score(targets, predicted))
    assert figures.macro_f1 == pytest.approx(f1_score(targets, predicted, average="macro"))
    assert figures.loss == pytest.approx(log_loss(targets, shares))


def test_there_are_fifteen_bins():
    """0.61, 0.65 and 0.66 lie in the bin from 9/15 to 10/15, and 0.67 in the next; with 10, 14, 16 or 20 bins they
    would lie elsewhere. Right are 0.61 and 0.66: |2 - 1.92| and |0 - 0.67|, over four pairs."""
    confidence = np.array([0.61, 0.65, 0.66, 0.67])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    assert calibration_error(probabilities, np.array([0, 1, 0, 1])) == pytest.approx((0.08 + 0.67) / 4)


def epoch(number):
    scores = dict.fromkeys(("train_loss", "train_objective", "val_loss", "accuracy", "macro_f1", "encoder_lr"), 0.5)
    return EpochResult(epoch=number, **scores, head_lr=0.1, skipped_steps=0, seconds=1.0, is_best=False)


def test_the_models_of_a_fold_are_joined():
    """0.8 and 0.2, and twice 0.5: the roots of 0.4 and of 0.1 are as 2 to 1."""
    logits = [np.log([[0.8, 0.2]]), np.zeros((1, 2))]
    fold = _join([TrainedModel({"w": number}, each, [epoch(1), epoch(2)]) for number, each in enumerate(logits)])
    assert [state["w"] for state in fold.states] == [0, 1]
    assert np.exp(fold.prediction()).tolist() == [pytest.approx([2 / 3, 1 / 3])]
    assert [result.epoch for result in fold.history] == [1, 2, 1, 2]
    assert [result.epoch for result in fold.last_epochs()] == [2, 2]
    lines = [(line["fold"], line["network"], line["epoch"], line["head_lr"]) for line in _lines({1: fold, 0: fold})]
    assert lines == [(part, network, number, 0.1) for part in (1, 2) for network in (1, 2) for number in (1, 2)]


def plan_of(guids, *folds, models=1):
    """A plan over pairs with these guids, whose folds have these guids; seed 3."""
    pairs = [
        SimpleNamespace(guid=guid, tag=tag) for guid, tag in zip(guids, ("positive", None, "neutral"), strict=False)
    ]
    splits = [SimpleNamespace(fold=number, val=tuple(own)) for number, own in enumerate(folds, 1)]
    config = SimpleNamespace(model=SimpleNamespace(models_per_fold=models), fit=SimpleNamespace(seed=3))
    return SimpleNamespace(config=config, folds=splits, dataset=SimpleNamespace(pairs=pairs, labels=LABELS))


def test_each_model_of_each_fold_has_its_own_seed_and_the_rows_of_its_fold():
    plan = plan_of("abc", "ca", "b", models=2)
    assert _models(plan, "text-only") == [
        FoldModel(place, seed, f"text-only fold {place + 1}") for place in (0, 1) for seed in (6, 7)
    ]
    assert {model.name for model in _models(plan, "")} == {"fold 1", "fold 2"}
    rows = [rows_of(plan, split) for split in plan.folds]
    assert [each.tolist() for each in rows] == [[2, 0], [1]]
    joined = out_of_fold([np.array([[2.0, 20], [0, 0]]), np.array([[1.0, 10]])], rows)
    assert joined.tolist() == [[0, 0], [1, 10], [2, 20]]
    assert out_of_fold([np.array([[2.0, 20], [1, 10]])], [np.array([1, 0])]).tolist() == [[1, 10], [2, 20]]


def test_a_finished_fold_reports_the_last_epoch_of_each_model(tmp_path, monkeypatch):
    plan, events = plan_of("abc", "ca", models=2), []
    plan.config.fit.epochs = 1
    last = [epoch(1), replace(epoch(1), accuracy=0.25, macro_f1=0.125)]
    monkeypatch.setattr(fold_models, "read_fold", lambda *_: ([{}, {}], np.zeros((2, 2, 3)), last))
    monkeypatch.setattr(fold_models, "train_models", lambda *_: ())
    (tmp_path / "folds").mkdir()
    (tmp_path / "folds" / "fold-1.pt").touch()
    workspace = SimpleNamespace(plan=plan, progress=events.append)
    (fold,) = _train_folds(workspace, Run(tmp_path), None, 0, "both")
    assert fold.history == last
    assert events == [
        ModelBegun("both fold 1", 6, 1, 2, 1),
        ModelDone("both fold 1", 6, last[0].accuracy, last[0].macro_f1, is_resumed=True, epoch="last"),
        ModelBegun("both fold 1", 7, 2, 2, 1),
        ModelDone("both fold 1", 7, 0.25, 0.125, is_resumed=True, epoch="last"),
    ]


def test_written_predictions_are_read_back(tmp_path):
    run = Run(tmp_path)
    write_rows(run, "some.csv", plan_of("abc"), [(2, np.array([0.5, 0.25, 0.25])), (1, np.array([0.1, 0.2, 0.7]))])
    assert run.path("some.csv").read_text().splitlines()[:2] == [
        "guid,tag,predicted,negative,neutral,positive",
        "c,neutral,negative,0.500000,0.250000,0.250000",
    ]
    assert read_predictions(run, "some.csv") == [
        ("c", "neutral", "negative", (0.5, 0.25, 0.25)),
        ("b", "", "positive", (0.1, 0.2, 0.7)),
    ]


def test_a_probe_predicts_a_fold_that_it_was_not_fit_on_and_is_kept_fit_on_all():
    draws = np.random.default_rng(0)
    targets, every = np.arange(12) % 3, np.arange(12)
    pooled = {side: draws.normal(size=(12, 4)).astype(np.float32) for side in ("text", "image")}
    inputs = ProbeInputs([""] * 12, pooled, dict.fromkeys(pooled, np.ones(12, dtype=bool)))
    workspace = SimpleNamespace(targets=targets, plan=plan_of(""), progress=silent)
    folds = [every[::2], every[1::2]]
    predictions, probes = cross_fit(("image", "text"), inputs, workspace, folds)
    for name, predicted, probe in zip(("image", "text"), predictions, probes, strict=True):
        for own, others in (folds, folds[::-1]):
            expected = fit_probe(name, inputs, targets, others, 3).log_probabilities(inputs.take(own))
            np.testing.assert_array_equal(predicted[own], expected)
        assert probe.name == name
        np.testing.assert_array_equal(probe.weight, fit_probe(name, inputs, targets, every, 3).weight)


def test_a_probe_needs_its_encoder_frozen_completely():
    model = tiny_model()
    model.image.freeze(model.image.n_stages)
    require_probes(SimpleNamespace(probes=("image", "lexicon", "clip-text")), model)
    with pytest.raises(ConfigError, match="text") as caught:
        require_probes(SimpleNamespace(probes=("image", "text")), model)
    assert "--freeze-text all" in caught.value.hint


def test_a_stronger_adjustment_is_measured_on_the_same_predictions():
    """Of a class that is rare, more pairs are found with a stronger adjustment."""
    draws = np.random.default_rng(0)
    targets = draws.choice(3, size=300, p=(0.7, 0.2, 0.1))
    logits = 1.5 * np.eye(3)[targets] + draws.normal(size=(300, 3))
    members = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))[:, None]
    folds = [np.arange(300)[start::3] for start in range(3)]
    plain, strong = _trade_off(members, targets, folds, LABELS, (0.0, 1.0))
    assert (plain.logit_adjustment, strong.logit_adjustment) == (0.0, 1.0)
    assert strong.accuracy < plain.accuracy and strong.macro_f1 > plain.macro_f1
    own = metrics_of(members[:, 0], targets, LABELS)
    alone = _member("network", own)
    assert (alone.name, alone.accuracy, alone.macro_f1, alone.loss) == ("network", own.accuracy, own.macro_f1, own.loss)
    assert alone.interval == own.interval
