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


@pytest.mark.parametrize("seed_sd", SEED_SDS)
def test_equal_methods_under_other_seeds_are_called_different_in_at_most_one_of_twenty(seed_sd):
    compared = estimates(500, seeds=3, seed_sd=seed_sd, between=WITHIN)
    assert share(p_value(estimate) < 0.05 for estimate in compared) <= 0.05


@pytest.mark.parametrize("between", [0.8, WITHIN])
@pytest.mark.parametrize(
    ("seeds", "seed_sd"), [*((3, seed_sd) for seed_sd in SEED_SDS), (2, 0.005), (2, 0.015), (5, 0.005), (5, 0.015)]
)
def test_intervals_cover_the_true_difference(seeds, between, seed_sd):
    compared = estimates(1000, seeds=seeds, between=between, seed_sd=seed_sd, gap=GAP)
    assert 0.93 <= share(covers(estimate, GAP) for estimate in compared) <= 0.97


def test_with_one_seed_the_interval_covers_the_pairs_only():
    fixed = estimates(1000, seeds=1, gap=GAP)
    assert 0.93 <= share(covers(estimate, GAP) for estimate in fixed) <= 0.97
    varying = estimates(1000, seeds=1, gap=GAP, seed_sd=0.015)
    assert share(covers(estimate, GAP) for estimate in varying) < 0.85
    assert not any(estimate.covers_seeds for estimate in varying)


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_cover_the_accuracy_of_one_arm(seeds):
    generator = np.random.default_rng(0)
    arms = [simulate(generator, seeds, seed_sd=0.0 if seeds == 1 else 0.01, arms=1)[0] for _ in range(1000)]
    assert 0.93 <= share(covers(estimate_mean(arm), ACCURACY) for arm in arms) <= 0.97


@pytest.mark.parametrize("seed_sd", SEED_SDS[:3])
def test_a_gap_of_six_points_is_found(seed_sd):
    compared = estimates(500, seeds=3, seed_sd=seed_sd, gap=0.06)
    assert share(p_value(estimate) < 0.05 and estimate.value > 0 for estimate in compared) >= 0.8


def test_among_seven_arms_the_better_one_is_found_and_the_equal_ones_are_not():
    generator, found, false, families = np.random.default_rng(0), 0, 0, 300
    for _ in range(families):
        better, baseline, *equal = simulate(generator, seeds=3, seed_sd=0.005, gap=0.06, arms=7)
        adjusted = holm([p_value(estimate_difference(arm, baseline)) for arm in (better, *equal)])
        found += adjusted[0] < 0.05
        false += min(adjusted[1:]) < 0.05
    assert found / families >= 0.8
    assert false / families <= 0.08  # 0.05 and what chance adds in 300 families


def test_what_is_called_detectable_is_found_in_four_of_five():
    smallest = float(np.median([detectable(estimate) for estimate in estimates(200, seeds=1)]))
    found = estimates(1000, seeds=1, gap=smallest)
    assert share(p_value(estimate) < 0.05 for estimate in found) == pytest.approx(0.8, abs=0.04)


def test_with_several_seeds_the_detectable_difference_is_about_right():
    settings = {"seeds": 3, "seed_sd": 0.005}
    smallest = float(np.median([detectable(estimate, 6) for estimate in estimates(200, **settings)]))
    found = estimates(1000, gap=smallest, **settings)
    assert 0.65 <= share(p_value(estimate) < 0.05 / 6 for estimate in found) <= 0.85
