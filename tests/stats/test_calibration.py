"""Calibration, accuracy by answered share, and drift, next to scikit-learn, scipy and values by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, ks_2samp
from sklearn.calibration import calibration_curve
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import Table
from statsmodels.stats.proportion import proportion_confint

from mmsent_cli.stats import (
    answered_shares,
    calibration_bins,
    calibration_error,
    class_drift,
    confusion_counts,
    f1_by_class,
    length_drift,
    threshold_for_accuracy,
    weighted_f1,
)
from tests.stats.test_scores import CLASSES, answers


@pytest.fixture
def model():
    """Probabilities [500, 3] and classes."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet((0.6, 0.6, 0.6), 500)
    return probabilities, (generator.random((500, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


def test_bins_agree_with_scikit_learn_and_add_up_to_the_calibration_error(model):
    probabilities, targets = model
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    bins = calibration_bins(probabilities, targets, 15)
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    assert [one.accuracy for one in bins] == pytest.approx(list(accuracy))
    assert [one.confidence for one in bins] == pytest.approx(list(mean))
    gaps = sum(one.pairs * abs(one.accuracy - one.confidence) for one in bins) / 500
    assert gaps == pytest.approx(calibration_error(probabilities, targets))
    low, high = proportion_confint(round(bins[-1].accuracy * bins[-1].pairs), bins[-1].pairs, method="wilson")
    assert bins[-1].interval == pytest.approx((low, high))


def test_the_answered_share_takes_the_most_confident_pairs():
    confidence, right = np.array([0.9, 0.5, 0.7, 0.7]), np.array([True, False, True, False])
    half, all_of_them = answered_shares(confidence, right, (0.5, 1.0))
    assert (half.pairs, half.share, half.threshold, half.accuracy) == (3, 0.75, 0.7, 2 / 3)  # equal ones together
    assert (all_of_them.pairs, all_of_them.accuracy, all_of_them.threshold) == (4, 0.5, 0.5)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=30),
    st.sampled_from((0.3, 0.5, 0.75, 0.9, 1.0)),
)
def test_the_threshold_is_the_lowest_that_reaches_the_accuracy(pairs, wanted):
    confidence, right = np.array([one / 10 for one, _ in pairs]), np.array([is_right for _, is_right in pairs])
    reaching = [each for each in np.unique(confidence) if right[confidence >= each].mean() >= wanted]
    assert threshold_for_accuracy(confidence, right, wanted) == (min(reaching) if reaching else None)


@given(answers())
def test_f1_by_class_and_weighted_agree_with_scikit_learn(pairs):
    counts = confusion_counts(*pairs, CLASSES)
    options = {"labels": range(CLASSES), "zero_division": 0}
    assert f1_by_class(counts) == pytest.approx(f1_score(*pairs, average=None, **options))
    assert weighted_f1(counts) == pytest.approx(f1_score(*pairs, average="weighted", **options))


def test_class_drift_agrees_with_statsmodels():
    drift = class_drift((30, 20, 50, 0), (10, 30, 10, 0))
    expected = Table(np.array([[30, 20, 50], [10, 30, 10]]), shift_zeros=False).test_nominal_association()
    assert drift.p == pytest.approx(expected.pvalue)
    assert drift.p == pytest.approx(chi2.sf(expected.statistic, 2))
    assert drift.distance == pytest.approx((0.1 + 0.4 + 0.3) / 2)
    assert class_drift((5, 0), (9, 0)).p == 1


def test_length_drift_is_the_largest_gap_between_the_shares():
    here, training = np.arange(10), np.arange(5, 25)
    drift = length_drift(training, here)
    assert drift.distance == pytest.approx(0.75)  # a quarter of the training texts is as short as the longest one here
    assert drift.p == pytest.approx(ks_2samp(training, here).pvalue)
    assert drift.here == (2.25, 4.5, 6.75)


def test_an_answered_share_has_the_wilson_interval():
    """2 of 3 right: 0.2077 to 0.9385."""
    confidence, right = np.array([0.9, 0.5, 0.7, 0.7]), np.array([True, False, True, False])
    (half,) = answered_shares(confidence, right, (0.5,))
    assert half.interval == pytest.approx((0.2077, 0.9385), abs=1e-4)


def test_a_class_of_a_single_pair_counts_in_the_drift():
    told = class_drift([10, 0, 5], [8, 1, 6])
    assert told.p == pytest.approx(float(chi2.sf(sum_of_squares([10, 0, 5], [8, 1, 6]), 2)))


def sum_of_squares(one, other):
    """Pearson's chi-square of a table of two rows, by its definition."""
    table = np.array([one, other], dtype=float)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(((table - expected) ** 2 / expected).sum())


def test_weighted_f1_of_several_matrices_is_that_of_each():
    """Two confusion matrices at once, against scikit-learn on their pairs."""
    matrices = np.array([[[3, 1, 0], [2, 1, 0], [0, 0, 1]], [[0, 5, 0], [1, 1, 1], [0, 0, 2]]])
    pairs = [
        [(true, said) for true in range(3) for said in range(3) for _ in range(each[true][said])] for each in matrices
    ]
    expected = [f1_score(*zip(*each, strict=True), average="weighted") for each in pairs]
    assert weighted_f1(matrices) == pytest.approx(expected)
