"""What all figures share: size, colors, names, and the bytes of files.

Drawn on `matplotlib.figure.Figure` with the Agg backend, without pyplot and its global state. Colours are those of
Okabe and Ito, which color-blind readers can distinguish. The same values give the same bytes: no date and no version is
written into the file.

A figure is narrow, so that its letters of 9 and 10 points are large for its width and can be read where a phone shows
it 330 pixels wide. Rejected: wide figures with panels side by side, whose letters shrink to 5 pixels there.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsent_cli.reports.fonts import drawable, families_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

Drawn: TypeAlias = "Mapping[str, Figure]"
"""A result's figures before they are written, by file name without its ending."""
# Source: Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#595959"
YELLOW, SKY, PURPLE, BLACK = "#E69F00", "#56B4E9", "#CC79A7", "#000000"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY)
LIGHT = "#DDE1E4"
DPI = 210
WIDTH_INCHES = 4.6
SMALL_POINTS = 9
UNDATED = {"png": ("Software",), "pdf": ("Creator", "Producer", "CreationDate"), "svg": ("Creator", "Date")}
"""The kinds of image files, each with what would differ from one day or version to the next."""


def new_figure(height_inches: float, width_inches: float = WIDTH_INCHES) -> "Figure":
    """Return an empty white figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, layout="constrained")
    figure.set_facecolor("white")
    return figure


def legend_above(axes: "Axes", columns: int, **spacing: float) -> None:
    """The legend above the data, where it covers none; `spacing` as matplotlib's legend takes it."""
    axes.legend(frameon=False, fontsize=SMALL_POINTS, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, **spacing)


def name_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Names next to the rows of a chart of horizontal bars, from the bottom up."""
    shown = drawable(names)
    axes.set_yticks(range(len(names)), shown)
    write_names(axes.get_yticklabels(), shown)
    axes.set_ylim(-0.6, len(names) - 0.4)


def majority_line(axes: "Axes", majority: float) -> None:
    """The accuracy (0 to 1) of always predicting the most frequent class, as an upright line named in the legend."""
    label = f"most frequent class, {100 * majority:.1f} %"
    axes.axvline(100 * majority, color=GREY, linewidth=1.2, linestyle="--", label=label)


def ink_on(color: Any) -> str:
    """Return black or white, whichever has the higher contrast on a color."""
    return BLACK if contrast(BLACK, color) >= contrast("#FFFFFF", color) else "#FFFFFF"


def contrast(first: Any, second: Any) -> float:
    """Return contrast ratio of two colors, 1 to 21; text needs 4.5. Source: WCAG 2.1, relative luminance."""
    darker, lighter = sorted(map(_luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Any) -> float:
    from matplotlib.colors import to_rgb

    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def clean(axes: "Axes", grid: str = "y") -> None:
    """No box around the data, and faint lines along one axis."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y" if grid == "y" else "x", alpha=0.3)
    axes.set_axisbelow(True)


def write_names(texts: "Iterable[Text]", names: Sequence[str]) -> None:
    """Show names as they are: no formula in dollar signs, and a font that has their script."""
    families = families_for(names)
    for text in texts:
        text.set_parse_math(False)
        text.set_fontfamily(families)


def as_image(figure: "Figure", kind: str = "png") -> bytes:
    """Return the figure as the bytes of a file.

    Args:
        figure: drawn on `new_figure`.
        kind: png, pdf or svg.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    nothing: dict[str, Any] = dict.fromkeys(UNDATED[kind])
    # The salt makes the ids of an SVG the same each time.
    with mpl.rc_context({"svg.hashsalt": "mmsent"}):
        figure.savefig(buffer, format=kind, metadata=nothing)
    return buffer.getvalue()
