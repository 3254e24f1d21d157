"""What all figures share: size, colors, fonts, and PNG bytes.

Drawn on `matplotlib.figure.Figure` with the Agg backend, without pyplot and its global state. Colours are those of
Okabe and Ito, which color-blind readers can distinguish, and each line has its own marker or dashes as well. The same
values give the same bytes: no date and no version is written into the file.

A figure is narrow, so that its letters of 9 and 10 points are large for its width and can be read where a phone shows
it 330 pixels wide. Rejected: wide figures with panels side by side, whose letters shrink to 5 pixels there.
"""

import io
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Source: Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#595959"
YELLOW, SKY, PURPLE, BLACK = "#E69F00", "#56B4E9", "#CC79A7", "#000000"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY)
LIGHT = "#DDE1E4"
DPI = 210
WIDTH_INCHES = 4.6
SMALL_POINTS = 9
CJK_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei")


def new_figure(height_inches: float, width_inches: float = WIDTH_INCHES) -> "Figure":
    """An empty white figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, layout="constrained")
    figure.set_facecolor("white")
    return figure


def draw_line(axes: "Axes", x: Sequence[float], y: Sequence[float], label: str, color: str, marker: str) -> None:
    """A line with its marker, named in the legend."""
    axes.plot(x, y, label=label, color=color, marker=marker, markersize=5, linewidth=1.8)


def legend_above(axes: "Axes", columns: int, **spacing: float) -> None:
    """The legend above the data, where it covers none; `spacing` as matplotlib's legend takes it."""
    axes.legend(frameon=False, fontsize=SMALL_POINTS, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, **spacing)


def name_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Names next to the rows of a chart of horizontal bars, from the bottom up."""
    axes.set_yticks(range(len(names)), names)
    plain(axes.get_yticklabels(), names)
    axes.set_ylim(-0.6, len(names) - 0.4)


def majority_line(axes: "Axes", majority: float, is_vertical: bool = False) -> None:
    """The accuracy (0 to 1) of always predicting the most frequent class, as a dashed line named in the legend."""
    draw, label = axes.axvline if is_vertical else axes.axhline, f"most frequent class, {100 * majority:.1f} %"
    draw(100 * majority, color=GREY, linewidth=1.2, linestyle="--", label=label)


def clean(axes: "Axes", grid: str = "y") -> None:
    """No box around the data, and faint lines along one axis."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y" if grid == "y" else "x", alpha=0.3)
    axes.set_axisbelow(True)


def plain(texts: "Iterable[Text]", names: Sequence[str]) -> None:
    """Show names as they are: no formula in dollar signs, and a font that has their script."""
    families = families_for(names)
    for text in texts:
        text.set_parse_math(False)
        text.set_fontfamily(families)


def families_for(names: Sequence[str]) -> list[str]:
    """The default font, and those installed ones that hold Chinese, Japanese and Korean where names may need them."""
    if all(name.isascii() for name in names):
        return ["DejaVu Sans"]
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)]


def as_png(figure: "Figure") -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    without_version: dict[str, Any] = {"Software": None}
    with warnings.catch_warnings():
        # Without a font for a name's script it shows boxes; the report's tables hold the name all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", metadata=without_version)
    return buffer.getvalue()
