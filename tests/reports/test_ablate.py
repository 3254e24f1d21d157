"""Tables and words of an ablation hold its values, and an interaction is claimed only where its interval shows one."""

from dataclasses import replace

import pytest

from mmsent_cli.reports.ablation.tables import (
    agreement_grid,
    class_grids,
    emap_grid,
    recalls_grid,
    shapley_grid,
    views_grid,
)
from mmsent_cli.reports.ablation.text import findings_text, headline, methods_text
from mmsent_cli.results import Difference
from tests.reports.experiments import ablate_result


def with_interaction(difference, interval):
    emap = ablate_result().emap
    gap = Difference(difference=difference, interval=interval, p=0.01, detectable=0.02)
    return ablate_result(emap=replace(emap, difference=gap))


def test_tables_hold_the_values():
    result = ablate_result()
    assert views_grid(result).rows[1] == ("text only, zero", "68.3", "65.1 to 71.1", "0.573", "0.536 to 0.609")
    assert views_grid(result).rows[-1] == ("(most frequent class)", "57.7", "-", "0.244", "-")
    assert agreement_grid(result).rows[0] == ("zero", "50.0", "18.3", "9.0", "22.7")
    assert shapley_grid(result).rows[0] == ("zero", "57.7", "+12.8", "+3.6", "74.1")
    assert emap_grid(result).rows == (("whole model", "73.7", "0.631"), ("additive part", "73.2", "0.621"))
    assert emap_grid(result).foot.startswith("2.8 %")
    assert recalls_grid(result).rows[0] == ("both", "0.541", "0.588", "0.635")
    assert class_grids(result)[0].rows[1] == ("neutral", "0.572", "0.588", "0.580", "91")
    assert len(class_grids(result)) == len(result.arms)


def test_only_the_methods_used_are_explained():
    assert "zero: feature set to zero" in views_grid(ablate_result()).foot
    assert "permuted" not in views_grid(ablate_result()).foot


def test_the_answer_is_about_one_method_and_says_which():
    assert headline(ablate_result()) == "With both 74.1 %, the text alone 70.2 %, the image alone 61.7 %"
    text = " ".join(findings_text(ablate_result()))
    assert "(the other one: feature set to its training mean)" in text
    assert "the text is worth +12.4 and the image +4.0 points above the 57.7 %" in text
    assert "Only the text is right on 20.2 % of the pairs, only the image on 9.0 %, neither on 20.8 %" in text
    zero = tuple(arm for arm in ablate_result().arms if arm.method != "mean")
    assert headline(ablate_result(arms=zero)) == "With both 74.1 %, the text alone 68.3 %, the image alone 59.1 %"


@pytest.mark.parametrize(
    ("difference", "interval", "claim"),
    [
        (0.0045, (-0.006, 0.015), "an interaction is not shown; one worth 2.0 points"),
        (0.02, (0.01, 0.03), "the interaction between text and image counts"),
        (-0.02, (-0.03, -0.01), "the interaction between text and image does harm"),
    ],
)
def test_interaction_is_claimed_only_where_the_interval_leaves_out_zero(difference, interval, claim):
    text = " ".join(findings_text(with_interaction(difference, interval)))
    assert claim in text
    assert sum(words in text for words in ("is not shown", "counts", "does harm")) == 1


def test_methods_name_the_checkpoint_and_its_training():
    text = " ".join(methods_text(ablate_result()))
    for part in ("best_model.pt", "compact, weighted", "epoch 4", "800 pairs", "feature set to zero (zero)"):
        assert part in text
