"""Figures of a comparison: curves of all arms, differences to the baseline, learned weights over the epochs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmsent_cli.reports.comparison.tables import gates_of
from mmsent_cli.reports.comparison.text import tested_arms
from mmsent_cli.reports.format import mean
from mmsent_cli.reports.plot_style import (
    BLACK,
    BLUE,
    GREY,
    LIGHT,
    ORANGE,
    PALETTE,
    SMALL_POINTS,
    as_png,
    clean,
    new_figure,
    plain,
)
from mmsent_cli.results import ComparedArm, CompareResult, EpochScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERDICT_COLOURS = {"better": BLUE, "worse": ORANGE}
DASHED, DOTTED = (0, (4, 1.4)), (0, (1, 1.2))
FEW_ARMS = 4
"""Up to so many arms each seed has a line of its own; more would hide the means."""

Curve = tuple[EpochScore, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """How an arm's lines look; `dashes` as matplotlib takes them."""

    colour: str
    dashes: Any = "-"


def arm_curves_png(result: CompareResult) -> bytes:
    """Training loss, validation loss and accuracy of all arms over the epochs, mean over seeds.

    Args:
        result: at least one arm; with up to FEW_ARMS arms, each seed is a thin line as well.
    """
    styles = arm_styles(result)
    columns = 2 if len(result.arms) > 1 else 1
    figure = new_figure(6.8 + 0.2 * -(-len(result.arms) // columns))
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 1.5))
    wanted: tuple[tuple[str, Callable[[EpochScore], float]], ...] = (
        ("Training loss", lambda epoch: epoch.train_loss),
        ("Validation loss", lambda epoch: epoch.val_loss),
        ("Accuracy, %", lambda epoch: 100 * epoch.accuracy),
    )
    for axes, (name, value) in zip(panels, wanted, strict=True):
        for arm in result.arms:
            _draw_arm(axes, arm, value, styles[arm.name], has_seeds=len(result.arms) <= FEW_ARMS)
        axes.set_ylabel(name)
        clean(axes)
    _draw_majority(panels[2], result.setting.majority_accuracy)
    panels[2].set_xlabel("Epoch")
    panels[2].xaxis.get_major_locator().set_params(integer=True)
    _legend(figure, panels[2], columns)
    return as_png(figure)


def differences_png(result: CompareResult) -> bytes | None:
    """Differences to the baseline with their intervals around the zero line; None where nothing was tested.

    A grey bar spans what the comparison could not reliably show.
    """
    arms = tested_arms(result)[::-1]
    if not arms:
        return None
    figure = new_figure(1.3 + 0.42 * len(arms))
    axes = figure.subplots()
    for row, arm in enumerate(arms):
        _draw_difference(axes, row, arm)
    axes.axvline(0, color=BLACK, linewidth=1.2)
    axes.use_sticky_edges = False
    axes.set_yticks(range(len(arms)), [arm.name for arm in arms])
    plain(axes.get_yticklabels(), [arm.name for arm in arms])
    axes.set_ylim(-0.6, len(arms) - 0.4)
    label = axes.set_xlabel(f"Accuracy minus that of {result.baseline}, points")
    plain([label], [result.baseline])
    clean(axes, "x")
    return as_png(figure)


def gates_png(result: CompareResult) -> bytes | None:
    """Learned modality weights over the epochs, a panel an arm; None where no arm has any."""
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
    """A look for each arm: black for the baseline, grey for references, six colours and two dashes for the others."""
    styles, place = {}, 0
    for arm in result.arms:
        if arm.name == result.baseline:
            styles[arm.name] = Style(BLACK)
        elif arm.is_reference:
            is_first = not any(style.colour == GREY for style in styles.values())
            styles[arm.name] = Style(GREY, DASHED if is_first else DOTTED)
        else:
            styles[arm.name] = Style(PALETTE[place % len(PALETTE)], ("-", DASHED, DOTTED)[place // len(PALETTE) % 3])
            place += 1
    return styles


def mean_curve(curves: Sequence[Curve], value: Callable[[EpochScore], float]) -> list[float]:
    """Mean over seeds of each epoch that all of them reached."""
    return [mean([value(epoch) for epoch in epochs]) for epochs in zip(*curves, strict=False)]


def _draw_arm(
    axes: "Axes",
    arm: ComparedArm,
    value: Callable[[EpochScore], float],
    style: Style,
    has_seeds: bool,
    label: str | None = None,
) -> None:
    if has_seeds and len(arm.curves) > 1:
        for curve in arm.curves:
            axes.plot(_epochs(curve), [value(epoch) for epoch in curve], color=style.colour, linewidth=0.7, alpha=0.45)
    means = mean_curve(arm.curves, value)
    epochs = range(1, len(means) + 1)
    marker = "o" if len(means) == 1 else ""
    axes.plot(
        epochs,
        means,
        label=label or arm.name,
        color=style.colour,
        linestyle=style.dashes,
        marker=marker,
        linewidth=1.7,
        zorder=3 if style.colour == BLACK else 2,
    )


def _epochs(curve: Curve) -> list[int]:
    return [epoch.epoch for epoch in curve]


def _gate(name: str) -> Callable[[EpochScore], float]:
    return lambda epoch: epoch.gates.get(name, float("nan"))


def _draw_majority(axes: "Axes", majority: float) -> None:
    axes.axhline(100 * majority, color=GREY, linewidth=1, linestyle="-.", label="most frequent class")


def _draw_difference(axes: "Axes", row: int, arm: ComparedArm) -> None:
    difference, bounds = 100 * (arm.difference or 0.0), arm.interval or (math.nan, math.nan)
    if arm.detectable is not None:
        axes.barh(row, 200 * arm.detectable, left=-100 * arm.detectable, height=0.7, color=LIGHT, zorder=0)
    colour = VERDICT_COLOURS.get(arm.verdict or "", GREY)
    axes.plot([100 * end for end in bounds], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot(difference, row, color=colour, marker="o", markersize=7)
    right = axes.get_yaxis_transform()
    axes.text(1.02, row, f"{difference:+.1f}", transform=right, va="center", color=colour, fontweight="bold")


def _legend(figure: "Figure", axes: "Axes", columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=SMALL_POINTS, handlelength=3
    )
    plain(legend.get_texts(), labels)
