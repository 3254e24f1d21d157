"""Figures of an ablation: accuracy by the model's inputs; contributions, and which modality is right."""

from typing import TYPE_CHECKING

from mmsent_cli.reports.format import points
from mmsent_cli.reports.plot_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    SMALL_POINTS,
    YELLOW,
    Drawn,
    clean,
    ink_on,
    legend_above,
    majority_line,
    name_rows,
    new_figure,
)
from mmsent_cli.results import AblateResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCURACY, CONTRIBUTIONS = "ablation", "contributions"
TEXT, IMAGE = BLUE, YELLOW
"""Colors whose lightness differs, for grey print."""
INPUT_COLORS = {"both": GREY, "text": TEXT, "image": IMAGE}
ROW_INCHES = 0.34
BAR_HEIGHT = 0.34
OFFSETS = {"text": 0.19, "image": -0.19}
"""Heights of the two bars of a row."""
MIN_LABELLED_SHARE = 0.07
"""Share of pairs below which a part of a bar is too narrow for its number."""


def ablate_figures(result: AblateResult) -> Drawn:
    """Draw all figures that have data."""
    drawn = {ACCURACY: draw_inputs(result), CONTRIBUTIONS: draw_contributions(result)}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def draw_inputs(result: AblateResult) -> "Figure":
    """Draw accuracy with its interval by the model's inputs, grouped by how the other modality was removed."""
    ways = list(dict.fromkeys(arm.method for arm in result.arms))
    names = ["both" if way == "none" else way for way in ways]
    figure = new_figure(1.5 + 1.7 * ROW_INCHES * len(ways))
    axes = figure.subplots()
    for arm in result.arms:
        is_both = arm.method == "none"
        height = len(ways) - 1 - ways.index(arm.method) + (0 if is_both else OFFSETS.get(arm.inputs, 0.0))
        color, low, high = INPUT_COLORS.get(arm.inputs, GREEN), *(100 * end for end in arm.interval)
        axes.barh(height, 100 * arm.accuracy, height=BAR_HEIGHT, color=color)
        axes.plot((low, high), (height, height), color=BLACK, linewidth=1.5, marker="|", markersize=7)
        where = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": SMALL_POINTS}
        axes.text(1.02, height, f"{100 * arm.accuracy:.1f}", **where)
    for name in dict.fromkeys(arm.inputs for arm in result.arms):
        label = {"text": "the text alone", "image": "the image alone"}.get(name, name)
        axes.barh(0, 0, color=INPUT_COLORS.get(name, GREEN), label=label)
    name_rows(axes, names[::-1])
    majority_line(axes, result.majority_accuracy)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Accuracy, %")
    clean(axes, "x")
    _legend(axes, 2)
    return figure


def draw_contributions(result: AblateResult) -> "Figure | None":
    """Draw Shapley contributions above, which modality is right below, one row per method; None without either."""
    drawn = [panel for panel in ((_draw_shapley, result.shapley), (_draw_agreement, result.agreements)) if panel[1]]
    if not drawn:
        return None
    heights = [0.5 + 1.5 * ROW_INCHES * len(rows) for _, rows in drawn]
    figure = new_figure(1.0 + sum(heights) + 0.5 * len(drawn))
    panels = figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights).flatten()
    for axes, (draw, _) in zip(panels, drawn, strict=True):
        draw(axes, result)
    return figure


def _draw_shapley(axes: "Axes", result: AblateResult) -> None:
    rows = result.shapley[::-1]
    for name, color in (("text", TEXT), ("image", IMAGE)):
        values = [100 * getattr(one, name) for one in rows]
        bars = axes.barh([row + OFFSETS[name] for row in range(len(rows))], values, BAR_HEIGHT, color=color, label=name)
        axes.bar_label(bars, [points(value / 100) for value in values], padding=3, fontsize=SMALL_POINTS)
    axes.axvline(0, color=BLACK, linewidth=1)
    axes.margins(x=0.14)
    name_rows(axes, [one.method for one in rows])
    axes.set_xlabel("Contribution to the accuracy, points")
    _legend(axes, 2)
    clean(axes, "x")


def _draw_agreement(axes: "Axes", result: AblateResult) -> None:
    rows = result.agreements[::-1]
    parts = (("both right", GREEN), ("only text", TEXT), ("only image", IMAGE), ("neither", LIGHT))
    for row, one in enumerate(rows):
        left = 0.0
        shares = (one.both_right, one.only_text_right, one.only_image_right, one.neither_right)
        for share, (name, color) in zip(shares, parts, strict=True):
            axes.barh(row, 100 * share, left=left, height=0.62, color=color, label=name if row == 0 else None)
            if share >= MIN_LABELLED_SHARE:
                where = {"x": left + 50 * share, "y": row, "ha": "center", "va": "center"}
                axes.text(s=f"{100 * share:.0f}", color=ink_on(color), fontweight="bold", **where)
            left += 100 * share
    name_rows(axes, [one.method for one in rows])
    axes.set_xlim(0, 100)
    axes.set_xlabel("Share of the pairs, %")
    _legend(axes, 4)
    clean(axes, "x")


def _legend(axes: "Axes", columns: int) -> None:
    legend_above(axes, columns, columnspacing=1, handlelength=1.2, handletextpad=0.5)
