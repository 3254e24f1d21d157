"""What the intervals promise, on simulated models whose true difference is known."""

import numpy as np
import pytest

from mmsent_cli.stats import detectable, estimate_difference, estimate_mean, holm, interval, p_value
from tests.stats.simulated import ACCURACY, WITHIN, estimates, simulate

SEED_SDS = (0.0, 0.005, 0.01, 0.015)
GAP = 0.03


def share(flags):
    """Share of true ones."""
    return float(np.mean(list(flags)))


def covers(estimate, truth):
    """Whether the interval holds the true value."""
    low, high = interval(estimate)
    return low <= truth <= high


def against_baseline(arms):
    """The p of each arm but the first, the baseline, as one comparison of them all."""
    baseline, *tested = arms
    return [
        p_value(estimate_difference(arm, baseline, [other for other in tested if other is not arm])) for arm in tested
    ]


def test_the_simulation_is_what_it_says():
    generator = np.random.default_rng(1)
    arm, baseline = simulate(generator, seeds=2, gap=GAP, pairs=400_000)
    assert arm.mean() == pytest.approx(ACCURACY + GAP, abs=0.003)
    assert baseline.mean() == pytest.approx(ACCURACY, abs=0.003)
    assert share(baseline[0] == baseline[1]) == pytest.approx(WITHIN, abs=0.003)
    first, second = simulate(generator, seeds=1, pairs=400_000, between=0.78)
    assert share(first == second) == pytest.approx(0.78, abs=0.003)
    models = simulate(generator, seeds=2000, seed_sd=0.015, pairs=4000, arms=1)[0].mean(axis=1)
    noise = (1 - WITHIN) / 2 / 4000
    assert np.sqrt(models.var() - noise) == pytest.approx(0.015, rel=0.1)


def test_a_small_case_covers_the_true_difference_and_keeps_the_error_rate():
    """Fewer simulations of one case, with wider bounds; the full table is in the slow tier."""
    compared = estimates(200, seeds=3, between=WITHIN, seed_sd=0.005, gap=GAP)
    assert 0.90 <= share(covers(estimate, GAP) for estimate in compared) <= 0.99
    equal = estimates(200, seeds=3, between=WITHIN, seed_sd=0.005)
    assert share(p_value(estimate) < 0.05 for estimate in equal) <= 0.08


@pytest.mark.real
@pytest.mark.parametrize("seed_sd", SEED_SDS)
def test_equal_methods_under_other_seeds_are_called_different_in_at_most_one_of_twenty(seed_sd):
    compared = estimates(500, seeds=3, seed_sd=seed_sd, between=WITHIN)
    assert share(p_value(estimate) < 0.05 for estimate in compared) <= 0.05


@pytest.mark.real
@pytest.mark.parametrize("seed_sd", SEED_SDS)
def test_so_are_seven_equal_methods_in_one_comparison(seed_sd):
    generator, p_values = np.random.default_rng(0), []
    for _ in range(400):
        p_values += against_baseline(simulate(generator, seeds=3, seed_sd=seed_sd, between=WITHIN, arms=7))
    assert len(p_values) == 2400
    assert share(np.array(p_values) < 0.05) <= 0.05


@pytest.mark.real
@pytest.mark.parametrize("between", [0.8, WITHIN])
@pytest.mark.parametrize(
    ("arms", "seeds", "seed_sd"),
    [*((arms, 3, seed_sd) for arms in (2, 7) for seed_sd in SEED_SDS), (2, 2, 0.005), (2, 5, 0.005), (7, 5, 0.015)],
)
def test_intervals_cover_the_true_difference(arms, seeds, between, seed_sd):
    compared = estimates(1000, seeds=seeds, between=between, seed_sd=seed_sd, gap=GAP, arms=arms)
    assert 0.93 <= share(covers(estimate, GAP) for estimate in compared) <= 0.97


@pytest.mark.real
def test_an_arm_with_more_restless_seeds_than_the_others_is_covered_too():
    generator, hits = np.random.default_rng(0), []
    for _ in range(1000):
        restless, *calm = (simulate(generator, 3, sd, arms=count) for sd, count in ((0.02, 1), (0.005, 6)))
        arms = [*restless, *calm[0]]
        hits.append(covers(estimate_difference(arms[0], arms[1], arms[2:]), 0.0))
    assert share(hits) >= 0.92


@pytest.mark.real
def test_with_one_seed_the_interval_covers_the_pairs_only():
    fixed = estimates(1000, seeds=1, gap=GAP)
    assert 0.93 <= share(covers(estimate, GAP) for estimate in fixed) <= 0.97
    varying = estimates(1000, seeds=1, gap=GAP, seed_sd=0.015)
    assert share(covers(estimate, GAP) for estimate in varying) < 0.85


@pytest.mark.real
@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_cover_the_accuracy_of_one_arm(seeds):
    generator = np.random.default_rng(0)
    arms = [simulate(generator, seeds, seed_sd=0.0 if seeds == 1 else 0.01, arms=1)[0] for _ in range(1000)]
    assert 0.93 <= share(covers(estimate_mean(arm), ACCURACY) for arm in arms) <= 0.97


@pytest.mark.real
@pytest.mark.parametrize("seed_sd", SEED_SDS[:3])
def test_a_gap_of_six_points_is_found(seed_sd):
    compared = estimates(500, seeds=3, seed_sd=seed_sd, gap=0.06)
    assert share(p_value(estimate) < 0.05 and estimate.value > 0 for estimate in compared) >= 0.8


@pytest.mark.real
@pytest.mark.parametrize("seed_sd", SEED_SDS[:3])
def test_among_seven_arms_the_better_one_is_found_and_the_equal_ones_are_not(seed_sd):
    generator, found, false, families = np.random.default_rng(0), 0, 0, 150
    for _ in range(families):
        better, *equal = simulate(generator, seeds=3, seed_sd=seed_sd, gap=0.06, arms=7)
        adjusted = holm(against_baseline([*equal, better]))[::-1]
        found += adjusted[0] < 0.05
        false += min(adjusted[1:]) < 0.05
    assert found / families >= 0.8
    assert false / families <= 0.1  # 0.05, and what chance adds in 150 families


@pytest.mark.real
def test_what_is_called_detectable_is_found_in_four_of_five():
    smallest = float(np.median([detectable(estimate) for estimate in estimates(200, seeds=1)]))
    found = estimates(1000, seeds=1, gap=smallest)
    assert share(p_value(estimate) < 0.05 for estimate in found) == pytest.approx(0.8, abs=0.04)


@pytest.mark.real
def test_with_several_seeds_the_detectable_difference_is_about_right():
    settings = {"seeds": 3, "seed_sd": 0.005}
    smallest = float(np.median([detectable(estimate, 6) for estimate in estimates(200, **settings)]))
    found = estimates(1000, gap=smallest, **settings)
    assert 0.65 <= share(p_value(estimate) < 0.05 / 6 for estimate in found) <= 0.85
