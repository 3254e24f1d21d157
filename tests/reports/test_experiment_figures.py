"""Figures of experiments: whole, readable, and other bytes for other values."""

from dataclasses import replace
from itertools import pairwise

import pytest

from mmsent_cli.reports import ablation as ablation
from mmsent_cli.reports import tuning as tuning
from mmsent_cli.reports.comparison import figures as comparison
from mmsent_cli.reports.comparison.figures import arm_looks, mean_curve
from mmsent_cli.reports.lines import spread
from mmsent_cli.reports.outputs import REPORTS
from mmsent_cli.reports.paper import beside
from mmsent_cli.reports.plot_style import BLACK, contrast
from tests.reports.experiments import (
    ablate_result,
    against_baseline,
    augment_result,
    compare_result,
    compared_arm,
    curve,
    published,
    setting,
    trial,
    tune_result,
)
from tests.reports.pictures import assert_sane, cut, faint, overlapping, saved

draw_inputs, draw_contributions = saved(ablation.draw_inputs), saved(ablation.draw_contributions)
draw_levels, draw_differences = saved(comparison.draw_levels), saved(comparison.draw_differences)
draw_arm_curves, draw_arm_losses = saved(comparison.draw_arm_curves), saved(comparison.draw_arm_losses)
draw_gates, draw_beside = saved(comparison.draw_gates), saved(beside.draw_beside)
draw_trials, draw_losses = saved(tuning.draw_trials), saved(tuning.draw_losses)

coarsely = pytest.mark.usefixtures("coarse")


def drawn():
    """Every figure of the usual results, by name."""
    compared, ablated = compare_result(), ablate_result()
    return {
        "curves": draw_arm_curves(compared),
        "arm losses": draw_arm_losses(compared),
        "levels": draw_levels(compared),
        "differences": draw_differences(compared),
        "gates": draw_gates(compared),
        "views": draw_inputs(ablated),
        "contributions": draw_contributions(ablated),
        "tune": draw_trials(tune_result()),
        "losses": draw_losses(tune_result()),
        "beside": draw_beside(compared, published().fusions),
    }


def changed_arm(result, place, **changes):
    arms = list(result.arms)
    arms[place] = replace(arms[place], **changes)
    return replace(result, arms=tuple(arms))


def test_all_figures_are_readable():
    figures = drawn()
    assert len(figures) == 10
    for content in figures.values():
        assert_sane(content)


def test_lines_of_a_comparison_differ_by_more_than_their_color():
    """In grey print, at least two of dashes, marker and lightness are left."""
    names = ("concat", *(f"arm {number}" for number in range(11)), "text-only", "image-only", "blank")
    arms = [compared_arm(name, 0.6, is_reference=place > 11) for place, name in enumerate(names)]
    looks = list(arm_looks(replace(compare_result(), baseline="concat", arms=tuple(arms))).values())
    assert len(looks) == 15
    same = []
    for place, one in enumerate(looks):
        for other in looks[:place]:
            marks = ((look.marker, look.is_hollow) for look in (one, other))
            differences = [one.dashes != other.dashes, len(set(marks)) == 2, contrast(one.color, other.color) >= 1.25]
            same += [(one, other)] if sum(differences) < 2 else []
    assert same == []


def test_parts_of_a_bar_differ_in_lightness():
    figure = ablation.draw_contributions(ablate_result())
    colors = {bar.get_facecolor() for bar in figure.axes[1].patches}
    assert len(colors) == 4
    assert all(contrast(one, other) >= 1.4 for one in colors for other in colors if one != other)


@coarsely
def test_curves_show_each_loss_the_accuracy_and_the_majority():
    result = compare_result()
    changed = [replace(result, setup=setting(majority_accuracy=0.5))]
    for changes in ({"train_loss": 2.0}, {"val_loss": 2.0}, {"accuracy": 0.4}):
        curves = tuple((replace(one[0], **changes), *one[1:]) for one in result.arms[1].curves)
        changed.append(changed_arm(result, 1, curves=curves))
    assert len({draw_arm_curves(each) for each in (result, *changed)}) == 3
    assert len({draw_arm_losses(each) for each in (result, *changed)}) == 3


@coarsely
def test_single_seeds_are_drawn_for_few_arms_only():
    def without_spread(result):
        arms = tuple(replace(arm, curves=(arm.curves[0],) * 3) for arm in result.arms)
        return replace(result, arms=arms)

    few = augment_result()
    mirrored = tuple(
        tuple(replace(epoch, val_loss=epoch.val_loss + shift) for epoch in few.arms[0].curves[0])
        for shift in (-0.05, 0.0, 0.05)
    )
    spread_out = changed_arm(without_spread(few), 0, curves=mirrored)  # the same mean, other seeds
    assert mean_curve(mirrored, lambda epoch: epoch.val_loss) == pytest.approx(
        [epoch.val_loss for epoch in few.arms[0].curves[0]]
    )
    assert draw_arm_losses(spread_out) != draw_arm_losses(without_spread(few))


def test_a_mean_ends_where_the_first_seed_stopped():
    long, short = curve(0.7, 2, epochs=5), curve(0.8, 2, epochs=3)
    assert mean_curve((long, short), lambda epoch: epoch.accuracy) == pytest.approx(
        [(long[i].accuracy + short[i].accuracy) / 2 for i in range(3)]
    )


