"""Nested selection: each pair is predicted by an epoch that was chosen on other pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmsent_cli.experiments.arms import FOLDS, assign_folds, nested_selection
from tests.stats.by_hand import f1_by_hand

CLASSES = 3


@pytest.mark.parametrize("count", [2, 7, 800])
def test_folds_are_fixed_of_equal_size_and_not_in_order(count):
    folds = assign_folds(count)
    assert (folds == assign_folds(count)).all()
    sizes = np.bincount(folds, minlength=FOLDS)
    assert sizes.sum() == count
    assert sizes.max() - sizes.min() <= 1
    if count == 800:
        assert (np.diff(folds) != 1).mean() > 0.5


@st.composite
def epochs(draw):
    """Predictions of some epochs [E, N], true classes [N] and losses [E, N]."""
    shape = draw(st.integers(1, 4)), draw(st.integers(FOLDS, 30))
    numbers = st.integers(0, CLASSES - 1)
    predicted = draw(arrays(np.int64, shape, elements=numbers))
    return (
        predicted,
        draw(arrays(np.int64, shape[1], elements=numbers)),
        draw(arrays(float, shape, elements=st.floats(0, 9))),
    )


def metric(monitor, predicted, true, losses):
    """The monitored metric of one epoch, higher is better, by scikit-learn."""
    if monitor == "loss":
        return -losses.mean()
    if monitor == "accuracy":
        return (predicted == true).mean()
    return f1_by_hand(true, predicted, CLASSES).mean()


@pytest.mark.parametrize("monitor", ["accuracy", "macro_f1", "loss"])
@given(epochs())
def test_each_fold_is_predicted_by_the_epoch_that_is_best_on_the_others(monitor, drawn):
    predicted, true, losses = drawn
    chosen, folds = nested_selection(predicted, true, monitor, CLASSES, losses), assign_folds(len(true))
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        scores = [
            metric(monitor, p[outside], true[outside], row[outside]) for p, row in zip(predicted, losses, strict=True)
        ]
        good = [epoch for epoch, value in enumerate(scores) if value >= max(scores) - 1e-12]
        assert any((chosen[inside] == predicted[epoch, inside]).all() for epoch in good)


@given(epochs(), st.integers(0, FOLDS - 1), st.sampled_from(["accuracy", "macro_f1", "loss"]))
def test_no_pair_influences_its_own_epoch(drawn, fold, monitor):
    predicted, true, losses = drawn
    inside = assign_folds(len(true)) == fold
    other_true = np.where(inside, (true + 1) % CLASSES, true)
    other_losses = np.where(inside, 9 - losses, losses)
    before = nested_selection(predicted, true, monitor, CLASSES, losses)
    after = nested_selection(predicted, other_true, monitor, CLASSES, other_losses)
    assert (before[inside] == after[inside]).all()


def test_of_equal_epochs_the_earliest_counts():
    true = np.zeros(10, dtype=np.int64)
    predicted = np.stack([np.ones(10, dtype=np.int64), np.full(10, 2)])
    for monitor in ("accuracy", "macro_f1", "loss"):
        assert (nested_selection(predicted, true, monitor, CLASSES, np.ones((2, 10))) == 1).all()


@pytest.mark.parametrize("monitor", ["accuracy", "macro_f1"])
def test_on_epochs_of_noise_the_best_is_optimistic_and_the_nested_score_is_not(monitor):
    # Ten epochs that are right on 60 % of pairs by chance alone: no epoch is truly better than another.
    generator, best, nested = np.random.default_rng(0), [], []
    for _ in range(400):
        true = generator.integers(0, CLASSES, 200)
        wrong = (true + generator.integers(1, CLASSES, (10, 200))) % CLASSES
        predicted = np.where(generator.random((10, 200)) < 0.6, true, wrong)
        chosen = nested_selection(predicted, true, monitor, CLASSES, np.zeros((10, 200)))
        best.append((predicted == true).mean(axis=1).max())
        nested.append((chosen == true).mean())
    standard_error = np.std(nested) / np.sqrt(len(nested))
    assert np.mean(nested) == pytest.approx(0.6, abs=3 * standard_error)
    assert np.mean(best) > 0.64


def test_a_truly_better_epoch_is_chosen():
    generator = np.random.default_rng(0)
    true = generator.integers(0, CLASSES, 500)
    predicted = np.where(generator.random((3, 500)) < np.array([[0.5], [0.8], [0.6]]), true, (true + 1) % CLASSES)
    assert (nested_selection(predicted, true, "accuracy", CLASSES, np.zeros((3, 500))) == predicted[1]).all()


def test_an_epoch_whose_loss_is_no_number_is_never_chosen():
    true = np.zeros(10, dtype=np.int64)
    predicted = np.stack([np.full(10, 2), np.ones(10, dtype=np.int64)])
    losses = np.stack([np.full(10, np.nan), np.ones(10)])
    assert (nested_selection(predicted, true, "loss", CLASSES, losses) == 1).all()
