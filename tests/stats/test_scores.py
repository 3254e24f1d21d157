"""Scores per pair whose mean is the figure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from mmsent_cli.stats import accuracy_scores, confusion_counts, macro_f1, macro_f1_scores
from tests.stats.simulated import macro_f1_coverage

CLASSES = 3


@st.composite
def answers(draw):
    """True classes [N] and predicted ones [N]."""
    pairs = draw(st.integers(2, 25))
    numbers = arrays(np.int64, pairs, elements=st.integers(0, CLASSES - 1))
    return draw(numbers), draw(numbers)


def sklearn_f1(true, predicted):
    """Macro-F1 over all classes, by scikit-learn."""
    return f1_score(true, predicted, labels=range(CLASSES), average="macro", zero_division=0)


@given(answers())
def test_figures_agree_with_scikit_learn(pairs):
    true, predicted = pairs
    counts = confusion_counts(true, predicted, CLASSES)
    assert (counts == confusion_matrix(true, predicted, labels=range(CLASSES))).all()
    assert macro_f1(counts) == pytest.approx(sklearn_f1(true, predicted))
    assert accuracy_scores(true, predicted).mean() == pytest.approx(accuracy_score(true, predicted))


@settings(max_examples=25)
@given(answers())
def test_pseudo_values_are_those_of_leaving_each_pair_out(pairs):
    true, predicted = pairs
    count, whole = len(true), sklearn_f1(true, predicted)
    left_out = [sklearn_f1(np.delete(true, row), np.delete(predicted, row)) for row in range(count)]
    expected = count * whole - (count - 1) * np.array(left_out)
    scores = macro_f1_scores(true, predicted, CLASSES)
    assert scores.mean() == pytest.approx(whole)
    assert scores - scores.mean() == pytest.approx(expected - expected.mean(), abs=1e-9)


def test_each_seed_has_its_own_pseudo_values():
    generator = np.random.default_rng(0)
    true, predicted = generator.integers(0, CLASSES, 30), generator.integers(0, CLASSES, (2, 30))
    scores = macro_f1_scores(true, predicted, CLASSES)
    assert (scores[1] == macro_f1_scores(true, predicted[1], CLASSES)).all()
    assert scores.shape == (2, 30)


def test_the_interval_of_macro_f1_covers_the_truth():
    confusion = [[0.5, 0.2, 0.3], [0.2, 0.4, 0.4], [0.05, 0.15, 0.8]]
    assert 0.93 <= macro_f1_coverage((0.15, 0.25, 0.6), confusion, pairs=400) <= 0.97


@pytest.mark.parametrize(("rare", "recall", "coverage"), [(5, 0.1, 0.71), (5, 0.5, 0.88), (40, 0.5, 0.95)])
def test_the_interval_of_macro_f1_covers_less_with_a_rare_class(rare, recall, coverage):
    """The table of docs/statistics.md."""
    shares = (rare / 800, 0.35, 0.65 - rare / 800)
    others = 1 - recall
    confusion = [[recall, others / 3, 2 * others / 3], [0.02, 0.6, 0.38], [0.01, 0.14, 0.85]]
    assert macro_f1_coverage(shares, confusion, pairs=800, repetitions=500) == pytest.approx(coverage, abs=0.04)
