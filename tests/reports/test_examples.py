"""Pairs are grouped by who predicts them correctly; a vote of several models has no probability."""

import numpy as np
import pytest

from mmsent_cli.data.pairs import Pair
from mmsent_cli.reports.examples import (
    EACH_CLASS,
    IN_ORDER,
    MOST_CONFIDENT,
    MOST_EXAMPLES,
    agreement_groups,
    disagreement_groups,
    error_groups,
    modality_groups,
)

LABELS = ("no", "yes")


@pytest.fixture
def pairs():
    return [Pair(guid=str(n), tag=LABELS[n % 2], text=f"text {n}", image=None) for n in range(4)]


def guids(examples):
    return {name: [example.guid for example in shown] for name, shown in examples.groups}


def test_agreement_is_a_vote_without_a_probability(pairs):
    predicted = np.array([[0, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 0]])  # true: 0 1 0 1
    groups = agreement_groups(pairs, LABELS, predicted)
    assert guids(groups) == {"Every model right": ["0"], "Models divided": ["2", "1", "3"], "Every model wrong": []}
    (first,) = groups.groups[0][1]
    assert (first.predicted, first.probability, first.remark) == ("no", None, "predicted by 3 of 3 models")
    assert groups.groups[1][1][1].remark == "predicted by 2 of 3 models; no 1"


def test_errors_come_first_the_most_confident_ones_on_top(pairs):
    groups = error_groups(pairs, [(str(n), LABELS[n % 2], "yes", 0.6 + n / 10) for n in range(4)])
    assert guids(groups) == {"Wrong": ["2", "0"], "Right": ["3", "1"]}
    assert groups.picked == MOST_CONFIDENT
    assert groups.groups[0][1][0].probability == pytest.approx(0.8)


def test_pairs_are_grouped_by_the_inputs_they_need(pairs):
    predicted = {
        "both": np.array([0, 1, 0, 0]),
        "text": np.array([1, 1, 1, 1]),
        "image": np.array([1, 0, 0, 0]),
    }  # true: 0 1 0 1
    groups = guids(modality_groups(pairs, LABELS, predicted, np.full((4, 2), 0.5)))
    assert [group for group in groups.values() if group] == [["0"], ["1"], ["2"], ["3"]]
    assert groups["Wrong in every way"] == []


def many_pairs(classes, each, copies=1):
    """For each class, `each` texts, each of them `copies` times with other case and link."""
    numbers = [(label, text, copy) for label in range(classes) for text in range(each) for copy in range(copies)]
    return [
        Pair(guid=f"{label}-{text}-{copy}", tag=f"c{label}", text=f"word{label}x{text} https://t.co/{copy}", image=None)
        for label, text, copy in numbers
    ]


@pytest.mark.parametrize(("classes", "shown"), [(2, 6), (3, 6), (7, 14), (40, MOST_EXAMPLES)])
def test_each_class_has_examples_right_and_wrong_and_none_is_shown_twice(classes, shown):
    pairs = many_pairs(classes, each=9, copies=3)
    # In each class, the first four texts are predicted wrongly; copies have nearly the same probability.
    rows = [
        (pair.guid, pair.tag, pair.tag if place % 27 >= 12 else "other", 0.99 - place % 27 / 100)
        for place, pair in enumerate(pairs)
    ]
    found = guids(error_groups(pairs, rows))
    for name in ("Wrong", "Right"):
        texts = [guid.rsplit("-", 1)[0] for guid in found[name]]
        assert len(texts) == len(set(texts)) == shown
        counts = {label: sum(text.startswith(f"{label}-") for text in texts) for label in range(min(classes, 12))}
        assert min(counts.values()) >= EACH_CLASS or classes > MOST_EXAMPLES // EACH_CLASS
    assert not {guid.rsplit("-", 1)[0] for guid in found["Wrong"]} & {guid.rsplit("-", 1)[0] for guid in found["Right"]}


def test_a_class_without_wrong_pairs_leaves_its_places_to_the_others():
    pairs = many_pairs(classes=2, each=9)
    rows = [(pair.guid, pair.tag, "c1", 0.9) for pair in pairs]
    assert [guid[0] for guid in guids(error_groups(pairs, rows))["Wrong"]] == ["0"] * 6


def test_pairs_of_two_models_are_spread_over_the_classes_too():
    pairs = many_pairs(classes=3, each=4, copies=2)
    true = np.array([int(pair.tag[1]) for pair in pairs])
    labels = ("c0", "c1", "c2")
    found = disagreement_groups(pairs, labels, {"a": true, "b": (true + 1) % 3})
    assert [guid.rsplit("-", 1)[0] for guid in guids(found)["Only a is right"]] == [
        f"{label}-{text}" for text in (0, 1) for label in (0, 1, 2)
    ]
    assert found.picked == IN_ORDER
