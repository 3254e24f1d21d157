"""The style and the fonts of all figures.

Figures are drawn on `matplotlib.figure.Figure` with the Agg backend, without pyplot and its global state. The colors
are from Okabe and Ito; color-blind readers can distinguish them. The same values give the same bytes, since no date and
no version is written into the file.

Figures are narrow, so that their letters (9 and 10 points) can be read on a phone, which shows a figure 330 pixels
wide. Rejected: wide figures with panels side by side. On a phone, their letters shrink to 5 pixels.

Names may be in any script, so fonts are searched among the installed ones. matplotlib makes its list of fonts at its
first start, so the list lacks fonts that were installed later. If no listed font has a letter, the system is searched
again. A name that no font can show is replaced by a number, and a note of the report explains the number.
"""

import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsent_cli.reports.format import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DEFAULT = "DejaVu Sans"
PREFERRED = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC", "PingFang HK", "SimHei"),
    *("Hiragino Sans GB", "Hiragino Sans", "Heiti SC", "Heiti TC", "STHeiti", "SimSun", "Yu Gothic", "Meiryo"),
    *("Noto Sans CJK KR", "Malgun Gothic", "Apple SD Gothic Neo", "NanumGothic"),
    *("Noto Sans Arabic", "Noto Naskh Arabic", "Geeza Pro", "Noto Sans Devanagari", "Nirmala UI", "Mangal"),
    *("Noto Sans Hebrew", "Noto Sans Thai", "Noto Sans", "Segoe UI", "Tahoma", "Arial Unicode MS", "FreeSans"),
)
"""Font families in the order in which they are tried, before all other installed families."""
SYMBOLS_ONLY = {"STIXNonUnicode", ".LastResort", "LastResort", "Last Resort High-Efficiency"}
"""Font families that show other signs than the characters themselves."""
NEVER_DRAWN = {"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"}
"""Categories of characters that need no glyph: control, format, combining marks, separators."""


def drawable(names: Sequence[str]) -> list[str]:
    """Return the names as figures show them.

    If no installed font has all letters of a name, its position in `names` (1, 2, ...) is shown instead.
    """
    lacking = set(undrawable(names))
    return [str(number) if name in lacking else name for number, name in enumerate(names, start=1)]


def undrawable(names: Sequence[str]) -> list[str]:
    """Return the names with a letter that is in no installed font."""
    return [name for name in names if _choose(name)[1]]


def families_for(names: Sequence[str]) -> list[str]:
    """Return the names of fonts: the default font, then installed fonts with letters that the default font lacks."""
    return list(dict.fromkeys((DEFAULT, *(family for name in names for family in _choose(name)[0]))))


def missing_note(names: Sequence[str]) -> str:
    """Return a note that lists the names that no font can draw, with the numbers that figures show instead.

    If the fonts can draw all names, the note is an empty string.
    """
    lacking = undrawable(names)
    if not lacking:
        return ""
    numbered = ", ".join(f"{names.index(name) + 1} is {name}" for name in lacking)
    return f"no installed font has all letters of these names, so figures show their numbers: {numbered}"


@cache
def _choose(name: str) -> tuple[tuple[str, ...], bool]:
    """Return the font families that are needed for a name, in addition to the default font.

    The second value is True if a letter of the name is in no installed font.
    """
    wanted = {ord(letter) for letter in name if unicodedata.category(letter) not in NEVER_DRAWN}
    wanted -= _letters(DEFAULT)
    chosen: list[str] = []
    for is_searched in (False, True):
        for family in _families(is_searched) if wanted else ():
            found = wanted & _letters(family)
            if found:
                chosen.append(family)
                wanted -= found
            if not wanted:
                break
    return tuple(chosen), bool(wanted)


