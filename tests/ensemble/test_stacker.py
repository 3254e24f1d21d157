"""The stacker weights members by their out-of-fold predictions, and offsets move decisions to rare classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from mmsent_cli.ensemble import fit_stacker, log_softmax, mean_answer, stack_out_of_fold
from mmsent_cli.ensemble.logistic import NEVER, fit_logistic

SHARES = (0.3, 0.1, 0.6)


def judged(strengths, pairs=1500, seed=0):
    """Targets of unequal classes, and members that know them more or less well: [N], [N, M, 3]."""
    draws = np.random.default_rng(seed)
    targets = draws.choice(3, size=pairs, p=SHARES)
    logits = [strength * np.eye(3)[targets] + draws.normal(size=(pairs, 3)) for strength in strengths]
    return targets, np.stack([log_softmax(each) for each in logits], axis=1)


def accuracy(log_probabilities, targets):
    return accuracy_score(targets, log_probabilities.argmax(axis=1))


def folds(pairs, n=5):
    return [np.arange(pairs)[start::n] for start in range(n)]


def test_two_judges_together_are_right_more_often_than_each_alone():
    targets, answers = judged((1.5, 1.0))
    together = accuracy(stack_out_of_fold(answers, targets, folds(1500), 0.0), targets)
    assert together > max(accuracy(answers[:, 0], targets), accuracy(answers[:, 1], targets)) + 0.02


def test_a_judge_that_knows_nothing_is_not_heard():
    targets, answers = judged((1.5, 0.0))
    stacker = fit_stacker(answers, targets, 0.0)
    good, useless = np.abs(stacker.weight[:3]).sum(), np.abs(stacker.weight[3:]).sum()
    assert useless < 0.15 * good


def test_a_judge_that_trusts_itself_too_much_is_brought_back_to_what_it_knows():
    targets, answers = judged((1.0,))
    loud = log_softmax(6 * answers[:, 0])[:, None]
    said = stack_out_of_fold(loud, targets, folds(1500), 0.0)
    sure = np.exp(said.max(axis=1)).mean()
    assert abs(sure - accuracy(said, targets)) < 0.03
    assert np.exp(loud.max(axis=2)).mean() > sure + 0.1


def test_no_pair_has_a_say_in_what_is_said_of_it():
    targets, answers = judged((1.0,), pairs=300)
    before = stack_out_of_fold(answers, targets, folds(300), 0.5)
    changed = targets.copy()
    changed[folds(300)[0]] = 0
    after = stack_out_of_fold(answers, changed, folds(300), 0.5)
    assert np.array_equal(before[folds(300)[0]], after[folds(300)[0]])
    assert not np.array_equal(before[folds(300)[1]], after[folds(300)[1]])


def test_an_adjustment_gains_macro_f1_on_pairs_that_it_has_not_seen():
    targets, answers = judged((1.0,), pairs=4000)
    plain, moved = (stack_out_of_fold(answers, targets, folds(4000), adjustment) for adjustment in (0.0, 0.4))
    scores = [f1_score(targets, said.argmax(axis=1), average="macro") for said in (plain, moved)]
    assert scores[1] > scores[0] + 0.02


def test_an_adjustment_of_one_takes_the_class_shares_out_of_the_decision():
    targets, answers = judged((1.0,))
    plain, moved = (fit_stacker(answers, targets, adjustment) for adjustment in (0.0, 1.0))
    assert not plain.offsets.any()
    shares = np.bincount(targets) / len(targets)
    expected = np.exp(plain.log_probabilities(answers)) / shares
    np.testing.assert_allclose(np.exp(moved.log_probabilities(answers)), expected / expected.sum(axis=1, keepdims=True))


@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 99))
def test_answers_are_probabilities_for_any_number_of_classes_and_judges(classes, members, seed):
    draws = np.random.default_rng(seed)
    targets = np.arange(40) % classes
    answers = log_softmax(draws.normal(size=(40 * members, classes))).reshape(40, members, classes)
    said = fit_stacker(answers, targets, 0.25).log_probabilities(answers)
    assert said.shape == (40, classes)
    np.testing.assert_allclose(np.exp(said).sum(axis=1), 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_scaling_is_part_of_the_weights(classes):
    draws = np.random.default_rng(0)
    features = draws.normal(5, 3, size=(200, 4))
    targets = (features[:, 0] + draws.normal(size=200) > 5).astype(int) + (classes == 3) * (features[:, 1] > 7)
    weight, bias = fit_logistic(features, targets, classes, 1.0, is_scaled=True)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = LogisticRegression(C=1.0, max_iter=300).fit(scaled, targets).predict_proba(scaled)
    np.testing.assert_allclose(np.exp(log_softmax(features @ weight + bias)), expected, atol=1e-6)


def test_a_class_without_a_row_is_never_predicted():
    features, targets = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 2, 2, 2, 2])
    weight, bias = fit_logistic(features, targets, 3, 1.0, is_scaled=True)
    assert bias[1] == NEVER
    assert np.exp(log_softmax(features @ weight + bias))[:, 1].max() < 1e-6


def test_the_mean_of_answers_is_their_normalised_geometric_mean():
    one, other = np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])
    expected = np.sqrt(one * other) / np.sqrt(one * other).sum()
    np.testing.assert_allclose(np.exp(mean_answer([np.log(one), np.log(other)])), expected)
