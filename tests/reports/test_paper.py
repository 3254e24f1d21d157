"""The page of a repeated work sets published figures beside ours, and claims no ranking that the data cannot bear."""

from dataclasses import replace

import pytest

from mmsent_cli.reports.paper.beside import (
    ablation_beside,
    agreement,
    comparison_beside,
    differences_beside,
    losses_beside,
    outcomes,
    train_beside,
    tune_beside,
)
from mmsent_cli.reports.paper.page import headline, paper_answer, paper_sections, published_steps, summary
from mmsent_cli.results import PublishedArm
from tests.reports.experiments import (
    ablate_result,
    against_baseline,
    compare_result,
    compared_arm,
    published,
    tune_result,
)


@pytest.fixture
def results(paper_result):
    return paper_result


def test_encoder_runs_of_all_steps_are_added_up(results):
    """Whichever step comes first fills the store, so the others' own counts are nothing."""
    stored = replace(results.fusions.setup, encoder_runs={"text": 0, "image": 0})
    views = replace(results.augmentation.setup, encoder_runs={"text": 0, "image": 12000})
    fusions = replace(results.fusions, setup=stored)
    augmentation = replace(results.augmentation, setup=views)
    answer = paper_answer(replace(results, fusions=fusions, augmentation=augmentation), 60.0)
    assert dict(answer.facts)["Encoder passes"].startswith("3,987 texts and 16,000 images")


def test_tables_set_published_figures_beside_ours(results):
    tuned = tune_beside(results).rows
    assert tuned[0] == (
        "learning rate 1e-5",
        "72.75",
        "72.8",
        "69.5 to 75.5",
        "encoder_lr 1e-05, weight_decay 0.0001",
    )
    assert tuned[1][1] == "-"
    assert tuned[-1] == ("weight decay 7e-4", "73.50", "-", "-", "-")
    assert train_beside(results).rows == (("weighted", "75.38", "75.0", "68.6 to 80.5", "70.0"),)
    assert ablation_beside(results).rows == (
        ("both", "75.38", "74.1", "70.9 to 76.9"),
        ("text", "59.88", "68.3", "65.1 to 71.1"),
        ("image", "64.88", "59.1", "55.9 to 61.9"),
    )


def test_comparison_has_published_epochs_and_losses_and_no_references(results):
    rows = {row[0]: row[1:] for row in comparison_beside(results.fusions, published().fusions).rows}
    assert rows["weighted"] == ("75.75", "10", "76.5 ± 0.4", "3, 4, 5", "75.0 ± 0.4")
    assert "text-only" not in rows
    losses = {row[0]: row[1:] for row in losses_beside(results.fusions, published().fusions).rows}
    assert (losses["early"][0], losses["early"][2]) == ("0.3992", "0.9907")
    assert losses_beside(results.augmentation, published().augmentation).rows == ()


def test_an_arm_that_was_not_published_is_shown_without_a_published_figure(results):
    rows = {row[0]: row[1:3] for row in comparison_beside(results.fusions, published().fusions[:1]).rows}
    assert rows["concat"] == ("74.62", "4")
    assert rows["clip"] == ("-", "-")


def test_differences_are_compared_only_with_a_published_baseline(results):
    rows = {row[0]: row[1:] for row in differences_beside(results.fusions, published().fusions).rows}
    assert rows["weighted"] == ("+1.1", "+0.9", "-1.3 to +3.0", "not distinguishable")
    assert rows["clip"] == ("-4.0", "-4.1", "-6.3 to -2.0", "confirmed")
    assert differences_beside(results.fusions, published().fusions[1:]).rows == ()
    assert outcomes(results.fusions, published().fusions[1:]) == {}


def test_a_published_difference_is_shown_only_by_a_verdict_of_the_same_sign():
    cases = [
        (0.01, 0.03, "better"),
        (-0.01, 0.03, "better"),
        (0.01, 0.03, "not distinguishable"),
        (0.01, -0.03, "worse"),
    ]
    assert [agreement(*case) for case in cases] == ["confirmed", "contradicted", "not distinguishable", "contradicted"]


def test_the_answer_counts_what_is_shown_contradicted_and_undecided(results):
    assert headline(results) == (
        "Of 7 published differences, 1 can be shown here, none are contradicted, 6 may be due to chance"
    )
    arms = (compared_arm("concat", 0.74), compared_arm("weighted", 0.7, **against_baseline(-0.04, "worse", 0.01)))
    against = replace(results, fusions=compare_result(arms=arms))
    assert "none can be shown here, 1 is contradicted, 1 may be due to chance" in headline(against)
    assert (
        headline(replace(results, published=published(fusions=(), augmentation=())))
        == "No published difference was tested here"
    )


def test_the_summary_measures_the_published_ranking_by_what_could_be_shown(results):
    text = " ".join(summary(results))
    for numbers in (
        "70.6 % (clip) to 75.8 % (weighted)",
        "0 to 30 of 800 pairs",
        "2.8 points (22 of 800 pairs) or more: 5 of the 6 steps",
        "the difference to concat of clip.",
        "from concat here: weighted, self-attention, early, blip and blip-advanced.",
        "Published +0.6 points, 5 of 800 pairs; here +0.5 (95 % interval -1.7 to +2.6)",
        "75.1 % and 74.5 % for one and the same setting: repeating the run changed 5 of 800 pairs",
        "text alone 59.9 % and image alone 64.9 %, 40 of 800 pairs apart; here 68.3 %",
        "the opposite order, and the intervals do not overlap",
        "1.5 points above nested selection",
    ):
        assert numbers in text


def test_steps_of_the_published_ranking_that_repeating_a_setting_exceeds_are_counted(results):
    steps = published_steps(published())
    assert steps == pytest.approx([0.0375, 0.0024, 0.0, 0.0026, 0.0024, 0.0063])
    assert sum(step <= 0.7512 - 0.745 for step in steps) == 4
    assert "and 4 of the 6 steps of the published ranking" in " ".join(summary(results))


def test_overlapping_intervals_of_the_modalities_decide_nothing(results):
    arms = tuple(replace(arm, interval=(0.5, 0.8)) for arm in results.ablate.arms)
    text = " ".join(summary(replace(results, ablate=ablate_result(arms=arms))))
    assert "the intervals overlap, so this alone does not decide" in text
    same = published(ablation={"both": 0.75, "text": 0.7, "image": 0.6})
    assert "the same order, and the intervals do not overlap" in " ".join(summary(replace(results, published=same)))


def test_remarks_come_once_and_with_their_experiment_where_only_one_has_them(results):
    assert paper_answer(results, 1.0).notes == ("Ablation: only here", "in both")


def test_fewer_arms_than_published_are_no_error(results):
    arms = (
        compared_arm("concat", 0.74, seeds=1),
        compared_arm("gmu", 0.75, seeds=1, **against_baseline(0.01, seeds=1)),
    )
    rows = published(fusions=(PublishedArm(name="concat", accuracy=0.7462),))
    tuned = tune_result(difference=None, runner_up=None)
    small = replace(results, fusions=compare_result(arms=arms), tune=tuned, published=rows)
    assert paper_sections(small, {})
    assert "Here a single trial was completed" in " ".join(paper_answer(small, 1.0).paragraphs)


def test_without_a_published_repetition_nothing_is_said_of_one(results):
    assert "one and the same setting" not in " ".join(summary(replace(results, published=published(repeated=()))))
