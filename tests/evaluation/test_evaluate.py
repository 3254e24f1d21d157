"""The scores of an evaluation, next to scikit-learn, statsmodels and values by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support
from statsmodels.stats.proportion import proportion_confint

from mmsent_cli.data.seen import SeenPairs
from mmsent_cli.errors import ConfigError
from mmsent_cli.evaluation.answers import NO_VALIDATION
from mmsent_cli.evaluation.evaluate import binned, evaluate
from mmsent_cli.reports.evaluation.sections import evaluate_answer, evaluate_headline
from mmsent_cli.results import (
    IGNORES_TEXT,
    MAJORITY,
    ON_KNOWN,
    ON_NEW,
    ON_OUT_OF_FOLD,
    ON_VALIDATION,
    ONE_CLASS,
    TRAINED_ON,
    Finding,
)
from mmsent_cli.stats import calibration_error
from tests.evaluation.builders import LABELS, make_answers, numbered_pairs, random_answers
from tests.stats.by_hand import f1_by_hand


def ends(right, count):
    return pytest.approx(proportion_confint(right, count, method="wilson"))


def test_all_scores_agree_with_scikit_learn_and_statsmodels():
    answers = random_answers()
    true, predicted = answers.true, answers.predicted
    result, counted = evaluate(answers, "model", "here")
    assert (result.pairs, counted.guids) == (400, answers.guids)
    assert result.accuracy.value == accuracy_score(true, predicted)
    assert result.accuracy.interval == ends((true == predicted).sum(), 400)
    assert result.macro_f1.value == pytest.approx(f1_score(true, predicted, average="macro"))
    assert result.weighted_f1.value == pytest.approx(f1_score(true, predicted, average="weighted"))
    assert result.confusion == tuple(map(tuple, confusion_matrix(true, predicted).tolist()))
    assert result.loss == pytest.approx(log_loss(true, answers.probabilities))
    assert result.calibration_error == calibration_error(answers.probabilities, true)
    expected = precision_recall_fscore_support(true, predicted)
    for number, one in enumerate(result.per_class):
        assert [one.precision.value, one.recall.value, one.f1.value, one.support] == pytest.approx(
            [part[number] for part in expected]
        )
        right = int(((true == number) & (predicted == number)).sum())
        assert one.recall.interval == ends(right, one.support)
        assert one.precision.interval == ends(right, one.predicted)
        assert one.f1.interval[0] < one.f1.value < one.f1.interval[1]
    assert result.majority_accuracy == np.bincount(true).max() / 400
    assert result.answered[-1].accuracy == result.accuracy.value


def test_intervals_of_f1_cover_those_of_other_pairs():
    """The bootstrap over pairs gives about the same interval, by another way."""
    answers = random_answers(600)
    result, _ = evaluate(answers, "model", "here")
    generator, drawn = np.random.default_rng(1), []
    for _ in range(400):
        rows = generator.integers(0, 600, 600)
        true, scores = answers.true[rows], f1_by_hand(answers.true[rows], answers.predicted[rows], len(LABELS))
        drawn.append((scores.mean(), scores @ np.bincount(true, minlength=len(LABELS)) / len(true)))
    low, high = np.quantile(np.array(drawn), (0.025, 0.975), axis=0)
    for score, *around in ((result.macro_f1, low[0], high[0]), (result.weighted_f1, low[1], high[1])):
        assert score.interval == pytest.approx(around, abs=0.02)


def test_pairs_of_the_training_are_counted_apart():
    true = [0, 1, 2, 0, 1, 2]
    pairs = numbered_pairs(true)
    seen = SeenPairs.of([pairs[0], pairs[1]], LABELS)
    near = pairs[2].__class__(guid="2", tag="positive", text="word1 word1", image=b"x", image_digest="f" * 32)
    answers = make_answers(true, [0, 1, 0, 0, 1, 1], pairs=[*pairs[:2], near, *pairs[3:]])
    result, counted = evaluate(answers, "model", "here", seen)
    assert (result.in_training, result.near_training, result.pairs) == (2, 1, 3)
    assert counted.guids == ("3", "4", "5")
    assert result.accuracy.value == pytest.approx(2 / 3)
    scores = {group.name: (group.pairs, group.accuracy.value) for group in result.groups}
    assert scores == {
        "not in training": (3, pytest.approx(2 / 3)),
        "in training": (2, 1.0),
        "text or image in training": (1, 0.0),
    }
    assert (result.classes.training, result.classes.here) == ((0.5, 0.5, 0.0), (1 / 3, 1 / 3, 1 / 3))
    assert (result.lengths.training, result.lengths.here) == ((1.25, 1.5, 1.75), (4.5, 5.0, 5.5))
    result, counted = evaluate(replace(answers, is_out_of_fold=True), "model", "here", seen)
    assert (result.measured, counted.guids, result.accuracy.value) == (ON_OUT_OF_FOLD, answers.guids, 4 / 6)


def test_where_every_pair_was_in_training_other_pairs_are_advised():
    pairs = numbered_pairs([0, 1, 2])
    answers = make_answers([0, 1, 2], [0, 1, 2], pairs=pairs)
    result, _ = evaluate(answers, "model", "here", SeenPairs.of(pairs, LABELS))
    assert (result.pairs, result.in_training, result.groups) == (3, 3, ())
    assert any("use other pairs" in note for note in result.notes)
    headline, facts = evaluate_headline(result), dict(evaluate_answer(result, 1.0).facts)
    assert headline == "100.0 % accuracy on 3 pairs, 3 of them used in training: this score shows memory"
    assert facts["Used in training"] == "3 of 3 pairs (training pairs: 3)"
    for trained in (3, 2):  # a single new pair is too few for scores of its own
        result, _ = evaluate(answers, "model", "here", SeenPairs.of(pairs[:trained], LABELS))
        (finding,) = (each for each in result.findings if each.kind == TRAINED_ON)
        assert (result.pairs, finding.message[:12]) == (3, f"{trained} of 3 pairs")


def test_validation_pairs_are_neither_new_nor_training_pairs():
    """Of six pairs, two were in training, two in validation; with two pairs that are new, the scores are theirs."""
    true = [0, 1, 2, 0, 1, 2]
    pairs = numbered_pairs(true)
    seen = SeenPairs.of(pairs[:2], LABELS, pairs[2:4])
    answers = make_answers(true, [0, 1, 0, 0, 1, 1], pairs=pairs)
    result, counted = evaluate(answers, "model", "here", seen)
    assert (result.new, result.in_training, result.near_training, result.in_validation) == (2, 2, 0, 2)
    assert (result.measured, counted.guids, result.accuracy.value) == (ON_NEW, ("4", "5"), 0.5)
    scores = {group.name: (group.pairs, group.accuracy.value) for group in result.groups if group.by == "training"}
    assert scores == {"not in training": (2, 0.5), "in training": (2, 1.0), "in validation *": (2, 0.5)}
    known, counted = evaluate(answers.take(np.arange(6) < 4), "model", "here", seen)
    assert (known.measured, known.new, known.pairs, counted.guids) == (ON_VALIDATION, 0, 2, ("2", "3"))
    old = evaluate(answers, "model", "here", replace(seen, validation=None))[0]
    assert (old.new, old.in_validation, NO_VALIDATION in old.notes) == (4, 0, True)
    of_folds = evaluate(answers, "model", "here", SeenPairs.of(pairs, LABELS, pairs))[0]
    assert (of_folds.measured, of_folds.in_training, of_folds.in_validation) == (ON_KNOWN, 6, 0)


def test_macro_f1_is_over_the_classes_that_occur_as_in_scikit_learn():
    """One group has one class, one two of which one is only predicted, and one has all three."""
    groups = {"one": ([0], [0]), "two": ([0, 0, 0], [0, 1, 0]), "three": ([0, 1, 2, 2], [0, 1, 1, 2])}
    names = [name for name, (true, _) in groups.items() for _ in true]
    answers = make_answers(*([label for part in groups.values() for label in part[side]] for side in (0, 1)))
    found = {group.name: group for group in evaluate(answers, "a", "b", columns={"kind": names})[0].groups}
    assert {name: found[name].classes for name in groups} == {"one": 1, "two": 2, "three": 3}
    for name, (true, predicted) in groups.items():
        assert found[name].macro_f1.value == pytest.approx(f1_score(true, predicted, average="macro"))
    assert found["one"].macro_f1.value == 1.0
    without = make_answers([0, 1, 0, 1], [0, 1, 1, 1])
    assert evaluate(without, "a", "b")[0].macro_f1.value == pytest.approx(
        f1_score(without.true, without.predicted, average="macro")
    )


def test_few_pairs_of_a_class_are_named_once():
    notes = evaluate(make_answers([0] * 5 + [1] * 10 + [2] * 20, [2] * 35), "a", "b")[0].notes
    few = [note for note in notes if "few evaluated pairs" in note]
    assert few == ["few evaluated pairs of negative (5): intervals of macro-F1 are probably too narrow"]


def test_scores_by_what_is_there_and_by_column():
    true = [0, 1, 2, 0, 1, 2]
    pairs = numbered_pairs(true, {0: "image", 1: "image", 2: "text"})
    answers = make_answers(true, [0, 1, 0, 0, 0, 2], pairs=pairs)
    result, _ = evaluate(answers, "model", "here", columns={"language": ["de", "en", "", "de", "de", "en"]})
    groups = {(group.by, group.name): (group.pairs, round(group.accuracy.value, 3)) for group in result.groups}
    assert groups == {
        ("input", "text and image"): (3, 0.667),
        ("input", "text only"): (2, 1.0),
        ("input", "image only"): (1, 0.0),
        ("language", "de"): (3, 0.667),
        ("language", "en"): (2, 1.0),
        ("language", "(empty)"): (1, 0.0),
    }
    for rows, names in (((0, 1, 3, 4, 5), ["text and image", "text only"]), ((3, 4, 5), [])):  # one group is no group
        few = evaluate(answers.take(np.isin(np.arange(6), rows)), "model", "here")[0].groups
        assert [group.name for group in few] == names


def test_many_numbers_become_quarters_and_many_words_are_refused():
    names = binned("age", [str(number) for number in range(40)] + [""])
    assert [names.count(name) for name in dict.fromkeys(names)] == [10, 10, 10, 10, 1]
    assert list(dict.fromkeys(names)) == ["up to 9.75", "9.75 to 19.5", "19.5 to 29.25", "above 29.25", "(empty)"]
    with_gaps = binned("age", [*map(str, range(40)), "nan", "nan"])
    assert with_gaps == [*names[:40], "nan", "nan"]
    with pytest.raises(ConfigError, match="--by city: this column has 40 different values"):
        binned("city", [f"town {number}" for number in range(40)])


def test_without_probabilities_nothing_is_said_about_them():
    result, _ = evaluate(make_answers([0, 1], [0, 1]), "file", "here")
    assert (result.loss, result.calibration, result.answered) == (None, (), ())


IGNORES = Finding(kind=IGNORES_TEXT, message="the model ignores the text")


def test_a_model_that_answers_one_class_is_found_out():
    true = [0] * 20 + [1] * 20 + [2] * 60
    (found,) = evaluate(make_answers(true, [2] * 100), "a.pt", "pairs.csv", recorded=[IGNORES])[0].findings
    assert (found.kind, found.message) == (ONE_CLASS, "the model predicts positive for all 100 pairs")


def test_guesses_are_held_against_the_class_that_is_most_frequent_in_training():
    true, guesses = [0] * 60 + [2] * 40, [0, 2] * 50
    seen = SeenPairs.of(numbered_pairs([2] * 9), LABELS)
    pairs = [
        replace(pair, guid=f"new{pair.guid}", text=f"new{pair.guid}", image_digest="") for pair in numbered_pairs(true)
    ]
    (found,) = evaluate(make_answers(true, guesses, pairs=pairs), "a.pt", "pairs.csv", seen)[0].findings
    assert found.kind == MAJORITY
    assert "40.0 % of always predicting positive" in found.message


def test_an_ignored_modality_is_told_from_training_where_nothing_worse_is_found():
    right = random_answers(200)
    result = evaluate(right, "a.pt", "pairs.csv", recorded=[IGNORES, Finding(kind=MAJORITY, message="in training")])[0]
    assert result.findings == (IGNORES,)
    assert result.notes[0] == "the model ignores the text"
    assert evaluate(right, "a.pt", "pairs.csv")[0].findings == ()
