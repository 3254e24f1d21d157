"""Figures of a training over folds, against their definitions."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from mmsent_cli.stats import calibration_error
from mmsent_cli.training.metrics import metrics_of

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
