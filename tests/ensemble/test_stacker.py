"""The stacker weights members by their out-of-fold predictions, and offsets move decisions to rare classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from mmsent_cli.ensemble import Stacker, fit_stacker, geometric_mean, log_softmax, stack_out_of_fold
from mmsent_cli.ensemble.logistic import ABSENT_CLASS_BIAS, fit_logistic
from mmsent_cli.ensemble.serialize import read_stacker, stacker_content

SHARES = (0.3, 0.1, 0.6)


def members_of(strengths, pairs=1500, seed=0):
    """Targets of unequal classes [N], and log-probabilities of members with these strengths [N, M, 3]."""
    draws = np.random.default_rng(seed)
    targets = draws.choice(3, size=pairs, p=SHARES)
    logits = [strength * np.eye(3)[targets] + draws.normal(size=(pairs, 3)) for strength in strengths]
    return targets, np.stack([log_softmax(each) for each in logits], axis=1)


def accuracy(log_probabilities, targets):
    return accuracy_score(targets, log_probabilities.argmax(axis=1))


def folds(pairs, n=5):
    return [np.arange(pairs)[start::n] for start in range(n)]


def test_two_members_together_are_more_accurate_than_each_alone():
    targets, members = members_of((1.5, 1.0))
    together = accuracy(stack_out_of_fold(members, targets, folds(1500), 0.0), targets)
    assert together > max(accuracy(members[:, 0], targets), accuracy(members[:, 1], targets)) + 0.02


def test_a_useless_member_gets_little_weight():
    targets, members = members_of((1.5, 0.0))
    stacker = fit_stacker(members, targets, 0.0)
    good, useless = np.abs(stacker.weight[:3]).sum(), np.abs(stacker.weight[3:]).sum()
    assert useless < 0.15 * good


def test_an_overconfident_member_is_calibrated():
    targets, members = members_of((1.0,))
    loud = log_softmax(6 * members[:, 0])[:, None]
    predicted = stack_out_of_fold(loud, targets, folds(1500), 0.0)
    sure = np.exp(predicted.max(axis=1)).mean()
    assert abs(sure - accuracy(predicted, targets)) < 0.03
    assert np.exp(loud.max(axis=2)).mean() > sure + 0.1


def test_the_target_of_a_pair_does_not_change_its_own_prediction():
    targets, members = members_of((1.0,), pairs=300)
    before = stack_out_of_fold(members, targets, folds(300), 0.5)
    changed = targets.copy()
    changed[folds(300)[0]] = 0
    after = stack_out_of_fold(members, changed, folds(300), 0.5)
    assert np.array_equal(before[folds(300)[0]], after[folds(300)[0]])
    assert not np.array_equal(before[folds(300)[1]], after[folds(300)[1]])


def test_an_adjustment_gains_macro_f1_on_unseen_pairs():
    targets, members = members_of((1.0,), pairs=4000)
    plain, moved = (stack_out_of_fold(members, targets, folds(4000), adjustment) for adjustment in (0.0, 0.4))
    scores = [f1_score(targets, predicted.argmax(axis=1), average="macro") for predicted in (plain, moved)]
    assert scores[1] > scores[0] + 0.02


def test_an_adjustment_of_one_takes_the_class_shares_out_of_the_decision():
    targets, members = members_of((1.0,))
    plain, moved = (fit_stacker(members, targets, adjustment) for adjustment in (0.0, 1.0))
    assert not plain.offsets.any()
    shares = np.bincount(targets) / len(targets)
    expected = np.exp(plain.log_probabilities(members)) / shares
    np.testing.assert_allclose(np.exp(moved.log_probabilities(members)), expected / expected.sum(axis=1, keepdims=True))


@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 99))
def test_predictions_are_probabilities_for_any_number_of_classes_and_members(classes, n_members, seed):
    draws = np.random.default_rng(seed)
    targets = np.arange(40) % classes
    members = log_softmax(draws.normal(size=(40 * n_members, classes))).reshape(40, n_members, classes)
    predicted = fit_stacker(members, targets, 0.25).log_probabilities(members)
    assert predicted.shape == (40, classes)
    np.testing.assert_allclose(np.exp(predicted).sum(axis=1), 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_scaling_is_part_of_the_weights(classes):
    draws = np.random.default_rng(0)
    features = draws.normal(5, 3, size=(200, 4))
    targets = (features[:, 0] + draws.normal(size=200) > 5).astype(int) + (classes == 3) * (features[:, 1] > 7)
    weight, bias = fit_logistic(features, targets, classes, 0.05, is_scaled=True)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = LogisticRegression(C=0.05, max_iter=300).fit(scaled, targets).predict_proba(scaled)
    np.testing.assert_allclose(np.exp(log_softmax(features @ weight + bias)), expected, atol=1e-6)


def test_a_class_without_a_row_is_never_predicted():
    features, targets = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 2, 2, 2, 2])
    weight, bias = fit_logistic(features, targets, 3, 1.0, is_scaled=True)
    assert bias[1] == ABSENT_CLASS_BIAS
    assert np.exp(log_softmax(features @ weight + bias))[:, 1].max() < 1e-6


def test_the_geometric_mean_is_normalized():
    one, other = np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])
    expected = np.sqrt(one * other) / np.sqrt(one * other).sum()
    np.testing.assert_allclose(np.exp(geometric_mean([np.log(one), np.log(other)])), expected)


def test_a_stacker_comes_back_from_a_checkpoint():
    draws = np.random.default_rng(0)
    stacker = Stacker(draws.normal(size=(3, 6)).T, draws.normal(size=3), draws.normal(size=3))
    again = read_stacker({"stacker": stacker_content(stacker)}, 2, 3)
    assert [part.tolist() for part in (again.weight, again.bias, again.offsets)] == [
        part.tolist() for part in (stacker.weight, stacker.bias, stacker.offsets)
    ]
    for members, classes in ((1, 3), (2, 2), (3, 2)):
        with pytest.raises(ValueError, match="does not fit"):
            read_stacker({"stacker": stacker_content(stacker)}, members, classes)
