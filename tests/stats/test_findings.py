"""What shows that a model has learned too little, on predictions made by hand."""

import numpy as np
import pytest

from mmsent_cli.results import IGNORES_IMAGE, IGNORES_TEXT, MAJORITY, NEVER_ANSWERED, ONE_CLASS
from mmsent_cli.stats import (
    few_pairs_notes,
    learning_findings,
    modality_findings,
    never_answered_finding,
    one_class_finding,
    seldom_answered_finding,
)

LABELS = ("negative", "neutral", "positive")


def kinds(findings):
    return [finding.kind for finding in findings]


@pytest.mark.parametrize(
    ("counts", "expected", "is_found"),
    [
        ((0, 0, 81), (0.2, 0.2, 0.6), True),
        ((1, 1, 79), (0.2, 0.2, 0.6), True),
        ((4, 4, 73), (0.2, 0.2, 0.6), False),
        ((0, 0, 511), (0.01, 0.01, 0.98), True),
        ((2, 3, 506), (0.01, 0.01, 0.98), False),  # as rare as the classes are
        ((0, 0, 4), (0.2, 0.2, 0.6), False),  # too few pairs
        ((0, 9, 0), (0.2, 0.2, 0.6), True),  # not the most frequent class
    ],
)
def test_one_class_for_nearly_every_pair(counts, expected, is_found):
    found = one_class_finding(dict(zip(LABELS, counts, strict=True)), dict(zip(LABELS, expected, strict=True)), "try")
    assert kinds(found) == [ONE_CLASS] * is_found
    assert all(finding.advice == "try" and LABELS[np.argmax(counts)] in finding.message for finding in found)


@pytest.fixture
def true():
    return np.repeat([0, 1, 2], [40, 40, 120])


def right_on(true, share, rng):
    """Predictions that are right on a share of the pairs, and otherwise any other class."""
    others = (true + rng.integers(1, 3, len(true))) % 3
    return np.where(rng.random(len(true)) < share, true, others)


def test_a_good_model_has_no_finding(true):
    rng = np.random.default_rng(0)
    assert learning_findings(true, right_on(true, 0.8, rng)[None], LABELS, 2) == ()


def test_a_model_within_noise_of_the_majority(true):
    predicted = np.full(200, 2)
    predicted[:2], predicted[-8:] = 0, 0  # two right, eight wrong
    assert kinds(learning_findings(true, predicted[None], LABELS, 2)) == [MAJORITY]


def test_guesses_in_the_shares_of_the_classes_are_nothing_learned(true):
    """Their macro-F1 is higher than that of always predicting one class."""
    guesses = np.random.default_rng(3).permutation(true)
    assert kinds(learning_findings(true, guesses[None], LABELS, 2)) == [MAJORITY]


def test_classes_that_are_told_apart_at_the_cost_of_accuracy_are_something_learned(true):
    """Class weights may cost accuracy."""
    predicted = right_on(true, 0.5, np.random.default_rng(1))
    assert (predicted == true).mean() < 0.6
    assert learning_findings(true, predicted[None], LABELS, 2) == ()


def test_all_seeds_count(true):
    good, constant = right_on(true, 0.9, np.random.default_rng(2)), np.full(200, 2)
    assert kinds(learning_findings(true, np.stack([constant, constant]), LABELS, 2)) == [ONE_CLASS]
    assert ONE_CLASS not in kinds(learning_findings(true, np.stack([good, constant]), LABELS, 2))


def test_a_modality_that_changes_nothing_is_ignored():
    predicted = np.arange(100) % 3
    changed = predicted.copy()
    changed[:20] = (changed[:20] + 1) % 3
    one = predicted.copy()
    one[0] = (one[0] + 1) % 3
    (found,) = modality_findings(predicted, {"text": changed, "image": one})
    assert (found.kind, found.advice) == (IGNORES_IMAGE, "")
    assert kinds(modality_findings(predicted, {"text": predicted, "image": changed})) == [IGNORES_TEXT]
    assert modality_findings(predicted[:10], {"text": predicted[:10]}) == ()


def test_a_class_that_is_never_predicted_is_found(true):
    good = right_on(true, 0.9, np.random.default_rng(2))
    silent = np.where(good == 1, 2, good)
    (found,) = learning_findings(true, silent[None], LABELS, 2)
    assert (found.kind, LABELS[1] in found.message, "--class-weights" in found.advice) == (NEVER_ANSWERED, True, True)
    assert learning_findings(true, np.stack([silent, good]), LABELS, 2) == ()  # another seed predicts it
    assert never_answered_finding({"a": 5, "b": 0}, {"a": 0.9, "b": 0.1}) == ()  # too few pairs


@pytest.mark.parametrize(("neutral", "is_found"), [(10, True), (44, False), (216, False), (0, True)])
def test_a_class_that_is_hardly_ever_predicted_is_found(neutral, is_found):
    """216 of 2,000 are expected."""
    counts, expected = {"a": 2000 - neutral, "neutral": neutral}, {"a": 0.892, "neutral": 0.108}
    found = seldom_answered_finding(counts, expected)
    assert kinds(found) == [NEVER_ANSWERED] * is_found
    assert all("neutral" in one.message for one in found)
    assert seldom_answered_finding(counts, {"a": 0.999, "neutral": 0.001}) == ()  # as seldom as in the training


def test_class_names_that_are_numbers_are_in_quotes():
    (found,) = one_class_finding({"0": 0, "2": 60}, {"0": 0.5, "2": 0.5})
    assert "predicts '2' for all 60 pairs" in found.message
    assert few_pairs_notes(np.array([0, 1]), ("good", "1"))[0].startswith("few evaluated pairs of good (1), '1' (1)")
