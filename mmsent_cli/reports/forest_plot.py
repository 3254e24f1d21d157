"""Values with their intervals, one row each: the one way in which reports draw scores and differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsent_cli.reports.plot_style import BLACK, GREY, LIGHT, clean, name_rows
from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VERDICT_MARKERS = {BETTER: "^", WORSE: "v", NOT_DISTINGUISHABLE: "o"}
"""Markers of differences, which in grey print have one color."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One row; all numbers in per cent or points.

    Attributes:
        name: next to the row.
        value, interval: the value and its interval.
        text: at the right edge.
        color: the color of the marker or bar.
        marker: a marker of matplotlib, where there is no bar.
        detectable: half the width of a grey band around zero, None for no band.
        is_strong: `text` in bold.
    """

    name: str
    value: float
    interval: Interval
    text: str = ""
    color: str = GREY
    marker: str = "o"
    detectable: float | None = None
    is_strong: bool = True


def forest_plot(axes: "Axes", rows: Sequence[ForestRow], label: str, *, has_bars: bool = False) -> list[int]:
    """Draw rows from top to bottom; returns the height of each, for what a caller adds.

    Args:
        axes: where to draw.
        rows: at least one.
        label: the label of the horizontal axis.
        has_bars: bars from zero with intervals in black, instead of markers with intervals in the row's color.
    """
    heights = [len(rows) - 1 - place for place in range(len(rows))]
    edge = axes.get_yaxis_transform()
    for height, row in zip(heights, rows, strict=True):
        if row.detectable is not None:
            axes.barh(height, 2 * row.detectable, left=-row.detectable, height=0.7, color=LIGHT, zorder=0)
        if has_bars:
            axes.barh(height, row.value, height=0.68, color=row.color)
            axes.plot(row.interval, [height] * 2, color=BLACK, linewidth=1.5, marker="|", markersize=7)
        else:
            axes.plot(row.interval, [height] * 2, color=row.color, linewidth=2.2, solid_capstyle="butt")
            axes.plot(row.value, height, color=row.color, marker=row.marker, markersize=7)
        weight = "bold" if row.is_strong else "normal"
        axes.text(1.02, height, row.text, transform=edge, va="center", color=BLACK, fontweight=weight)
    name_rows(axes, [row.name for row in rows][::-1])
    axes.set_xlabel(label)
    clean(axes, "x")
    return heights
