"""Line plots and interval plots.

Lines differ in their markers and dashes, so that they can be distinguished in grey print and by color-blind readers.
The name of a line is written at its end, so no legend is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmsent_cli.reports.format import percent
from mmsent_cli.reports.plot_style import (
    BLACK,
    GREY,
    LIGHT,
    PALETTE,
    SMALL_POINTS,
    clean,
    drawable,
    name_rows,
    write_names,
)
from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VERDICT_MARKERS = {BETTER: "^", WORSE: "v", NOT_DISTINGUISHABLE: "o"}
"""For each verdict, the marker of a difference. In grey print, differences cannot be distinguished by color."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One row of a forest plot: a value with its interval. All numbers are in per cent or in percentage points.

    Attributes:
        name: the name, left of the row.
        value, interval: the value and its interval.
        text: the text at the right edge of the plot.
        color: the color of the marker or bar.
        marker: a marker of matplotlib. It is used if the plot has no bars.
        detectable: half the width of the grey band around zero; None for no band.
        is_strong: show `text` in bold.
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
    """Draw rows of values with intervals from top to bottom. Returns the height of each row.

    Args:
        axes: the axes to draw on.
        rows: at least one row.
        label: the label of the horizontal axis.
        has_bars: draw bars from zero with black intervals, instead of markers with intervals in the row's color.
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


SOLID, DASHED, DOTTED, DASH_DOTTED = "-", (0, (4, 1.4)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2))
DASHES: tuple[Any, ...] = (SOLID, DASHED, DOTTED, DASH_DOTTED)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
LINE_END, CONNECTOR = "line end", "connector"
"""The ids of names at line ends, and of the thin lines that connect line ends with their names."""
NAMES_FROM = 1.06
"""Horizontal position of the names, as a share of the width of the axes."""
NAME_INCHES = 0.155
"""Height of a name at a line end, including the gap to the next name."""


@dataclass(frozen=True, slots=True)
class Look:
    """The color, marker and dashes of a line. `dashes` is a line style of matplotlib."""

    color: str
    dashes: Any = SOLID
    marker: str = "o"
    is_hollow: bool = False


@dataclass(frozen=True, slots=True)
class LineEnd:
    """The last point of a line, with its name."""

    name: str
    x: float
    y: float
    look: Look


MAJORITY = Look(GREY, (0, (6, 3)), "")


def look(place: int) -> Look:
    """Return the look of line number `place`, counted from 0.

    The first twelve looks differ in their markers, and in their colors or dashes.
    """
    return Look(PALETTE[place % len(PALETTE)], DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)])


def draw_line(axes: "Axes", name: str, values: Sequence[float], look: Look, width: float = 1.7) -> LineEnd:
    """Draw a line over the epochs, with a marker at a few epochs, and return the end of the line.

    Args:
        axes: the axes to draw on.
        name: the name that `name_line_ends` writes at the end of the line.
        values: one value per epoch; at least one.
        look: the look of the line.
        width: the width in points.
    """
    epochs = range(1, len(values) + 1)
    every = max(1, len(values) // 8)
    style: dict[str, Any] = {"linestyle": look.dashes, "marker": look.marker, "markersize": 4.5, "markevery": every}
    if look.is_hollow:
        style |= {"markerfacecolor": "white", "markersize": 5.5}
    axes.plot(epochs, values, color=look.color, linewidth=width, zorder=3 if look.color == BLACK else 2, **style)
    return LineEnd(name, epochs[-1], values[-1], look)


def draw_majority(axes: "Axes", majority: float) -> LineEnd:
    """Draw the accuracy (0 to 1) of always predicting the most frequent class as a horizontal line.

    Returns the end of the line.
    """
    axes.axhline(100 * majority, color=MAJORITY.color, linewidth=1.2, linestyle=MAJORITY.dashes)
    return LineEnd(f"most frequent\nclass, {percent(majority)}", axes.get_xlim()[1], 100 * majority, MAJORITY)


def count_epochs(axes: "Axes", label: str = "") -> None:
    """Label the epoch axis with whole numbers. With `label`, the axis also gets this label."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.set_xlabel(label)


def name_line_ends(axes: "Axes", ends: Sequence[LineEnd], height_inches: float) -> None:
    """Write each line's name to the right of the data, at the height of its end or as near as possible.

    Args:
        axes: the axes with all lines. Their limits are fixed from now on.
        ends: the ends of the lines. An end that is NaN gets no name.
        height_inches: approximate height of the axes.
    """
    low, high = axes.get_ylim()
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(low, high)
    shown = sorted((end for end in ends if end.y == end.y), key=lambda end: end.y)
    line = NAME_INCHES / height_inches
    sizes = [line * (1 + end.name.count("\n")) for end in shown]
    places = spread([(end.y - low) / (high - low) for end in shown], sizes)
    names = dict(zip((end.name for end in shown), drawable([end.name for end in shown]), strict=True))
    left, right = axes.get_xlim()
    for end, place in zip(shown, places, strict=True):
        start = (end.x - left) / (right - left), (end.y - low) / (high - low)
        _connect(axes, start, place, end.look.color)
        where = {"va": "center", "transform": axes.transAxes, "gid": LINE_END}
        text = axes.text(NAMES_FROM, place, names[end.name], fontsize=SMALL_POINTS, linespacing=1.0, **where)
        write_names([text], [names[end.name]])


def _connect(axes: "Axes", start: tuple[float, float], place: float, color: str) -> None:
    """Draw a thin line from a point to its name. All positions are shares of the width or height of the axes.

    Chosen: a plain line. Rejected: the arrow of `annotate`, which is cut at both ends and doubles the time of a figure.
    """
    x, y = (start[0], NAMES_FROM - 0.01), (start[1], place)
    axes.plot(x, y, color=color, linewidth=0.9, transform=axes.transAxes, clip_on=False, gid=CONNECTOR)


def spread(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Return centers of labels near the wanted centers, in the same order. Labels at these centers do not overlap.

    Args:
        wanted: wanted centers in ascending order. The data is between 0 and 1.
        sizes: the size of each label, in the same unit.
    """
    places: list[float] = []
    for center, size in zip(wanted, sizes, strict=True):
        lowest = places[-1] + (sizes[len(places) - 1] + size) / 2 if places else size / 2
        places.append(max(center, lowest))
    highest = 1.0
    for number in range(len(places) - 1, -1, -1):
        places[number] = min(places[number], max(highest, 0.0) - sizes[number] / 2)
        highest = places[number] - sizes[number] / 2
    return places
