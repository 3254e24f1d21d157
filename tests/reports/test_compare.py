"""Tables and words of a comparison hold its values, within 80 columns, and never call a chance difference a finding."""

import re
from dataclasses import replace

import pytest

from mmsent_cli.reports.comparison.tables import (
    accuracy_grid,
    compare_grids,
    difference_grid,
    gates_grid,
    macro_f1_difference_grid,
    macro_f1_grid,
    mcnemar_grid,
    recalls_grid,
)
from mmsent_cli.reports.comparison.text import findings_text, headline
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.outputs import print_result, run_files
from tests.reports.experiments import SEVEN, against_baseline, augment_result, compare_result, compared_arm, setting
from tests.reports.pages import particulars


def rows_of(grid):
    return {row[0]: row[1:] for row in grid.rows}


def printed(capsys, monkeypatch, result, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    print_result(result, folder="runs/x", files=("curves.png", "[a]/report.html"), seconds=75.0)
    return capsys.readouterr().out


def many_arms(count, labels=SEVEN, seeds=5):
    names = ["基准模型" if n == 0 else f"[b]cross-attention-{n}[/b]" for n in range(count)]
    arms = [
        compared_arm(
            name,
            0.7 + 0.003 * n,
            labels=labels,
            seeds=seeds,
            epochs=12,
            **(against_baseline(0.003 * n, seeds=seeds) if n else {}),
        )
        for n, name in enumerate(names)
    ]
    own = setting(labels=labels, seeds=tuple(range(seeds)), epochs=12)
    return compare_result(baseline=names[0], arms=tuple(arms), setup=own)


def test_accuracy_table_has_best_epoch_losses_nested_and_last_figures():
    arm = compare_result().arms[1]
    row = rows_of(accuracy_grid(compare_result()))["weighted"]
    mean = sum(arm.best.accuracies) / 3
    losses = [sum(values) / 3 for values in (arm.best_train_losses, arm.best_val_losses)]
    assert row == (
        f"{100 * mean:.1f} ± 0.4",
        "3, 4, 5",
        *(f"{loss:.3f}" for loss in losses),
        "75.0 ± 0.4",
        "74.7 ± 0.7",
    )


def test_every_table_of_figures_has_the_references_and_the_most_frequent_class():
    for grid in (accuracy_grid(compare_result()), macro_f1_grid(compare_result())):
        assert [row[0] for row in grid.rows][-3:] == ["text-only", "image-only", "(most frequent class)"]
    assert rows_of(accuracy_grid(compare_result()))["(most frequent class)"] == ("57.7", "-", "-", "-", "57.7", "57.7")
    assert rows_of(macro_f1_grid(compare_result()))["(most frequent class)"] == ("-", "0.244", "-", "0.244")


def test_macro_f1_has_its_intervals_and_verdicts_as_accuracy_has():
    rows = rows_of(macro_f1_grid(compare_result()))
    assert rows["early"] == ("69.9 to 75.9", "0.630 ± 0.006", "0.597 to 0.662", "0.617")
    tested = rows_of(macro_f1_difference_grid(compare_result()))
    assert list(tested) == list(rows_of(difference_grid(compare_result())))
    assert tested["early"] == ("-0.015", "-0.045 to +0.022", "0.620", "not distinguishable; detectable: 0.050 or more")


def test_difference_table_leaves_out_baseline_and_references_and_says_what_could_be_shown():
    rows = rows_of(difference_grid(compare_result()))
    assert list(rows) == ["weighted", "self-attention", "early", "blip", "blip-advanced", "clip"]
    assert rows["early"] == ("-1.1", "-3.3 to +1.0", "0.310", "not distinguishable; detectable: 3.4 points or more")
    assert rows["clip"] == ("-4.1", "-6.3 to -2.0", "<0.001", "worse")


def test_recalls_mcnemar_and_weights():
    arm = compare_result().arms[1]
    assert rows_of(recalls_grid(compare_result()))["weighted"] == tuple(f"{one.recall:.3f}" for one in arm.per_class)
    assert rows_of(mcnemar_grid(compare_result()))["clip"] == ("0.200", "0.300", "0.400")
    gates = rows_of(gates_grid(compare_result()))
    assert gates == {"weighted: text": ("0.520", "0.580", "0.600"), "weighted: image": ("0.420", "0.480", "0.500")}


def test_one_seed_has_no_spread_and_one_arm_nothing_to_compare(capsys, monkeypatch):
    alone = compare_result(arms=(compared_arm("concat", 0.74, seeds=1),), setup=setting(seeds=(0,)))
    assert rows_of(accuracy_grid(alone))["concat"][0] == "75.1"
    assert [grid.title.split(",")[0] for grid in compare_grids(alone)] == [
        "Accuracy",
        "Intervals of accuracy and macro-F1",
        "Recall by class",
    ]
    assert headline(alone) == "Nothing to compare: concat is the only arm"
    assert "±" not in printed(capsys, monkeypatch, alone)


def test_the_answer_names_what_is_better_worse_and_undecided():
    base, other = compared_arm("concat", 0.74), compared_arm("gmu", 0.75, **against_baseline(0.01))
    better = compared_arm("early", 0.78, **against_baseline(0.04, "better", 0.01))
    answers = [headline(compare_result(arms=arms)) for arms in ((base, other), (base, better, other), (base, better))]
    by_f1 = "In macro-F1, early is not distinguishable from concat"
    assert answers == [
        "In accuracy and in macro-F1, gmu is not distinguishable from concat",
        "In accuracy, early is better than concat; gmu is not distinguishable from it. In macro-F1, none of the 2 arms "
        "is distinguishable from concat",
        f"In accuracy, early is better than concat. {by_f1}",
    ]
    undecided = compare_result(arms=(base, other, replace(other, name="clip")))
    assert headline(undecided) == "In accuracy and in macro-F1, none of the 2 arms is distinguishable from concat"
    worse = replace(other, macro_f1_verdict="worse", macro_f1_p_adjusted=0.012)
    divided = compare_result(arms=(base, worse))
    assert headline(divided) == (
        "In accuracy, gmu is not distinguishable from concat. In macro-F1, gmu is worse than concat"
    )
    assert "gmu by +0.006 (95 % interval -0.024 to +0.043; Holm's p 0.012)" in " ".join(findings_text(divided))


def test_findings_give_differences_in_points_and_pairs_and_what_could_be_shown():
    paragraphs = findings_text(compare_result())
    assert len(paragraphs) == 6
    text = " ".join(paragraphs)
    assert (
        "Worse than concat: clip, by 4.1 points (33 of 800 pairs; 95 % interval of the difference -6.3 to -2.0" in text
    )
    assert "-1.1 to +0.9 points" in text
    assert "a true difference of about 3.4 points (27 of 800 pairs) in four of five repetitions" in text
    assert "text-only 70.3 %, image-only 61.8 % and always predicting the most frequent class 57.7 %" in text
    assert "1.5 points above the nested ones" in text
    assert "clip" not in text.split("Worse than concat")[1].split("The differences of ")[1].split(" to concat")[0]


def test_best_epochs_below_the_nested_figures_are_not_called_above():
    arm = compared_arm("concat", 0.74)
    arm = replace(arm, best=replace(arm.best, accuracy_mean=0.735))
    assert "0.5 points below the nested ones" in " ".join(findings_text(compare_result(arms=(arm,))))


@pytest.mark.parametrize(
    "result", [compare_result(), augment_result(), many_arms(12), many_arms(2, labels=("no", "yes"))]
)
def test_prints_within_80_columns_without_breaking_a_number(capsys, monkeypatch, result):
    text = printed(capsys, monkeypatch, result)
    assert max(map(len, text.splitlines())) <= 80
    numbers = [
        cell
        for grid in compare_grids(result)
        for row in grid.rows
        for place, cell in enumerate(row)
        if place not in grid.words
    ]
    assert len(numbers) > 20
    assert [cell for cell in numbers if cell not in text] == []


def test_a_table_too_wide_goes_on_below_with_its_names(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, many_arms(2), columns=60)
    recalls = text.split("Recall by class")
    assert len(recalls) == 3
    assert ["(continued)" in part.splitlines()[0] for part in recalls[1:]] == [False, True]
    heads = [part.splitlines()[1].split() for part in recalls[1:]]
    assert all(heads)
    assert [*heads[0], *heads[1]] == list(SEVEN)
    assert "基准模型" in recalls[1]
    assert "基准模型" in recalls[2]
    assert recalls[1].count("Pairs:") + recalls[2].count("Pairs:") == 1
    assert max(map(len, text.splitlines())) <= 60


def test_features_that_were_in_the_cache_already_are_called_so():
    stored = setup_facts(setting(encoder_runs={"text": 0, "image": 0}))
    assert dict(stored)["Encoder passes"] == "none: all features were already in the cache"
    assert dict(setup_facts(setting()))["Encoder passes"] == (
        "3,987 texts and 4,000 images; computed once, since the frozen layers of all models are the same"
    )


def test_methods_speak_of_references_only_where_there_are_any():
    pages = [run_files(result, particulars())["report.html"] for result in (compare_result(), augment_result())]
    assert ["are references" in page for page in pages] == [True, False]


def test_the_arm_none_is_called_no_augmentation_in_sentences():
    text = " ".join([headline(augment_result()), *findings_text(augment_result())])
    assert "no augmentation" in text
    assert not re.search(r"\b(than|from|to|next:) none\b|better than none", text)
