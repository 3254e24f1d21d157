"""Draw the figures of a comparison: levels, differences to the baseline, curves of all arms, learned weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mmsent_cli.reports.comparison.tables import gates_of, tested_arms
from mmsent_cli.reports.format import mean, number, points
from mmsent_cli.reports.lines import (
    SOLID,
    VERDICT_MARKERS,
    ForestRow,
    LineEnd,
    Look,
    count_epochs,
    draw_line,
    draw_majority,
    forest_plot,
    look,
    name_line_ends,
)
from mmsent_cli.reports.plot_style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    Drawn,
    clean,
    drawable,
    legend_above,
    majority_line,
    new_figure,
    write_names,
)
from mmsent_cli.results import BETTER, WORSE, ComparedArm, CompareResult, Difference, EpochScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS, DIFFERENCES, CURVES, LOSSES, WEIGHTS = "accuracy", "differences", "curves", "losses", "weights"
VERDICT_COLORS = {BETTER: BLUE, WORSE: ORANGE}
REFERENCE_MARKS = (((0, (7, 1.5)), "o"), ((0, (2, 2)), "s"), (SOLID, "^"))
"""Dashes and markers of the references. They differ from the dashes and markers of the other arms, since all lines are
grey in grey print."""
ROW_INCHES = 0.36
PANEL_INCHES = 1.9
GATE_WIDTH = 3.2
"""Width of the first line of learned weights, in points."""
MAX_ARMS_WITH_SEEDS = 4
"""If there are more arms, the lines of single seeds are not drawn, since they would hide the lines of the means."""

Curve = tuple[EpochScore, ...]
Value = Callable[[EpochScore], float]


def compare_figures(result: CompareResult) -> Drawn:
    """Draw all figures that have data."""
    if not result.arms:
        return {}
    drawn = {
        LEVELS: draw_levels(result),
        DIFFERENCES: draw_differences(result),
        CURVES: draw_arm_curves(result),
        LOSSES: draw_arm_losses(result),
        WEIGHTS: draw_gates(result),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def draw_levels(result: CompareResult) -> "Figure":
    """Draw the nested accuracy of each arm with its interval, the highest first, and the majority-class line."""
    ordered = sorted(result.arms, key=lambda arm: -arm.nested.accuracy_mean)
    rows = [
        ForestRow(
            name=arm.name,
            value=100 * arm.nested.accuracy_mean,
            interval=(100 * arm.accuracy_interval[0], 100 * arm.accuracy_interval[1]),
            text=number(arm.nested.accuracy_mean),
            color=_level_color(result, arm),
            is_strong=arm.name == result.baseline,
        )
        for arm in ordered
    ]
    figure = new_figure(1.4 + ROW_INCHES * len(rows))
    axes = figure.subplots()
    forest_plot(axes, rows, "Accuracy, %")
    majority_line(axes, result.setup.majority_accuracy)
    legend_above(axes, 1)
    return figure


def draw_arm_curves(result: CompareResult) -> "Figure":
    """Draw the accuracy of all arms over the epochs, averaged over seeds.

    Args:
        result: a comparison. With at most MAX_ARMS_WITH_SEEDS arms, each seed also has a thin line.
    """
    height = max(PANEL_INCHES, 0.16 * (len(result.arms) + 2))
    figure = new_figure(height + 0.9)
    axes = figure.subplots()
    ends = _draw_arms(axes, result, lambda epoch: 100 * epoch.accuracy)
    name_line_ends(axes, [*ends, draw_majority(axes, result.setup.majority_accuracy)], height)
    axes.set_ylabel("Accuracy, %")
    count_epochs(axes, "Epoch")
    return figure


def draw_arm_losses(result: CompareResult) -> "Figure":
    """Draw the training loss and validation loss of all arms over the epochs, averaged over seeds."""
    height = max(PANEL_INCHES, 0.16 * len(result.arms))
    figure = new_figure(2 * height + 0.9)
    panels = figure.subplots(2, 1, sharex=True)
    wanted: tuple[tuple[str, Value], ...] = (
        ("Training loss", lambda epoch: epoch.train_loss),
        ("Validation loss", lambda epoch: epoch.val_loss),
    )
    for axes, (name, value) in zip(panels, wanted, strict=True):
        name_line_ends(axes, _draw_arms(axes, result, value), height)
        axes.set_ylabel(name)
    count_epochs(panels[1], "Epoch")
    return figure


def draw_differences(result: CompareResult) -> "Figure | None":
    """Draw the differences to the baseline with their intervals around the zero line; None if nothing was tested.

    A grey band spans the differences that the comparison could not reliably detect.
    """
    rows = [_difference_row(arm, gap) for arm, gap in tested_arms(result)]
    if not rows:
        return None
    figure = new_figure(1.3 + ROW_INCHES * len(rows))
    axes = figure.subplots()
    baseline = drawable([result.baseline])[0]
    forest_plot(axes, rows, f"Accuracy minus that of {baseline}, points")
    write_names([axes.xaxis.label], [baseline])
    axes.axvline(0, color=BLACK, linewidth=1.2)
    axes.use_sticky_edges = False
    return figure


def draw_gates(result: CompareResult) -> "Figure | None":
    """Draw the learned modality weights over the epochs, one panel per arm; None if no arm has weights."""
    arms = [arm for arm in result.arms if gates_of(arm)]
    if not arms:
        return None
    figure = new_figure(0.9 + 1.6 * len(arms))
    panels = figure.subplots(len(arms), 1, sharex=True, squeeze=False).flatten()
    names = list(dict.fromkeys(name for arm in arms for name in gates_of(arm)))
    for axes, arm in zip(panels, arms, strict=True):
        drawn = [(name, _gate(name), look(names.index(name))) for name in gates_of(arm)]
        # The later of two equal lines is thinner, so that both are seen.
        widths = [GATE_WIDTH / (1 + place) for place in range(len(drawn))]
        ends = [
            _draw_arm(axes, arm, value, style, has_seeds=True, name=name, width=width)
            for (name, value, style), width in zip(drawn, widths, strict=True)
        ]
        axes.set_ylim(0, 1)
        name_line_ends(axes, ends, 1.2)
        title = drawable([arm.name])[0]
        axes.set_title(title, fontsize=10, loc="left")
        write_names([axes._left_title], [title])
        clean(axes)
        count_epochs(axes)
    count_epochs(panels[-1], "Epoch")
    figure.supylabel("Weight", fontsize=10)
    return figure


def arm_looks(result: CompareResult) -> dict[str, Look]:
    """Return color, marker and dashes of each arm: black for the baseline, grey and hollow markers for references."""
    looks: dict[str, Look] = {}
    references = iter(Look(GREY, dashes, marker, is_hollow=True) for dashes, marker in REFERENCE_MARKS)
    place = 0
    for arm in result.arms:
        if arm.name == result.baseline:
            looks[arm.name] = Look(BLACK, SOLID, "*")
        elif arm.is_reference:
            looks[arm.name] = next(references)
        else:
            place += 1
            looks[arm.name] = look(place - 1)
    return looks


def mean_curve(curves: Sequence[Curve], value: Value) -> list[float]:
    """Return the mean value over all seeds, for each epoch that all seeds have reached."""
    return [mean([value(epoch) for epoch in epochs]) for epochs in zip(*curves, strict=False)]


def _draw_arms(axes: "Axes", result: CompareResult, value: Value) -> list[LineEnd]:
    looks: Mapping[str, Look] = arm_looks(result)
    has_seeds = len(result.arms) <= MAX_ARMS_WITH_SEEDS
    ends = [_draw_arm(axes, arm, value, looks[arm.name], has_seeds, arm.name) for arm in result.arms]
    clean(axes)
    count_epochs(axes)
    return ends


def _draw_arm(
    axes: "Axes", arm: ComparedArm, value: Value, style: Look, has_seeds: bool, name: str, width: float = 1.7
) -> LineEnd:
    if has_seeds and len(arm.curves) > 1:
        for curve in arm.curves:
            epochs = [epoch.epoch for epoch in curve]
            axes.plot(epochs, [value(epoch) for epoch in curve], color=style.color, linewidth=0.7, alpha=0.45)
    return draw_line(axes, name, mean_curve(arm.curves, value), style, width)


def _gate(name: str) -> Value:
    return lambda epoch: epoch.gates.get(name, math.nan)


def _level_color(result: CompareResult, arm: ComparedArm) -> str:
    return BLACK if arm.name == result.baseline else GREY if arm.is_reference else BLUE


def _difference_row(arm: ComparedArm, gap: Difference) -> ForestRow:
    return ForestRow(
        name=arm.name,
        value=100 * gap.difference,
        interval=(100 * gap.interval[0], 100 * gap.interval[1]),
        text=points(gap.difference),
        color=VERDICT_COLORS.get(arm.verdict or "", GREY),
        marker=VERDICT_MARKERS.get(arm.verdict or "", "o"),
        detectable=100 * gap.detectable,
    )
