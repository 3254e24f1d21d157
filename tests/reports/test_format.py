"""Numbers as words: units, signs, and what is no number."""

import math

import pytest

from mmsent_cli.reports import format as words


def test_points_carry_their_sign_and_zero_is_never_negative():
    assert [words.points(value) for value in (0.0125, -0.0041, -0.0004, 0.0, math.nan)] == [
        "+1.2",
        "-0.4",
        "+0.0",
        "+0.0",
        "-",
    ]
    assert words.points_interval((-0.003, 0.027)) == "-0.3 to +2.7"
    assert words.points_interval((math.nan, 0.1)) == "-"
    assert words.size(-0.0123) == "1.2 points"
    assert [words.signed_score(value) for value in (0.0123, -0.0001)] == ["+0.012", "+0.000"]


def test_shares_and_scores():
    assert (words.number(0.7462), words.number(math.inf)) == ("74.6", "-")
    assert words.number_interval((0.715, 0.775)) == "71.5 to 77.5"
    assert words.number(0.475 + 0.157 + 0.0605) == words.number(0.6925)  # the sum is a last digit higher
    assert (words.score(0.65), words.score(math.nan)) == ("0.650", "-")
    assert (words.score_interval((0.6, 0.7)), words.signed_score_interval((-0.01, 0.02))) == (
        "0.600 to 0.700",
        "-0.010 to +0.020",
    )


def test_p_values():
    assert [words.probability(p) for p in (0.0341, 0.0009, 1.0, None, math.nan)] == [
        "0.034",
        "<0.001",
        "1.000",
        "-",
        "-",
    ]


def test_lists_counts_and_settings():
    assert (words.several((4, 7, 10)), words.several((4, 7, 10, 3, 9)), words.several(())) == (
        "4, 7, 10",
        "3 to 10",
        "-",
    )
    assert [words.listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert words.in_pairs(-0.01125, 800) == "9 of 800 pairs"
    assert (
        words.settings_text({"encoder_lr": 5e-5, "epochs": 5, "fusion": "gmu"})
        == "encoder_lr 5e-05, epochs 5, fusion gmu"
    )


def test_a_difference_excludes_zero_when_its_interval_leaves_out_zero():
    assert [words.excludes_zero(bounds) for bounds in ((0.01, 0.02), (-0.02, -0.01), (-0.01, 0.01), (0.0, 0.02))] == [
        True,
        True,
        False,
        False,
    ]


def test_a_mean_of_nothing_is_no_number():
    assert words.mean([1.0, 2.0]) == 1.5
    assert math.isnan(words.mean([]))


def test_numbers_are_written_in_the_unit_that_suits_them():
    assert [words.duration(value) for value in (0.42, 9.96, 59.7, 250, 7500)] == [
        "0.4 s",
        "10 s",
        "1 min 0 s",
        "4 min 10 s",
        "2 h 5 min",
    ]
    assert (words.percent(0.74625), words.percent(float("nan"))) == ("74.6 %", "-")
    assert (words.counted(1, "pair"), words.counted(2, "pair")) == ("1 pair", "2 pairs")
    assert words.parameters(0, 0) == "0 of 0 trainable (0.0 %)"


def test_majority_macro_f1_equals_scikit_learns():
    from sklearn.metrics import f1_score

    true = ["positive"] * 6 + ["negative"] * 3 + ["neutral"]
    expected = f1_score(true, ["positive"] * 10, average="macro", zero_division=0)
    assert words.majority_macro_f1(0.6, 3) == pytest.approx(expected)


@pytest.mark.parametrize(
    "parts", [(0.3194, -0.0266, 0.2327), (0.1234, 0.1234, 0.1234), (0.0, 0.0, 0.0), (0.5, -0.0004, 0.0)]
)
def test_rounded_parts_add_up_to_the_rounded_sum(parts):
    shown = words.adding_up(parts)
    assert words.number(sum(parts)) == words.number(sum(shown))
    assert all(abs(new - old) < 0.001 for new, old in zip(shown, parts, strict=True))
    assert all(float(words.number(new)) == pytest.approx(100 * new) for new in shown)
