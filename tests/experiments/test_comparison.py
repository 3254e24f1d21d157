"""From trained models to rows of a comparison."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import f1_score, precision_recall_fscore_support

from mmsent_cli.experiments.arms import TrainedArm, nested_selection
from mmsent_cli.experiments.comparison import compare
from mmsent_cli.results import EpochScore
from mmsent_cli.stats import (
    accuracy_interval,
    accuracy_of,
    compare_scores,
    detectable,
    estimate_difference,
    holm,
    interval,
    macro_f1_of,
    macro_f1_scores,
    mcnemar,
    p_value,
    verdict,
)
from tests.stats.by_hand import f1_by_hand

LABELS = ("negative", "neutral", "positive")
EPOCHS, PAIRS, SEEDS = 4, 300, (5, 3, 9)
TRUE = np.random.default_rng(7).integers(0, len(LABELS), PAIRS)


def model(name, seed, right, epochs=EPOCHS, **changes):
    """One model whose every epoch is right on a share of pairs; the curve is that of its predictions."""
    generator = np.random.default_rng([seed, *name.encode()])
    wrong = (TRUE + generator.integers(1, len(LABELS), (epochs, PAIRS))) % len(LABELS)
    predicted = np.where(generator.random((epochs, PAIRS)) < right, TRUE, wrong)
    trained = TrainedArm(
        name=name,
        fusion="concat",
        augmentation="none",
        seed=seed,
        is_reference=False,
        trainable_parameters=len(name),
        monitor="accuracy",
        curve=tuple(score(epoch, row) for epoch, row in enumerate(predicted, start=1)),
        predicted=predicted,
        losses=generator.random((epochs, PAIRS)),
    )
    return replace(trained, **changes)


def score(epoch, predicted):
    """An epoch's figures."""
    return EpochScore(
        epoch=epoch,
        train_loss=1 / epoch,
        train_objective=2 / epoch,
        val_loss=0.1 * epoch,
        accuracy=float((predicted == TRUE).mean()),
        macro_f1=float(f1_by_hand(TRUE, predicted, len(LABELS)).mean()),
    )


def arm(name, right, **changes):
    """A model a seed."""
    return [model(name, seed, right, **changes) for seed in SEEDS]


@pytest.fixture(scope="module")
def trained():
    """A reference, the baseline, and an equal, a better and a worse arm."""
    return [
        *arm("text", 0.4, is_reference=True),
        *arm("plain", 0.6),
        *arm("equal", 0.6),
        *arm("good", 0.8),
        *arm("bad", 0.45),
    ]


@pytest.fixture(scope="module")
def rows(trained):
    """The comparison's rows by name."""
    return {row.name: row for row in compare(trained, TRUE, LABELS, "plain")}


def nested(models):
    """Nested predictions [S, N]."""
    return np.stack([nested_selection(m.predicted, TRUE, m.monitor, len(LABELS), m.losses) for m in models])


def test_arms_keep_their_order_and_references_come_last(rows):
    assert list(rows) == ["plain", "equal", "good", "bad", "text"]
    assert rows["text"].is_reference
    assert (rows["good"].fusion, rows["good"].trainable_parameters, rows["good"].seeds) == ("concat", 4, SEEDS)


def test_verdicts_follow_the_true_order(rows):
    verdicts = {name: row.verdict for name, row in rows.items()}
    assert verdicts == {"plain": None, "equal": "not distinguishable", "good": "better", "bad": "worse", "text": None}


def test_figures_are_those_of_the_nested_predictions(rows, trained):
    predicted = nested(trained[9:12])
    row, accuracies = rows["good"], (predicted == TRUE).mean(axis=1)
    assert row.nested.accuracies == pytest.approx(tuple(accuracies))
    assert row.nested.accuracy_mean == pytest.approx(accuracies.mean())
    assert row.nested.accuracy_sd == pytest.approx(accuracies.std(ddof=1))
    macro_f1s = [f1_score(TRUE, answers, average="macro") for answers in predicted]
    assert row.nested.macro_f1s == pytest.approx(tuple(macro_f1s))
    assert (row.nested.macro_f1_mean, row.nested.macro_f1_sd) == pytest.approx(
        (np.mean(macro_f1s), np.std(macro_f1s, ddof=1))
    )
    assert row.accuracy_interval[0] < row.nested.accuracy_mean < row.accuracy_interval[1]


def test_classes_are_means_over_seeds(rows, trained):
    each = np.array([precision_recall_fscore_support(TRUE, answers) for answers in nested(trained[9:12])])  # [S, 4, C]
    for number, row in enumerate(rows["good"].per_class):
        assert (row.precision, row.recall, row.f1) == pytest.approx(tuple(each[:, :3, number].mean(axis=0)))
        assert (row.label, row.support) == (LABELS[number], np.sum(number == TRUE))


