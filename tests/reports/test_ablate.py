"""Tables and words of an ablation hold its values, and an interaction is claimed only where its interval shows one."""

from dataclasses import replace

import pytest

from mmsent_cli.reports.ablation import (
    METHODS,
    agreement_grid,
    class_grids,
    emap_grid,
    findings_text,
    headline,
    inputs_grid,
    recalls_grid,
    shapley_grid,
)
from mmsent_cli.results import Difference
from tests.reports.experiments import ablate_result


def with_interaction(difference, interval):
    emap = ablate_result().emap
    gap = Difference(difference=difference, interval=interval, p=0.01, detectable=0.02)
    return ablate_result(emap=replace(emap, difference=gap))


def test_tables_hold_the_values():
    result = ablate_result()
    assert inputs_grid(result).rows[1] == ("text only, zero", "68.3", "65.1 to 71.1", "0.573", "0.536 to 0.609")
    assert inputs_grid(result).rows[-1] == ("(most frequent class)", "57.7", "-", "0.244", "-")
    assert agreement_grid(result).rows[0] == ("zero", "50.0", "18.3", "9.0", "22.7")
    assert shapley_grid(result).rows[0] == ("zero", "57.7", "+12.8", "+3.6", "74.1")
    assert emap_grid(result).rows == (("whole model", "73.7", "0.631"), ("additive part", "73.2", "0.621"))
    assert emap_grid(result).foot.startswith("2.8 %")
    assert recalls_grid(result).rows[0] == ("both", "0.541", "0.588", "0.635")
    assert class_grids(result)[0].rows[1] == ("neutral", "0.572", "0.588", "0.580", "91")
    assert len(class_grids(result)) == len(result.arms)


def test_only_the_methods_used_are_explained():
    assert "zero: feature set to zero" in inputs_grid(ablate_result()).foot
    assert "permuted" not in inputs_grid(ablate_result()).foot


def test_the_answer_is_about_one_method_and_says_which():
    assert headline(ablate_result()) == "With both 74.1 %, the text alone 70.2 %, the image alone 61.7 %"
    text = " ".join(findings_text(ablate_result()))
    assert METHODS["mean"] in text
    for number in ("+12.4", "+4.0", "57.7 %", "20.2 %", "9.0 %", "20.8 %", "79.2 %"):
        assert number in text
    zero = tuple(arm for arm in ablate_result().arms if arm.method != "mean")
    assert headline(ablate_result(arms=zero)) == "With both 74.1 %, the text alone 68.3 %, the image alone 59.1 %"


@pytest.mark.parametrize(
    ("difference", "interval", "claim"),
    [
        (0.0045, (-0.006, 0.015), "no interaction is shown"),
        (0.02, (0.01, 0.03), "image contributes"),
        (-0.02, (-0.03, -0.01), "is harmful"),
    ],
)
def test_interaction_is_claimed_only_where_the_interval_leaves_out_zero(difference, interval, claim):
    text = " ".join(findings_text(with_interaction(difference, interval)))
    assert [words for words in ("no interaction is shown", "image contributes", "is harmful") if words in text] == [
        claim
    ]
