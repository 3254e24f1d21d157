"""Means and differences over pairs and seeds: against other implementations, and what must hold for any data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_1samp, ttest_rel
from statsmodels.stats.power import TTestPower

from mmsent_cli.stats import Estimate, detectable, estimate_difference, estimate_mean, interval, p_value


@st.composite
def two_arms(draw, seeds=None):
    """Right or wrong of two arms [S, N] each."""
    shape = draw(st.integers(1, 5)) if seeds is None else seeds, draw(st.integers(2, 40))
    answers = st.integers(0, 1).map(float)
    return draw(arrays(float, shape, elements=answers)), draw(arrays(float, shape, elements=answers))


def close(value):
    """Equal but for rounding."""
    return pytest.approx(value, rel=1e-6, abs=1e-9)


@given(two_arms(seeds=1))
def test_with_one_seed_it_is_the_paired_t_test(arms):
    arm, baseline = arms
    estimate, expected = estimate_difference(arm, baseline), ttest_rel(arm[0], baseline[0])
    if np.ptp(arm - baseline) > 0:
        assert p_value(estimate) == close(expected.pvalue)
        assert interval(estimate) == close(tuple(expected.confidence_interval()))
        assert estimate.degrees_of_freedom == close(arm.shape[1] - 1)


def test_one_arm_with_one_seed_is_the_t_interval():
    arm = np.random.default_rng(0).random((1, 50))
    assert interval(estimate_mean(arm)) == close(tuple(ttest_1samp(arm[0], 0).confidence_interval()))


@given(st.floats(0.001, 0.2), st.integers(10, 2000), st.integers(1, 6))
def test_the_detectable_difference_is_that_of_a_power_analysis(standard_error, pairs, comparisons):
    degrees = pairs - 1
    estimate = Estimate(value=0.0, standard_error=standard_error, degrees_of_freedom=degrees)
    smallest = detectable(estimate, comparisons)
    effect = smallest / standard_error / np.sqrt(pairs)
    power = TTestPower().power(effect, nobs=pairs, alpha=0.05 / comparisons, alternative="two-sided")
    assert power == pytest.approx(0.8, abs=1e-3)


def test_variances_of_pairs_and_seeds_by_hand():
    # The arm's seeds are right in 6 and 1 of 6 pairs, so its mean over two seeds has variance (5/6)²/2/2 = 25/144.
    # Neither seed nor pair explains ±5/12 in the first pair and ±1/12 in the others: 2·(25 + 5)/144/5 = 1/12, of a
    # mean of twelve 1/144. The baseline's seeds are alike. The pairs' differences are 1, 1/2, 1/2, 1/2, -1/2, 1/2.
    arm = np.array([[1.0, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])
    baseline = np.array([[0.0, 0, 0, 0, 1, 0]] * 2)
    estimate = estimate_difference(arm, baseline)
    of_seeds, of_pairs = 25 / 144, np.var([1, 0.5, 0.5, 0.5, -0.5, 0.5], ddof=1) / 6 - 1 / 144
    assert estimate.value == close(2.5 / 6)
    assert estimate.standard_error**2 == close(of_seeds + of_pairs)
    assert estimate.degrees_of_freedom == close((of_seeds + of_pairs) ** 2 / (of_seeds**2 / 1 + of_pairs**2 / 5))


def test_other_arms_count_half_for_the_variance_of_seeds():
    # Each arm alone, as in the test above: variance of seeds 25/144 with noise 1/144 in the first, 1/36 with noise 1/90
    # in the other, none in the baseline.
    arm = np.array([[1.0, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])
    other = np.array([[1.0, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]])
    baseline = np.array([[0.0, 0, 0, 0, 1, 0]] * 2)
    estimate = estimate_difference(arm, baseline, [other])
    ratio = (1 / 144) / (1 / 144 + 1 / 90)
    parts = np.array([(1 + ratio) / 2 * 25 / 144, ratio / 2 / 36])
    of_pairs = np.var([1, 0.5, 0.5, 0.5, -0.5, 0.5], ddof=1) / 6 - 1 / 144
    assert estimate.standard_error**2 == close(parts.sum() + of_pairs)
    spread = (parts**2).sum() + of_pairs**2 / 5
    assert estimate.degrees_of_freedom == close((parts.sum() + of_pairs) ** 2 / spread)
    assert estimate.value == estimate_difference(arm, baseline).value


@given(two_arms())
def test_p_and_interval_agree_and_the_interval_holds_the_estimate(arms):
    estimate = estimate_difference(*arms)
    low, high = interval(estimate)
    assert np.isfinite([low, high, detectable(estimate, 6)]).all()
    assert low < estimate.value < high
    assert 0 <= p_value(estimate) <= 1
    assert (p_value(estimate) < 0.05) == (low > 0 or high < 0)


@given(two_arms())
def test_swapping_the_arms_swaps_the_sign(arms):
    forth, back = estimate_difference(*arms), estimate_difference(*arms[::-1])
    assert back.value == -forth.value
    assert interval(back) == close(tuple(-end for end in reversed(interval(forth))))
    assert p_value(back) == close(p_value(forth))


@given(two_arms(), st.randoms(use_true_random=False))
def test_the_order_of_pairs_seeds_and_other_arms_is_nothing(arms, random):
    arm, baseline = arms
    others = [1 - arm, np.roll(baseline, 1, axis=1), np.roll(arm, 1, axis=1)]
    rows, columns = (random.sample(range(size), size) for size in arm.shape)
    mixed = [given[rows][:, columns] for given in (arm, baseline, *random.sample(others, 3))]
    ordered, shuffled = estimate_difference(arm, baseline, others), estimate_difference(*mixed[:2], mixed[2:])
    assert shuffled.value == close(ordered.value)
    assert interval(shuffled) == close(interval(ordered))
    assert detectable(shuffled, 3) == close(detectable(ordered, 3))


@given(two_arms())
def test_identical_arms_do_not_differ(arms):
    estimate = estimate_difference(arms[0], arms[0])
    assert (estimate.value, p_value(estimate)) == (0.0, 1.0)
    assert interval(estimate)[0] < 0 < interval(estimate)[1]
    assert 0 < detectable(estimate) < np.inf


@pytest.mark.parametrize("seeds", [1, 3])
def test_arms_that_never_differ_prove_no_difference_of_nothing(seeds):
    right = np.ones((seeds, 100))
    assert interval(estimate_difference(right, right))[1] > 0.01
    assert interval(estimate_mean(right))[0] < 0.99


def test_more_comparisons_need_a_larger_difference():
    estimate = Estimate(value=0.0, standard_error=0.01, degrees_of_freedom=20)
    sizes = [detectable(estimate, comparisons) for comparisons in (1, 2, 6)]
    assert sizes[0] == detectable(estimate)
    assert sizes == sorted(sizes)
    assert sizes[0] > 0.028


def test_three_seeds_have_two_degrees_of_freedom():
    """Seeds right in all, none and none of four pairs: variance of their means 1/3, of the mean over three seeds 1/9.

    The pairs are all alike, and neither seeds nor pairs leave noise.
    """
    estimate = estimate_mean(np.array([[1.0] * 4, [0.0] * 4, [0.0] * 4]))
    assert estimate.value == close(1 / 3)
    assert estimate.standard_error**2 == close(1 / 9)
    assert estimate.degrees_of_freedom == close(2.0)


def test_no_more_degrees_of_freedom_than_pairs_less_one():
    """One right in four pairs by both seeds: 3 degrees, whatever Satterthwaite's formula would allow."""
    one = estimate_mean(np.array([[1.0, 0.0, 0.0, 0.0]] * 2))
    nothing = estimate_mean(np.ones((2, 4)))
    assert one.degrees_of_freedom == nothing.degrees_of_freedom == 3