def test_best_and_last_epochs_come_from_the_curves(rows, trained):
    row, curves = rows["good"], [m.curve for m in trained[9:12]]
    best = [max(c, key=lambda score: score.accuracy) for c in curves]
    assert row.curves == tuple(curves)
    assert row.best_epochs == tuple(score.epoch for score in best)
    assert row.best.accuracies == tuple(score.accuracy for score in best)
    assert row.best.accuracy_mean == pytest.approx(np.mean(row.best.accuracies))
    assert row.best.accuracy_sd == pytest.approx(np.std(row.best.accuracies, ddof=1))
    assert row.best_train_losses == tuple(score.train_loss for score in best)
    assert row.best_val_losses == tuple(score.val_loss for score in best)
    assert row.last.accuracies == tuple(c[-1].accuracy for c in curves)
    assert row.last.macro_f1s == tuple(c[-1].macro_f1 for c in curves)
    assert row.last.accuracy_mean == pytest.approx(np.mean(row.last.accuracies))
    assert row.last.accuracy_sd == pytest.approx(np.std(row.last.accuracies, ddof=1))


def test_each_model_follows_its_own_monitor(trained):
    by_loss = [replace(m, monitor="loss") for m in trained[9:12]]
    row = compare([*trained[3:6], *by_loss], TRUE, LABELS, "plain")[1]
    assert row.best_epochs == (1, 1, 1)
    assert row.nested.accuracies == pytest.approx(tuple((nested(by_loss) == TRUE).mean(axis=1)))


def test_differences_are_to_the_baseline_on_the_same_pairs(rows, trained):
    baseline = rows["plain"]
    assert (baseline.accuracy_difference, baseline.p_adjusted) == (None, None)
    assert (baseline.mcnemar, baseline.macro_f1_difference) == ((), None)
    row = rows["good"]
    assert row.accuracy_difference.difference == pytest.approx(row.nested.accuracy_mean - baseline.nested.accuracy_mean)
    assert row.macro_f1_difference.difference == pytest.approx(row.nested.macro_f1_mean - baseline.nested.macro_f1_mean)
    plain, equal, right, bad = (nested(trained[first : first + 3]) == TRUE for first in (3, 6, 9, 12))
    others = [equal.astype(float), bad.astype(float)]
    alone = compare_scores(right.astype(float), plain.astype(float), comparisons=3, others=others)
    assert row.accuracy_difference == alone
    assert row.mcnemar == tuple(mcnemar(a, b) for a, b in zip(right, plain, strict=True))
    low, high = row.macro_f1_difference.interval
    assert 0 < low < row.macro_f1_difference.difference < high


def test_holm_counts_the_tested_arms_only(rows):
    tested = [rows[name] for name in ("equal", "good", "bad")]
    assert tuple(row.p_adjusted for row in tested) == holm([row.accuracy_difference.p for row in tested])
    assert tuple(row.macro_f1_p_adjusted for row in tested) == holm([row.macro_f1_difference.p for row in tested])
    assert {row.name: row.macro_f1_verdict for row in tested} == {
        row.name: verdict(row.macro_f1_difference.difference, row.macro_f1_p_adjusted) for row in tested
    }
    assert all(row.macro_f1_interval[0] < row.nested.macro_f1_mean < row.macro_f1_interval[1] for row in tested)
    assert (rows["text"].accuracy_difference, rows["text"].p_adjusted) == (None, None)


def test_references_have_no_say_in_what_is_tested(rows, trained):
    without = compare(trained[3:], TRUE, LABELS, "plain")
    assert without == tuple(rows[row.name] for row in without)


def test_the_tested_arms_count_for_the_smallest_difference_that_shows(trained):
    once = compare(trained[3:9], TRUE, LABELS, "plain")[1]
    right = [(nested(models) == TRUE).astype(float) for models in (trained[6:9], trained[3:6])]
    assert once.accuracy_difference == compare_scores(*right)
    assert once.accuracy_difference.detectable < compare_scores(*right, comparisons=2).detectable


def test_a_single_seed_has_the_wilson_interval_and_the_paired_t_test(trained):
    single = [trained[3], trained[9]]
    plain, good = compare(single, TRUE, LABELS, "plain")
    right = nested(single) == TRUE
    assert plain.accuracy_interval == accuracy_interval(int(right[0].sum()), PAIRS)
    assert (plain.nested.accuracy_sd, plain.nested.macro_f1_sd) == (0.0, 0.0)
    assert good.accuracy_difference.p == pytest.approx(ttest_rel(right[1].astype(float), right[0].astype(float)).pvalue)


