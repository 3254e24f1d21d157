"""Statistics that no other file compares with another library: variance of seeds, Shapley values, drift."""

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import ShapleyValues
from scipy.stats import permutation_test
from sklearn.metrics import confusion_matrix
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from mmsent_cli.experiments.ablation.ablate import Predictions, _agreement, _shapley
from mmsent_cli.stats import estimate_difference, estimate_mean, length_drift

PAIRS, SEEDS = 40, 3
DRAWS = np.random.default_rng(4)
ARM, BASELINE = (
    ((DRAWS.random(PAIRS) < share) ^ (DRAWS.random((SEEDS, PAIRS)) < 0.2)).astype(float) for share in (0.8, 0.5)
)
"""Right or wrong of three seeds [S, N]: the seeds of an arm agree on most pairs."""


def mean_squares(scores):
    """Mean squares of seeds, pairs and the rest, of a two-way analysis of variance."""
    rows = [(score, seed, pair) for seed, own in enumerate(scores) for pair, score in enumerate(own)]
    frame = pd.DataFrame(rows, columns=["score", "seed", "pair"])
    table = anova_lm(ols("score ~ C(seed) + C(pair)", frame).fit())
    return table["mean_sq"]["C(seed)"], table["mean_sq"]["C(pair)"], table["mean_sq"]["Residual"]


def satterthwaite(parts):
    """Variance of a sum of independent parts, and its degrees of freedom: variance and degrees of each part."""
    variance = sum(part for part, _ in parts)
    return variance, variance**2 / sum(part**2 / degrees for part, degrees in parts)


def test_the_interval_over_seeds_is_that_of_the_analysis_of_variance():
    seed, pair, rest = mean_squares(ARM)
    variance, degrees = satterthwaite(
        [(seed / (SEEDS * PAIRS), SEEDS - 1), ((pair - rest) / (SEEDS * PAIRS), PAIRS - 1)]
    )
    ours = estimate_mean(ARM)
    assert ours.standard_error**2 == pytest.approx(variance)
    assert ours.degrees_of_freedom == pytest.approx(degrees)


def test_so_is_that_of_a_difference():
    (seed, _, rest), (other_seed, _, other_rest) = mean_squares(ARM), mean_squares(BASELINE)
    differences = pd.Series(ARM.mean(axis=0) - BASELINE.mean(axis=0))
    of_pairs = differences.sem() ** 2 - (rest + other_rest) / (SEEDS * PAIRS)
    seeds = [(each / (SEEDS * PAIRS), SEEDS - 1) for each in (seed, other_seed)]
    variance, degrees = satterthwaite([*seeds, (of_pairs, PAIRS - 1)])
    ours = estimate_difference(ARM, BASELINE)
    assert ours.standard_error**2 == pytest.approx(variance)
    assert ours.degrees_of_freedom == pytest.approx(degrees)


def ablated():
    """The classes of 60 pairs, and predictions from both modalities, from each alone, and from nothing."""
    draws = np.random.default_rng(0)
    true = draws.integers(0, 3, 60)
    text, image, nothing, both = (
        np.where(draws.random(60) < share, true, draws.integers(0, 3, 60)) for share in (0.6, 0.4, 0.1, 0.8)
    )
    return true, both, Predictions(text=text, image=image, nothing=nothing)


def test_the_shares_of_the_modalities_are_captums():
    true, both, without = ablated()
    arms = {(0, 0): without.nothing, (1, 0): without.text, (0, 1): without.image, (1, 1): both}
    accuracy = {kept: float((arm == true).mean()) for kept, arm in arms.items()}

    def score(kept):
        return torch.tensor([accuracy[tuple(map(int, row))] for row in kept], dtype=torch.float64)

    expected = ShapleyValues(score).attribute(torch.ones(1, 2, dtype=torch.float64))[0].tolist()
    ours = _shapley("zero", without, both, true)
    assert [ours.text, ours.image] == pytest.approx(expected)


def test_the_agreement_of_the_modalities_is_scikit_learns_confusion_matrix():
    true, _, without = ablated()
    expected = confusion_matrix(without.text == true, without.image == true, normalize="all")
    ours = _agreement("zero", without, true)
    assert [ours.neither_right, ours.only_image_right, ours.only_text_right, ours.both_right] == pytest.approx(
        expected.ravel().tolist()
    )


def test_the_p_of_length_drift_is_that_of_all_permutations():
    here, training = np.array([1.0, 2, 4, 7, 11]), np.array([3.0, 8, 9, 12, 15, 16])

    def gap(one, other):
        places = np.concatenate([one, other])
        return max(abs((one <= place).mean() - (other <= place).mean()) for place in places)

    exact = permutation_test((training, here), gap, alternative="greater", n_resamples=np.inf)
    drift = length_drift(training, here)
    assert (drift.distance, drift.p) == pytest.approx((exact.statistic, exact.pvalue))
