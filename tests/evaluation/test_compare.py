"""Models compared on the same pairs: the statistics of compare-fusions, each two models once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import accuracy_score, f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from mmsent_cli.errors import ConfigError, DataError
from mmsent_cli.evaluation.compare import align, compare_models
from mmsent_cli.results import IGNORES_IMAGE, ONE_CLASS, Finding
from tests.evaluation.builders import make_answers, random_answers


def compared(**models):
    """The comparison of models that are given as answers, or as lists of answers, one for each seed."""
    seeds = {name: each if isinstance(each, list) else [each] for name, each in models.items()}
    aligned, left_out = align(seeds)
    return compare_models(aligned, {name: ["file"] * len(each) for name, each in seeds.items()}, "here", left_out)


def predictions(count=500, models=3, seed=0):
    """Answers of several models of growing quality for the same pairs."""
    generator = np.random.default_rng(seed)
    true = generator.choice(3, count, p=(0.2, 0.2, 0.6))
    answers = []
    for quality in np.linspace(0.55, 0.75, models):
        is_right = generator.random(count) < quality
        answers.append(make_answers(true, np.where(is_right, true, (true + generator.integers(1, 3, count)) % 3)))
    return answers


def test_single_models_agree_with_other_libraries():
    first, second, third = predictions()
    result = compared(a=first, b=second, c=third)
    assert [model.accuracies[0] for model in result.models] == [
        accuracy_score(each.true, each.predicted) for each in (first, second, third)
    ]
    assert [model.macro_f1.value for model in result.models] == pytest.approx(
        [f1_score(each.true, each.predicted, average="macro") for each in (first, second, third)]
    )
    assert [(one.first, one.second) for one in result.differences] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw, raw_f1 = [], [one.macro_f1.p for one in result.differences]
    for one, (x, y) in zip(result.differences, ((first, second), (first, third), (second, third)), strict=True):
        right = [(each.predicted == each.true).astype(float) for each in (x, y)]
        expected = ttest_rel(*right)
        raw.append(expected.pvalue)
        assert one.accuracy.p == pytest.approx(expected.pvalue)
        assert one.accuracy.interval == pytest.approx(expected.confidence_interval())
        only = [int((right[0] > right[1]).sum()), int((right[0] < right[1]).sum())]
        assert [one.only_first_right, one.only_second_right] == only
        assert one.mcnemar[0] == pytest.approx(mcnemar([[0, only[0]], [only[1], 0]], exact=True).pvalue)
    assert [one.p_adjusted for one in result.differences] == pytest.approx(multipletests(raw, method="holm")[1])
    assert [one.macro_f1_p_adjusted for one in result.differences] == pytest.approx(
        multipletests(raw_f1, method="holm")[1]
    )
    assert result.differences[1].verdict == result.differences[1].macro_f1_verdict == "worse"


def test_a_model_and_itself_are_not_distinguishable():
    answers = random_answers()
    (one,) = compared(a=answers, b=replace(answers)).differences
    assert (one.verdict, one.accuracy.difference, one.only_first_right) == ("not distinguishable", 0, 0)


def test_seeds_of_one_model_are_one_arm():
    a, b = (predictions(seed=3, models=4)[part] for part in (slice(0, 2), slice(2, 4)))
    result = compared(a=a, b=b)
    assert (result.seeds, len(result.differences), len(result.differences[0].mcnemar)) == (2, 1, 2)
    means = [np.mean([accuracy_score(each.true, each.predicted) for each in seeds]) for seeds in (a, b)]
    assert [model.accuracy.value for model in result.models] == pytest.approx(means)
    assert result.notes == ()
    with pytest.raises(ConfigError, match="a has 2, b has 1"):
        compared(a=a, b=b[:1])


def test_answers_are_put_into_one_order_of_pairs_and_labels():
    first = make_answers([0, 1, 2], [0, 1, 1])
    shares = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.5, 0.3, 0.2]])
    other = replace(
        first,
        probabilities=shares,
        guids=("2", "9", "0"),
        labels=("positive", "neutral", "negative"),
        true=np.array([0, 1, 2]),
        predicted=np.array([0, 1, 0]),
    )
    aligned, left_out = align({"a": [first], "b": [other]})
    (b,) = aligned["b"]
    assert (b.guids, b.labels, left_out) == (("0", "2"), first.labels, 2)
    assert (b.true.tolist(), b.predicted.tolist()) == ([0, 2], [2, 2])
    assert b.probabilities.tolist() == [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"guids": ("7", "8", "9")}, "have only 0 pairs in common"),
        ({"labels": ("a", "b", "c")}, "different labels"),
        ({"true": np.array([2, 1, 2])}, "true labels of 1 pair differ between"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, said):
    first = make_answers([0, 1, 2], [0, 1, 1])
    with pytest.raises(DataError, match=said):
        align({"a": [first], "b": [replace(first, **change)]})


def test_one_model_is_none_to_compare():
    with pytest.raises(ConfigError, match="two models"):
        compared(a=random_answers())


def test_each_model_has_its_own_findings():
    good = random_answers(200)
    flat = replace(good, predicted=np.full_like(good.predicted, 2))
    ignores = Finding(kind=IGNORES_IMAGE, message="the model ignores the image")
    models = {"good": [good, good], "flat": [flat, flat], "blind": [good, good]}
    result = compare_models(models, {name: [name] for name in models}, "pairs.csv", 0, {"blind": [ignores, ignores]})
    kinds = {model.name: [finding.kind for finding in model.findings] for model in result.models}
    assert kinds == {"good": [], "flat": [ONE_CLASS], "blind": [IGNORES_IMAGE]}