def test_an_arm_against_itself_is_not_distinguishable(trained):
    twin = [replace(m, name="twin") for m in trained[3:6]]
    row = compare([*trained[3:6], *twin], TRUE, LABELS, "plain")[1]
    gap = row.accuracy_difference
    assert (gap.difference, gap.p, row.p_adjusted, row.verdict) == (0.0, 1.0, 1.0, "not distinguishable")
    assert row.mcnemar == (1.0, 1.0, 1.0)


def test_equal_arms_under_other_seeds_are_hardly_ever_told_apart():
    called = 0
    for repetition in range(40):
        names = [f"{letter}{repetition}" for letter in "abc"]
        rows = compare([m for name in names for m in arm(name, 0.6, epochs=1)], TRUE, LABELS, names[0])
        called += any(row.verdict in ("better", "worse") for row in rows)
    assert called <= 5  # of 40 families 2 are expected; 6 or more come once in a hundred times


def test_epochs_may_differ_in_number(trained):
    short = [model("short", seed, 0.6, epochs=2) for seed in SEEDS]
    row = compare([*trained[3:6], *short], TRUE, LABELS, "plain")[1]
    assert [len(curve) for curve in row.curves] == [2, 2, 2]


@pytest.mark.parametrize("case", ["no baseline", "a seed short"])
def test_arms_that_cannot_be_compared_are_refused(trained, case):
    models = trained[3:9] if case == "no baseline" else trained[3:8]
    with pytest.raises(ValueError, match="no arm"):
        compare(models, TRUE, LABELS, "absent" if case == "no baseline" else "plain")


def test_intervals_end_where_shares_end():
    nearly = np.ones((2, 20))
    nearly[0, 0] = 0
    low, high = accuracy_of(nearly)
    assert 0.8 < low < nearly.mean() < high == 1.0
    true = np.arange(20) % 3
    assert macro_f1_of(true, true[None], 3)[1] == 1.0
    assert compare_scores(nearly, 1 - nearly).interval[1] == 1.0


def wins_and_losses(name, wins, losses, pairs=100):
    """One model that is right on the first half of all pairs, and against that wins and loses so many pairs."""
    true = np.zeros(pairs, dtype=np.int64)
    right = np.arange(pairs) < pairs // 2
    right[pairs // 2 : pairs // 2 + wins] = True
    right[:losses] = False
    predicted = np.where(right, true, 1)[None]
    curve = (EpochScore(epoch=1, train_loss=0, train_objective=0, val_loss=0, accuracy=right.mean(), macro_f1=0),)
    return model(name, 0, 1.0, epochs=1, predicted=predicted, losses=np.zeros((1, pairs)), curve=curve)


def test_the_verdict_needs_the_adjusted_p():
    """11 pairs won and 3 lost of 100: t = 0.08 / √(0.1349 / 100) = 2.178, p = 0.0318. Two such arms: 0.0636."""
    models = [wins_and_losses("plain", 0, 0), wins_and_losses("one", 11, 3), wins_and_losses("two", 11, 3)]
    _, one, two = compare(models, np.zeros(100, dtype=np.int64), LABELS, "plain")
    for row in (one, two):
        assert row.accuracy_difference.p == pytest.approx(0.0318, abs=2e-4)
        assert row.p_adjusted == pytest.approx(0.0636, abs=4e-4)
        assert row.verdict == "not distinguishable"
    alone = compare(models[:2], np.zeros(100, dtype=np.int64), LABELS, "plain")[1]
    assert (alone.p_adjusted, alone.verdict) == (alone.accuracy_difference.p, "better")
    three = compare([*models, wins_and_losses("three", 30, 0)], np.zeros(100, dtype=np.int64), LABELS, "plain")
    assert [row.verdict for row in three] == [None, *["not distinguishable"] * 2, "better"]


def test_the_other_arms_count_for_the_seed_variance_of_macro_f1(rows, trained):
    scores = {
        name: macro_f1_scores(TRUE, nested(trained[first : first + 3]), len(LABELS))
        for name, first in (("plain", 3), ("equal", 6), ("good", 9), ("bad", 12))
    }
    told = rows["good"].macro_f1_difference
    estimate = estimate_difference(scores["good"], scores["plain"], [scores["equal"], scores["bad"]])
    assert told.interval == pytest.approx(interval(estimate))
    assert (told.p, told.detectable) == pytest.approx((p_value(estimate), detectable(estimate, 3)))
    without = interval(estimate_difference(scores["good"], scores["plain"]))
    assert abs(told.interval[0] - without[0]) > 1e-4
