"""Pairs are grouped by who predicts them correctly; a vote of several models has no probability."""

import numpy as np
import pytest

from mmsent_cli.data.pairs import Pair
from mmsent_cli.reports.examples import agreement_groups, error_groups, modality_groups

LABELS = ("no", "yes")


@pytest.fixture
def pairs():
    return [Pair(guid=str(n), tag=LABELS[n % 2], text=f"text {n}", image=None) for n in range(4)]


def guids(groups):
    return {name: [example.guid for example in examples] for name, examples in groups}


def test_agreement_is_a_vote_without_a_probability(pairs):
    predicted = np.array([[0, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 0]])  # true: 0 1 0 1
    groups = agreement_groups(pairs, LABELS, predicted)
    assert guids(groups) == {"Every model right": ["0"], "Models divided": ["1", "2", "3"], "Every model wrong": []}
    (first,) = groups[0][1]
    assert (first.predicted, first.probability, first.remark) == ("no", None, "predicted by 3 of 3 models")
    assert groups[1][1][0].remark == "predicted by 2 of 3 models; no 1"


def test_errors_come_first_the_most_confident_ones_on_top(pairs):
    groups = error_groups(pairs, [(str(n), LABELS[n % 2], "yes", 0.6 + n / 10) for n in range(4)])
    assert guids(groups) == {"Wrong": ["2", "0"], "Right": ["3", "1"]}
    assert groups[0][1][0].probability == pytest.approx(0.8)


def test_pairs_are_grouped_by_the_inputs_they_need(pairs):
    predicted = {
        "both": np.array([0, 1, 0, 0]),
        "text": np.array([1, 1, 1, 1]),
        "image": np.array([1, 0, 0, 0]),
    }  # true: 0 1 0 1
    groups = guids(modality_groups(pairs, LABELS, predicted, np.full((4, 2), 0.5)))
    assert [group for group in groups.values() if group] == [["0"], ["1"], ["2"], ["3"]]
    assert groups["Wrong in every way"] == []
