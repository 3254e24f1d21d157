"""Figures of an ablation: accuracy by the model's inputs; contributions, and which modality is right."""

from typing import TYPE_CHECKING

from mmsent_cli.reports.blocks import Figures
from mmsent_cli.reports.forest_plot import ForestRow, forest_plot
from mmsent_cli.reports.plot_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    ORANGE,
    SMALL_POINTS,
    as_png,
    clean,
    legend_above,
    majority_line,
    name_rows,
    new_figure,
)
from mmsent_cli.results import AblateResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACCURACY, CONTRIBUTIONS = "ablation.png", "contributions.png"
INPUT_COLORS = {"both": GREY, "text": BLUE, "image": ORANGE}
ROW_INCHES = 0.34
MIN_LABELLED_SHARE = 0.07
"""Share of pairs below which a part of a bar is too narrow for its number."""


def ablate_figures(result: AblateResult) -> Figures:
    """All figures that have something to show."""
    drawn = {ACCURACY: accuracy_png(result), CONTRIBUTIONS: contributions_png(result)}
    return {name: png for name, png in drawn.items() if png is not None}


def accuracy_png(result: AblateResult) -> bytes:
    """Accuracy with its interval by the model's inputs, and the line of the most frequent class."""
    rows = [
        ForestRow(
            name=arm.name,
            value=100 * arm.accuracy,
            interval=(100 * arm.interval[0], 100 * arm.interval[1]),
            text=f"{100 * arm.accuracy:.1f}",
            color=INPUT_COLORS.get(arm.inputs, GREEN),
        )
        for arm in result.arms
    ]
    figure = new_figure(1.2 + ROW_INCHES * len(rows))
    axes = figure.subplots()
    forest_plot(axes, rows, "Accuracy, %", has_bars=True)
    majority_line(axes, result.majority_accuracy, is_vertical=True)
    axes.set_xlim(0, 100)
    legend_above(axes, 1)
    return as_png(figure)


def contributions_png(result: AblateResult) -> bytes | None:
    """Shapley contributions above, which modality is right below, one row per method; None without either."""
    drawn = [panel for panel in ((_draw_shapley, result.shapley), (_draw_agreement, result.agreements)) if panel[1]]
    if not drawn:
        return None
    heights = [0.5 + 1.5 * ROW_INCHES * len(rows) for _, rows in drawn]
    figure = new_figure(1.0 + sum(heights) + 0.5 * len(drawn))
    panels = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights).flatten()
    for axes, (draw, _) in zip(panels, drawn, strict=True):
        draw(axes, result)
    return as_png(figure)


def _draw_shapley(axes: "Axes", result: AblateResult) -> None:
    rows = result.shapley[::-1]
    for place, (name, color) in enumerate((("text", BLUE), ("image", ORANGE))):
        heights = [row + 0.19 - 0.38 * place for row in range(len(rows))]
        values = [100 * getattr(one, name) for one in rows]
        bars = axes.barh(heights, values, height=0.34, color=color, label=name)
        axes.bar_label(bars, [f"{value:+.1f}" for value in values], padding=3, fontsize=SMALL_POINTS)
    axes.axvline(0, color=BLACK, linewidth=1)
    axes.margins(x=0.14)
    name_rows(axes, [one.method for one in rows])
    axes.set_xlabel("Contribution to the accuracy, points")
    _legend(axes, 2)
    clean(axes, "x")


def _draw_agreement(axes: "Axes", result: AblateResult) -> None:
    rows = result.agreements[::-1]
    parts = (("both right", GREEN), ("only text", BLUE), ("only image", ORANGE), ("neither", LIGHT))
    for row, one in enumerate(rows):
        left = 0.0
        shares = (one.both_right, one.only_text_right, one.only_image_right, one.neither_right)
        for share, (name, color) in zip(shares, parts, strict=True):
            axes.barh(row, 100 * share, left=left, height=0.62, color=color, label=name if row == 0 else None)
            if share >= MIN_LABELLED_SHARE:
                ink = BLACK if color == LIGHT else "white"
                where = {"x": left + 50 * share, "y": row, "ha": "center", "va": "center"}
                axes.text(s=f"{100 * share:.0f}", color=ink, fontweight="bold", **where)
            left += 100 * share
    name_rows(axes, [one.method for one in rows])
    axes.set_xlim(0, 100)
    axes.set_xlabel("Share of the pairs, %")
    _legend(axes, 4)
    clean(axes, "x")


def _legend(axes: "Axes", columns: int) -> None:
    legend_above(axes, columns, columnspacing=1, handlelength=1.2, handletextpad=0.5)
