"""Figures of a comparison: curves of all arms, differences to the baseline, learned weights over the epochs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmsent_cli.reports.blocks import Figures
from mmsent_cli.reports.comparison.tables import gates_of, tested_arms
from mmsent_cli.reports.forest_plot import ForestRow, forest_plot
from mmsent_cli.reports.format import mean
from mmsent_cli.reports.plot_style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PALETTE,
    SMALL_POINTS,
    as_png,
    clean,
    majority_line,
    new_figure,
    plain,
)
from mmsent_cli.results import BETTER, WORSE, ComparedArm, CompareResult, Difference, EpochScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES, DIFFERENCES, WEIGHTS = "curves.png", "differences.png", "weights.png"
VERDICT_COLORS = {BETTER: BLUE, WORSE: ORANGE}
DASHED, DOTTED = (0, (4, 1.4)), (0, (1, 1.2))
MAX_ARMS_WITH_SEEDS = 4
"""Up to this many arms, each seed has a line of its own; more lines would hide the means."""

Curve = tuple[EpochScore, ...]
Value = Callable[[EpochScore], float]


@dataclass(frozen=True, slots=True)
class Style:
    """How an arm's lines look; `dashes` as matplotlib takes them."""

    color: str
    dashes: Any = "-"


def compare_figures(result: CompareResult) -> Figures:
    """All figures that have something to show."""
    drawn = {
        CURVES: arm_curves_png(result) if result.arms else None,
        DIFFERENCES: differences_png(result),
        WEIGHTS: gates_png(result),
    }
    return {name: png for name, png in drawn.items() if png is not None}


def arm_curves_png(result: CompareResult) -> bytes:
    """Training loss, validation loss and accuracy of all arms over the epochs, mean over seeds.

    Args:
        result: at least one arm; with up to MAX_ARMS_WITH_SEEDS arms, each seed is a thin line as well.
    """
    styles = arm_styles(result)
    columns = 2 if len(result.arms) > 1 else 1
    figure = new_figure(6.8 + 0.2 * -(-len(result.arms) // columns))
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 1.5))
    wanted: tuple[tuple[str, Value], ...] = (
        ("Training loss", lambda epoch: epoch.train_loss),
        ("Validation loss", lambda epoch: epoch.val_loss),
        ("Accuracy, %", lambda epoch: 100 * epoch.accuracy),
    )
    for axes, (name, value) in zip(panels, wanted, strict=True):
        for arm in result.arms:
            _draw_arm(axes, arm, value, styles[arm.name], has_seeds=len(result.arms) <= MAX_ARMS_WITH_SEEDS)
        axes.set_ylabel(name)
        clean(axes)
    majority_line(panels[2], result.setup.majority_accuracy)
    panels[2].set_xlabel("Epoch")
    panels[2].xaxis.get_major_locator().set_params(integer=True)
    _legend(figure, panels[2], columns)
    return as_png(figure)


def differences_png(result: CompareResult) -> bytes | None:
    """Differences to the baseline with their intervals around the zero line; None where nothing was tested.

    A grey band spans the differences that the comparison could not reliably detect.
    """
    rows = [_difference_row(arm, gap) for arm, gap in tested_arms(result)]
    if not rows:
        return None
    figure = new_figure(1.3 + 0.42 * len(rows))
    axes = figure.subplots()
    label = f"Accuracy minus that of {result.baseline}, points"
    forest_plot(axes, rows, label)
    plain([axes.xaxis.label], [result.baseline])
    axes.axvline(0, color=BLACK, linewidth=1.2)
    axes.use_sticky_edges = False
    return as_png(figure)


def gates_png(result: CompareResult) -> bytes | None:
    """Learned modality weights over the epochs, one panel per arm; None where no arm has any."""
    arms = [arm for arm in result.arms if gates_of(arm)]
    if not arms:
        return None
    columns = min(2, len(arms))
    rows = -(-len(arms) // columns)
    figure = new_figure(1.0 + 1.9 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    names = list(dict.fromkeys(name for arm in arms for name in gates_of(arm)))
    styles = {name: Style(PALETTE[place % len(PALETTE)]) for place, name in enumerate(names)}
    for axes, arm in zip(panels, arms, strict=False):
        for name in gates_of(arm):
            _draw_arm(axes, arm, _gate(name), styles[name], has_seeds=True, label=name)
        axes.set_title(arm.name, fontsize=10, parse_math=False)
        axes.set_ylim(0, 1)
        clean(axes)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in panels[len(arms) :]:
        axes.set_visible(False)
    figure.supxlabel("Epoch", fontsize=10)
    figure.supylabel("Weight", fontsize=10)
    handles = {label: line for axes in panels for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4, frameon=False)
    return as_png(figure)


def arm_styles(result: CompareResult) -> dict[str, Style]:
    """A look for each arm: black for the baseline, grey for references, six colors and two dashes for the others."""
    styles, place = {}, 0
    for arm in result.arms:
        if arm.name == result.baseline:
            styles[arm.name] = Style(BLACK)
        elif arm.is_reference:
            is_first = not any(style.color == GREY for style in styles.values())
            styles[arm.name] = Style(GREY, DASHED if is_first else DOTTED)
        else:
            styles[arm.name] = Style(PALETTE[place % len(PALETTE)], ("-", DASHED, DOTTED)[place // len(PALETTE) % 3])
            place += 1
    return styles


def mean_curve(curves: Sequence[Curve], value: Value) -> list[float]:
    """Mean over seeds of each epoch that all of them reached."""
    return [mean([value(epoch) for epoch in epochs]) for epochs in zip(*curves, strict=False)]


def _draw_arm(
    axes: "Axes", arm: ComparedArm, value: Value, style: Style, has_seeds: bool, label: str | None = None
) -> None:
    if has_seeds and len(arm.curves) > 1:
        for curve in arm.curves:
            epochs = [epoch.epoch for epoch in curve]
            axes.plot(epochs, [value(epoch) for epoch in curve], color=style.color, linewidth=0.7, alpha=0.45)
    means = mean_curve(arm.curves, value)
    axes.plot(
        range(1, len(means) + 1),
        means,
        label=label or arm.name,
        color=style.color,
        linestyle=style.dashes,
        marker="o" if len(means) == 1 else "",
        linewidth=1.7,
        zorder=3 if style.color == BLACK else 2,
    )


def _gate(name: str) -> Value:
    return lambda epoch: epoch.gates.get(name, math.nan)


def _difference_row(arm: ComparedArm, gap: Difference) -> ForestRow:
    return ForestRow(
        name=arm.name,
        value=100 * gap.difference,
        interval=(100 * gap.interval[0], 100 * gap.interval[1]),
        text=f"{100 * gap.difference:+.1f}",
        color=VERDICT_COLORS.get(arm.verdict or "", GREY),
        detectable=100 * gap.detectable,
    )


def _legend(figure: "Figure", axes: "Axes", columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=SMALL_POINTS, handlelength=3
    )
    plain(legend.get_texts(), labels)
