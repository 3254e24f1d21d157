"""The figures of one evaluation, against scikit-learn and by hand."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import classification_report, f1_score

from mmsent_cli.ensemble import softmax
from mmsent_cli.stats import accuracy_interval
from mmsent_cli.training.metrics import Evaluation, compute_metrics, majority_accuracy

LABELS = ("negative", "neutral", "positive")
TRUE, PREDICTED = [0, 0, 1, 1, 2, 2, 2, 2], [0, 1, 1, 1, 2, 2, 0, 2]


def test_figures_agree_with_scikit_learn():
    metrics = compute_metrics(TRUE, PREDICTED, LABELS, loss=0.5)
    assert metrics.accuracy == 6 / 8
    assert metrics.macro_f1 == pytest.approx(f1_score(TRUE, PREDICTED, average="macro"))
    assert metrics.confusion == ((1, 1, 0), (0, 2, 0), (1, 0, 3))
    report = classification_report(TRUE, PREDICTED, target_names=LABELS, output_dict=True)
    for label, row in zip(LABELS, metrics.per_class, strict=True):
        assert (row.label, row.support) == (label, report[label]["support"])
        assert (row.precision, row.recall, row.f1) == pytest.approx(
            tuple(report[label][name] for name in ("precision", "recall", "f1-score"))
        )


def test_a_class_nobody_predicts_counts_as_zero():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = compute_metrics([0, 1], [0, 0], LABELS, loss=0.0)
    assert metrics.macro_f1 == pytest.approx((2 / 3) / 3)
    assert metrics.per_class[2].support == 0


def test_the_interval_is_wilsons():
    low, high = accuracy_interval(600, 800)
    assert (low, high) == (pytest.approx(0.7189, abs=1e-4), pytest.approx(0.7787, abs=1e-4))
    assert compute_metrics(TRUE, PREDICTED, LABELS, 0.0).interval == accuracy_interval(6, 8)


def test_the_interval_of_macro_f1_needs_two_pairs():
    low, high = compute_metrics(TRUE * 10, PREDICTED * 10, LABELS, 0.0).macro_f1_interval
    value = f1_score(TRUE, PREDICTED, average="macro")
    assert value - 0.15 < low < value - 0.03 and value + 0.03 < high < value + 0.15
    assert compute_metrics([0], [0], LABELS, 0.0).macro_f1_interval == (0.0, 1.0)


def test_the_majority_is_that_of_the_training_pairs():
    assert majority_accuracy([2, 2, 1], [1, 1, 2, 0]) == 1 / 4


def test_an_evaluation_turns_logits_into_figures():
    logits = np.array([[2.0, 0, 0], [0, 0, 1.0]], dtype=np.float32)
    metrics = Evaluation(logits, np.array([0, 1])).metrics(LABELS)
    shares = softmax(logits)
    assert metrics.accuracy == 0.5
    assert metrics.loss == pytest.approx(-np.log([shares[0, 0], shares[1, 1]]).mean())
    assert shares.sum(axis=1) == pytest.approx([1, 1])