@cache
def _families(is_searched: bool) -> tuple[str, ...]:
    """Return the installed families, preferred ones first. `is_searched` adds fonts that matplotlib does not list."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    if is_searched:
        for path in sorted(set(font_manager.findSystemFonts()) - {entry.fname for entry in manager.ttflist}):
            try:
                manager.addfont(path)
            except (OSError, RuntimeError, ValueError):
                continue  # matplotlib cannot read this font, such as a bitmap font
    installed = {entry.name for entry in manager.ttflist} - SYMBOLS_ONLY
    return (
        *(name for name in PREFERRED if name in installed),
        *sorted(name for name in installed if name not in PREFERRED),
    )


@cache
def _letters(family: str) -> frozenset[int]:
    """Return the code points of the characters that a font family can draw; an empty set if its file cannot be read."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    entries = [entry for entry in font_manager.fontManager.ttflist if entry.name == family]
    upright = sorted(entries, key=lambda entry: (entry.style != "normal", entry.weight != 400))
    try:
        font = FT2Font(upright[0].fname)
    except (OSError, RuntimeError, ValueError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


Drawn: TypeAlias = "Mapping[str, Figure]"
"""The figures of a result before they are written, by file name without suffix."""
# Source: Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#595959"
YELLOW, SKY, PURPLE, BLACK = "#E69F00", "#56B4E9", "#CC79A7", "#000000"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY)
LIGHT = "#DDE1E4"
DPI = 210
WIDTH_INCHES = 4.6
SMALL_POINTS = 9
UNDATED = {"png": ("Software",), "pdf": ("Creator", "Producer", "CreationDate"), "svg": ("Creator", "Date")}
"""For each kind of image file, the metadata to leave out. So files do not depend on the date and the version."""


def new_figure(height_inches: float, width_inches: float = WIDTH_INCHES) -> "Figure":
    """Return an empty white figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, layout="constrained")
    figure.set_facecolor("white")
    return figure


def legend_above(axes: "Axes", columns: int, **spacing: float) -> None:
    """Draw the legend above the data, so that it covers no data. `spacing` is passed on to matplotlib's legend."""
    axes.legend(frameon=False, fontsize=SMALL_POINTS, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, **spacing)


def name_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Write names next to the rows of a chart of horizontal bars, from the bottom up."""
    shown = drawable(names)
    axes.set_yticks(range(len(names)), shown)
    write_names(axes.get_yticklabels(), shown)
    axes.set_ylim(-0.6, len(names) - 0.4)


def majority_line(axes: "Axes", majority: float) -> None:
    """Draw the accuracy (0 to 1) of always predicting the most frequent class as a vertical line, with a legend."""
    label = f"most frequent class, {percent(majority)}"
    axes.axvline(100 * majority, color=GREY, linewidth=1.2, linestyle="--", label=label)


def ink_on(color: Any) -> str:
    """Return black or white, whichever has the higher contrast to a color."""
    return BLACK if contrast(BLACK, color) >= contrast("#FFFFFF", color) else "#FFFFFF"


def contrast(first: Any, second: Any) -> float:
    """Return the contrast ratio of two colors, 1 to 21. Text needs 4.5. Source: WCAG 2.1, relative luminance."""
    darker, lighter = sorted(map(_luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Any) -> float:
    from matplotlib.colors import to_rgb

    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def clean(axes: "Axes", grid: str = "y") -> None:
    """Remove the top and the right line of the box around the data, and draw faint grid lines for one axis."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y" if grid == "y" else "x", alpha=0.3)
    axes.set_axisbelow(True)


def write_names(texts: "Iterable[Text]", names: Sequence[str]) -> None:
    """Show names literally, without formulas in dollar signs, in a font that has their letters."""
    families = families_for(names)
    for text in texts:
        text.set_parse_math(False)
        text.set_fontfamily(families)


def as_image(figure: "Figure", kind: str = "png") -> bytes:
    """Return the figure as the bytes of a file.

    Args:
        figure: a figure from `new_figure`.
        kind: format of the file: png, pdf or svg.
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    nothing: dict[str, Any] = dict.fromkeys(UNDATED[kind])
    # The salt makes the ids of an SVG the same each time.
    with mpl.rc_context({"svg.hashsalt": "mmsent"}):
        figure.savefig(buffer, format=kind, metadata=nothing)
    return buffer.getvalue()
