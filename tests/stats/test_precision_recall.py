"""Precision-recall curves, by hand and next to scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from mmsent_cli.results import PrecisionRecall
from mmsent_cli.stats import precision_recall
from mmsent_cli.stats.calibration import MOST_POINTS


def test_the_average_precision_is_that_of_all_thresholds():
    """Ranked by the probability of a: a b a b, precision 1 at the first a and 2/3 at the second."""
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    first, second = precision_recall(shares, np.array([0, 1, 1, 0]), "ab")
    assert isinstance(first, PrecisionRecall)
    assert (first.label, first.pairs, second.label, second.pairs) == ("a", 2, "b", 2)
    assert first.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert first.recall == (0.5, 0.5, 1.0, 1.0)
    assert first.precision == pytest.approx((1.0, 0.5, 2 / 3, 0.5))


def test_a_class_without_pairs_has_no_curve_and_those_behind_it_keep_theirs():
    shares = np.array([[0.6, 0.1, 0.3], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5]])
    curves = precision_recall(shares, np.array([0, 2, 0]), "abc")
    assert [one.label for one in curves] == ["a", "c"]
    assert curves[1].average_precision == pytest.approx(1)


def test_a_long_curve_keeps_points_evenly_over_its_ranks_from_the_first_to_the_last():
    draws = np.random.default_rng(0)
    shares, targets = draws.dirichlet((1, 1), 601), draws.integers(2, size=601)
    (_, curve) = precision_recall(shares, targets, "ab")
    precision, recall, _ = precision_recall_curve(targets == 1, shares[:, 1])
    every_sixth = slice(600, None, -6)
    assert len(curve.recall) == MOST_POINTS == 101
    assert curve.recall == pytest.approx(tuple(recall[every_sixth]))
    assert curve.precision == pytest.approx(tuple(precision[every_sixth]))
    assert curve.average_precision == pytest.approx(average_precision_score(targets == 1, shares[:, 1]))
