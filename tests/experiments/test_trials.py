"""Records of trials, and the best trial, on models made by hand."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mmsent_cli.experiments.arms import TrainedArm, save
from mmsent_cli.experiments.tuning.runner import (
    Model,
    TrialRecord,
    Tuner,
    compare_trials,
    describe,
    distinct,
    name_of,
    rank,
)
from mmsent_cli.results import ONE_CLASS, EpochScore
from mmsent_cli.run_folders import Run

LABELS = ("negative", "neutral", "positive")
TRUE = np.array([0, 1, 2, 0, 1, 2, 0, 1])
WRONG = (TRUE + 1) % 3


def curve(*accuracies, val_losses=None):
    losses = val_losses or [1 - accuracy for accuracy in accuracies]
    return tuple(
        EpochScore(
            epoch=e, train_loss=e / 8, train_objective=1, val_loss=loss, accuracy=a, macro_f1=a / 2, gates={"text": 0.1}
        )
        for e, (a, loss) in enumerate(zip(accuracies, losses, strict=True), start=1)
    )


def model(*accuracies, right=8, val_losses=None):
    """A model whose best epoch and whose nested selection are right on the first `right` pairs."""
    predicted = np.where(np.arange(8) < right, TRUE, WRONG)
    return Model(curve(*accuracies, val_losses=val_losses), predicted, predicted)


def record(*models, is_complete=True, **settings):
    return TrialRecord("grid", settings, is_complete, models)


@pytest.fixture
def trained():
    """Three epochs, of which the second is right on all pairs."""
    return TrainedArm(
        name="grid-0",
        fusion="concat",
        augmentation="none",
        seed=0,
        is_reference=False,
        trainable_parameters=1,
        monitor="accuracy",
        curve=curve(0.0, 1.0, 0.5),
        predicted=np.stack([WRONG, TRUE, WRONG]),
        losses=np.ones((3, 8)),
    )


def test_a_model_is_the_best_epochs_predictions_and_the_nested_ones(trained):
    found = Model.of(trained, TRUE, 3)
    assert np.array_equal(found.best, TRUE)
    assert np.array_equal(found.nested, TRUE)
    assert found.curve == trained.curve


def test_a_model_that_was_trained_before_reports_its_epochs_again(tmp_path, trained):
    told = []
    tuner = Tuner(SimpleNamespace(run=Run(tmp_path)), SimpleNamespace(monitor="accuracy"), None)
    save(tmp_path / "arms", "first", trained)
    fitted = tuner._fit(SimpleNamespace(stem="first"), {}, SimpleNamespace(report=lambda *each: told.append(each)))
    assert told == [(0.0, 1), (1.0, 2), (0.5, 3)]
    assert fitted.is_resumed and not fitted.is_pruned and fitted.trained.curve == trained.curve


def test_a_model_comes_back_from_the_database_to_the_last_bit():
    kept = model(0.1 + 0.2, 1 / 3, right=5, val_losses=[math.nan, math.inf])
    back = Model.from_plain(json.loads(json.dumps(kept.to_plain())))
    assert repr(back.curve) == repr(kept.curve)
    assert np.array_equal(back.best, kept.best)
    assert np.array_equal(back.nested, kept.nested)


def test_the_best_mean_over_seeds_wins_and_of_equal_ones_the_first():
    trials = [
        record(model(0.5, 0.75), model(0.25)),
        record(model(0.75, 0.5), model(0.5)),
        record(model(0.5), model(0.5, 0.75)),
        record(model(1.0), model(1.0), is_complete=False),
    ]
    assert [trial.value("accuracy") for trial in trials] == [0.5, 0.625, 0.625, 1.0]
    assert rank(trials, "accuracy") == [1, 2, 0]
    assert rank(trials, "macro_f1") == [1, 2, 0]


def test_a_tie_goes_to_the_lowest_validation_loss_then_to_macro_f1():
    def tied(val_loss, macro_f1):
        (score,) = curve(0.5, val_losses=[val_loss])
        return record(Model((replace(score, macro_f1=macro_f1),), TRUE, TRUE))

    trials = [tied(0.9, 0.3), tied(0.8, 0.2), tied(0.8, 0.4), tied(math.nan, 0.9)]
    assert rank(trials, "accuracy") == [2, 1, 0, 3]


def test_the_lowest_loss_wins_and_one_that_is_no_number_loses():
    trials = [record(model(0.5, val_losses=[loss])) for loss in (0.7, math.nan, 0.6, math.inf)]
    assert rank(trials, "loss") == [2, 0, 1, 3]


def test_scores_are_means_over_seeds_of_each_ones_best_epoch():
    row = describe(record(model(0.5, 0.75), model(0.25), lr=1), 4, TRUE, LABELS, "accuracy")
    assert (row.number, row.phase, row.settings, row.state) == (4, "grid", {"lr": 1}, "complete")
    assert (row.accuracy, row.macro_f1, row.best_epoch) == (0.5, 0.25, 2)
    assert (row.train_loss, row.val_loss) == (1.5 / 8, 0.5)
    assert [len(scores) for scores in row.curves] == [2, 1]
    assert describe(record(model(0.5), is_complete=False), 0, TRUE, LABELS, "accuracy").state == "pruned"


def test_the_interval_is_that_of_the_best_epochs_accuracy():
    from scipy.stats import binomtest

    one = Model(curve(0.75), np.where(np.arange(8) < 6, TRUE, WRONG), WRONG)
    expected = binomtest(6, 8).proportion_ci(method="wilson")
    row = describe(record(one), 0, TRUE, LABELS, "accuracy")
    assert row.interval == pytest.approx((expected.low, expected.high))
    assert row.macro_f1_interval[0] < f1_score(TRUE, one.best, average="macro") < row.macro_f1_interval[1]


def test_settings_are_shown_with_three_digits():
    settings = {"head_lr": 0.00012345, "epochs": 12, "fusion": "gmu"}
    assert name_of(settings) == "head_lr=0.000123 epochs=12 fusion=gmu"


def test_two_trials_are_compared_by_nested_selection():
    best = record(Model(curve(0.5), WRONG, TRUE), Model(curve(0.5), WRONG, TRUE))
    other = record(Model(curve(1.0), TRUE, WRONG), model(0.5, right=4))
    difference, _ = compare_trials(best, other, TRUE, len(LABELS))
    assert difference.difference == pytest.approx(0.75)
    assert difference.interval[0] < 0.75 < difference.interval[1]


def test_a_trial_that_answers_one_class_says_so():
    answers_one = np.full(8, 2)
    row = describe(record(Model(curve(0.25), answers_one, answers_one)), 0, TRUE, LABELS, "accuracy", "try more")
    assert [(finding.kind, finding.advice) for finding in row.findings] == [(ONE_CLASS, "try more")]
    assert describe(record(model(1.0)), 0, TRUE, LABELS, "accuracy").findings == ()


def test_settings_that_were_proposed_again_count_once():
    stopped, whole, other = record(model(0.5), is_complete=False, a=1), record(model(0.5), a=1), record(model(0.5), a=2)
    assert distinct([stopped, other, record(a=2), whole]) == [whole, other]
    assert distinct([whole, stopped, other]) == [whole, other]
