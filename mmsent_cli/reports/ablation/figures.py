"""Figures of an ablation: accuracy by what the model sees; contributions, and who is right."""

from typing import TYPE_CHECKING

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
    new_figure,
    plain,
)
from mmsent_cli.results import AblateResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VIEW_COLOURS = {"both": GREY, "text": BLUE, "image": ORANGE}
ROW_INCHES = 0.34
LABEL_LEAST = 0.07
"""Share of pairs below which a part of a bar is too narrow for its number."""


def views_png(result: AblateResult) -> bytes:
    """Accuracy with its interval by what the model sees, and the line of the most frequent class."""
    arms = result.arms[::-1]
    figure = new_figure(1.2 + ROW_INCHES * len(arms))
    axes = figure.subplots()
    for row, arm in enumerate(arms):
        low, high = (100 * end for end in arm.interval)
        axes.barh(row, 100 * arm.accuracy, height=0.66, color=VIEW_COLOURS.get(arm.view, GREEN))
        axes.plot([low, high], [row, row], color=BLACK, linewidth=1.6, marker="|", markersize=8)
        axes.text(
            1.02, row, f"{100 * arm.accuracy:.1f}", transform=axes.get_yaxis_transform(), va="center", fontweight="bold"
        )
    majority = 100 * result.majority_accuracy
    axes.axvline(majority, color=BLACK, linestyle="--", linewidth=1.2, label=f"most frequent class, {majority:.1f} %")
    _name_rows(axes, [arm.name for arm in arms])
    axes.set_xlabel("Accuracy, %")
    axes.set_xlim(0, 100)
    clean(axes, "x")
    axes.legend(frameon=False, fontsize=SMALL_POINTS, loc="lower left", bbox_to_anchor=(0, 1))
    return as_png(figure)


def contributions_png(result: AblateResult) -> bytes | None:
    """Shapley contributions of the modalities above, who is right below, a row a method; None without any of both."""
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
    for place, (name, colour) in enumerate((("text", BLUE), ("image", ORANGE))):
        heights = [row + 0.19 - 0.38 * place for row in range(len(rows))]
        values = [100 * getattr(one, name) for one in rows]
        bars = axes.barh(heights, values, height=0.34, color=colour, label=name)
        axes.bar_label(bars, [f"{value:+.1f}" for value in values], padding=3, fontsize=SMALL_POINTS)
    axes.axvline(0, color=BLACK, linewidth=1)
    axes.margins(x=0.14)
    _name_rows(axes, [one.method for one in rows])
    axes.set_xlabel("Contribution to the accuracy, points")
    _legend(axes, 2)
    clean(axes, "x")


def _draw_agreement(axes: "Axes", result: AblateResult) -> None:
    rows = result.agreements[::-1]
    parts = (("both right", GREEN), ("only text", BLUE), ("only image", ORANGE), ("neither", LIGHT))
    for row, one in enumerate(rows):
        left = 0.0
        shares = (one.both_right, one.only_text_right, one.only_image_right, one.neither_right)
        for share, (name, colour) in zip(shares, parts, strict=True):
            axes.barh(row, 100 * share, left=left, height=0.62, color=colour, label=name if row == 0 else None)
            if share >= LABEL_LEAST:
                text_colour = BLACK if colour == LIGHT else "white"
                middle = left + 50 * share
                axes.text(
                    middle, row, f"{100 * share:.0f}", ha="center", va="center", color=text_colour, fontweight="bold"
                )
            left += 100 * share
    _name_rows(axes, [one.method for one in rows])
    axes.set_xlim(0, 100)
    axes.set_xlabel("Share of the pairs, %")
    _legend(axes, 4)
    clean(axes, "x")


def _name_rows(axes: "Axes", names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    plain(axes.get_yticklabels(), names)
    axes.set_ylim(-0.6, len(names) - 0.4)


def _legend(axes: "Axes", columns: int) -> None:
    axes.legend(
        frameon=False,
        fontsize=SMALL_POINTS,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1),
        ncols=columns,
        columnspacing=1,
        handlelength=1.2,
        handletextpad=0.5,
    )