def test_twelve_arms_and_two_references_all_look_different():
    names = [f"arm {number}" for number in range(12)]
    arms = [compared_arm(name, 0.7) for name in names]
    arms += [compared_arm(name, 0.6, is_reference=True) for name in ("text-only", "image-only")]
    looks = arm_looks(compare_result(baseline="arm 0", arms=tuple(arms)))
    assert len({(style.color, str(style.dashes)) for style in looks.values()}) == 14
    assert [name for name, style in looks.items() if style.color == BLACK] == ["arm 0"]


@pytest.mark.parametrize("arms", [1, 12])
def test_any_number_of_arms_seeds_and_epochs_can_be_drawn(arms):
    made = [
        compared_arm(
            f"名前 ${n}_{{x$ [b]",
            0.7,
            seeds=1,
            epochs=1,
            gates={"text": 0.2, "image": 0.7},
            **(against_baseline(0.01 * n - 0.03) if n else {}),
        )
        for n in range(arms)
    ]
    result = compare_result(baseline=made[0].name, arms=tuple(made), setup=setting(seeds=(0,), epochs=1))
    assert_sane(draw_arm_curves(result))
    assert_sane(draw_arm_losses(result))
    assert_sane(draw_levels(result))
    assert_sane(draw_gates(result), tallest=5000)
    assert (draw_differences(result) is None) is (arms == 1)


@coarsely
def test_differences_show_value_interval_verdict_and_what_could_be_shown():
    result = compare_result()
    arm = result.arms[1]
    gap = arm.accuracy_difference
    changes = (
        {"accuracy_difference": replace(gap, difference=0.015)},
        {"accuracy_difference": replace(gap, interval=(-0.02, 0.03))},
        {"accuracy_difference": replace(gap, detectable=0.01)},
        {"verdict": "better"},
    )
    contents = {draw_differences(changed_arm(result, 1, **change)) for change in changes}
    assert len({*contents, draw_differences(result)}) == 5
    assert arm.verdict == "not distinguishable"


def test_nothing_is_drawn_where_there_is_nothing():
    result = augment_result()
    assert draw_gates(result) is None
    assert draw_contributions(ablate_result(agreements=(), shapley=())) is None


def test_contributions_are_drawn_with_either_half_missing_and_below_zero():
    result = ablate_result()
    below = replace(result.shapley[0], image=-0.02)
    for part in (
        replace(result, agreements=()),
        replace(result, shapley=()),
        replace(result, shapley=(below,)),
    ):
        assert_sane(draw_contributions(part))


@coarsely
def test_views_show_each_value():
    result = ablate_result()
    changes = ({"accuracy": 0.8}, {"interval": (0.5, 0.9)}, {"inputs": "image"}, {"method": "other"})
    contents = {draw_inputs(changed_arm(result, 1, **change)) for change in changes}
    assert len({*contents, draw_inputs(result), draw_inputs(replace(result, majority_accuracy=0.3))}) == 6


@pytest.mark.parametrize("count", [1, 30])
def test_any_number_of_trials_stays_readable(count):
    trials = tuple(
        trial(n, "tpe", {"lr": 1e-5 * n, "decay": n, "dropout": 0.1 * n}, 0.7, "pruned" if n % 3 == 1 else "complete")
        for n in range(count)
    )
    for draw in (draw_trials, draw_losses):
        assert_sane(draw(tune_result(strategy="tpe", trials=trials, best=0)))


@coarsely
def test_tuning_shows_losses_accuracies_intervals_and_the_best():
    result = tune_result()
    first = result.trials[0]
    contents = {draw_trials(result), draw_trials(replace(result, best=0))}
    for changes in ({"accuracy": 0.5}, {"interval": (0.1, 0.9)}):
        contents.add(draw_trials(replace(result, trials=(replace(first, **changes), *result.trials[1:]))))
    assert len(contents) == 4
    other = replace(result, trials=(replace(first, curves=(curve(0.6, 3, shift=1.0),)), *result.trials[1:]))
    assert len({draw_losses(result), draw_losses(other), draw_losses(replace(result, best=0))}) == 3


@coarsely
def test_published_figures_are_drawn_where_there_are_any():
    result, rows = compare_result(), published().fusions
    assert len({draw_beside(result, rows), draw_beside(result, rows[1:]), draw_beside(result, ())}) == 3


def test_texts_of_all_figures_are_whole_apart_and_of_good_contrast(results):
    figures = {
        f"{kind} {name}": figure
        for kind, result in results.items()
        for name, figure in REPORTS[type(result)].figures(result).items()
    }
    assert len(figures) == 23
    flaws = {name: (cut(figure), overlapping(figure), faint(figure)) for name, figure in figures.items()}
    assert {name: found for name, found in flaws.items() if any(found)} == {}


@pytest.mark.parametrize("wanted", [[0.5, 0.5, 0.5], [0.0, 0.01, 1.0], [0.98, 0.99, 1.0], [0.1, 0.5, 0.9]])
def test_names_at_line_ends_keep_their_order_and_do_not_overlap(wanted):
    sizes = [0.1, 0.2, 0.1]
    places = spread(wanted, sizes)
    gaps = [high - low for low, high in pairwise(places)]
    assert all(gap >= (one + other) / 2 - 1e-9 for gap, (one, other) in zip(gaps, pairwise(sizes), strict=True))
    assert places[0] >= 0.05 - 1e-9
    assert places[-1] <= 0.95 + 1e-9
