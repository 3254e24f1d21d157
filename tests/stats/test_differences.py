"""Scores and differences with their intervals, by hand and by scipy: what comparisons and evaluations report."""

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_rel

from mmsent_cli.stats import accuracy_of, compare_scores, interval_of, macro_f1_of
from mmsent_cli.stats.estimate import Estimate, detectable

WON = np.array([[1.0] * 61 + [0.0] * 39])
LOST = np.array([[1.0] * 50 + [0.0] * 50])


def test_a_difference_of_single_models_is_the_paired_t_test():
    told, expected = compare_scores(WON, LOST), ttest_rel(WON[0], LOST[0])
    assert told.difference == pytest.approx(0.11)
    assert told.p == pytest.approx(expected.pvalue)
    assert told.interval == pytest.approx(tuple(expected.confidence_interval()))


def test_more_comparisons_change_the_detectable_difference_alone():
    one, three = compare_scores(WON, LOST), compare_scores(WON, LOST, comparisons=3)
    assert (one.difference, one.interval, one.p) == (three.difference, three.interval, three.p)
    error = np.std(WON[0] - LOST[0], ddof=1) / 10
    for told, comparisons in ((one, 1), (three, 3)):
        estimate = Estimate(value=0.11, standard_error=error, degrees_of_freedom=99)
        assert told.detectable == pytest.approx(detectable(estimate, comparisons))


def test_differences_stay_within_minus_one_and_one():
    right = np.array([[1.0, 1.0, 1.0, 0.0]])
    for arm, baseline, end in ((right, 1 - right, 1), (1 - right, right, 0)):
        told = compare_scores(arm, baseline)
        assert told.interval[end] == (-1.0, 1.0)[end]
        assert told.detectable == 1.0
        assert -1.0 <= told.interval[0] <= told.difference <= told.interval[1] <= 1.0


def test_other_arms_enter_the_seed_variance():
    draws = np.random.default_rng(0)
    arm, baseline, other = ((draws.random((3, 50)) < share).astype(float) for share in (0.7, 0.6, 0.2))
    alone, among = compare_scores(arm, baseline), compare_scores(arm, baseline, 2, [other])
    assert among.difference == alone.difference
    assert among.interval != alone.interval


def test_the_accuracy_of_a_single_model_has_the_wilson_interval():
    """600 of 800: 0.7189 to 0.7787; several seeds have a t interval instead."""
    right = np.array([[1.0] * 600 + [0.0] * 200])
    assert accuracy_of(right) == pytest.approx((0.7189, 0.7787), abs=1e-4)
    seeds = np.concatenate([right, right[:, ::-1]])
    assert accuracy_of(seeds) == interval_of(seeds) != accuracy_of(right)


def test_the_interval_of_a_mean_is_students_and_ends_at_zero_and_one():
    scores = np.tile([0.2, 0.4, 0.9, 0.5], 10)[None]
    reach = student.ppf(0.975, 39) * np.std(scores[0], ddof=1) / np.sqrt(40)
    assert interval_of(scores) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert interval_of(np.array([[0.0, 1.0, 0.0]])) == (0.0, 1.0)


def test_macro_f1_of_a_perfect_model_ends_at_one():
    true = np.arange(30) % 3
    low, high = macro_f1_of(true, true[None], 3)
    assert 0.9 < low < high == 1.0
    worse = np.where(np.arange(30) < 6, 0, true)
    assert macro_f1_of(true, worse[None], 3)[0] < low
