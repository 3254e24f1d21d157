"""The figure of an explained pair: its image under a grid of scores, and its words with theirs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmsent_cli.reports.format import points
from mmsent_cli.reports.plot_style import BLUE, GREY, ORANGE, SMALL_POINTS, as_image, clean, name_rows, new_figure
from mmsent_cli.reports.translate import translate_figure, translator
from mmsent_cli.results import ExplainResult, Explanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mmsent_cli.data.pairs import ImageFile

SHOWN_WORDS = 12
SHOWN_LETTERS = 24
IMAGE_INCHES = 3.4
ROW_INCHES = 0.26
IMAGE_PX = 400
SIGNED_SHARE = 0.25
"""Cells with at least this share of the largest score have a sign, for grey print."""
OPACITY = 0.6
"""Of the cell with the largest score; the others are fainter in proportion."""


def explanation_figures(
    result: ExplainResult, images: Mapping[str, "ImageFile | None"], language: str = "en"
) -> dict[str, bytes]:
    """Return a PNG figure for each pair, by file name without its ending.

    Args:
        result: the explanations.
        images: the image of each pair, by guid.
        language: `en` or `zh`.
    """
    drawn = {
        figure_name(number): explanation_png(one, images.get(one.guid), language)
        for number, one in enumerate(result.explanations, 1)
    }
    return {name: png for name, png in drawn.items() if png is not None}


def figure_name(number: int) -> str:
    """Return file name, without its ending, of the figure of a pair, counted from 1."""
    return f"explanation-{number}"


def explanation_png(explanation: Explanation, image: "ImageFile | None", language: str = "en") -> bytes | None:
    """Return image regions above, words below; None where there is neither."""
    words = [word for word in explanation.top_words(SHOWN_WORDS) if word.score]
    has_image = bool(explanation.regions) and image is not None
    if not (has_image or words):
        return None
    heights = [*([IMAGE_INCHES] if has_image else []), *([0.9 + ROW_INCHES * len(words)] if words else [])]
    figure = new_figure(sum(heights))
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights).flatten().tolist()
    if has_image and image is not None:
        _draw_regions(panels.pop(0), np.array(explanation.regions), image)
    if words:
        axes = panels.pop()
        scores = [100 * word.score for word in words[::-1]]
        bars = axes.barh(range(len(words)), scores, color=[BLUE if score > 0 else ORANGE for score in scores])
        axes.bar_label(bars, [points(score / 100) for score in scores], padding=3, fontsize=SMALL_POINTS)
        name_rows(axes, [_short(word.word) for word in words[::-1]])
        axes.axvline(0, color=GREY, linewidth=1)
        axes.margins(x=0.18)
        axes.set_xlabel("Change of the probability by the word, points")
        clean(axes, "x")
    if language != "en":
        translate_figure(figure, translator(language, [_short(word.word) for word in words]))
    return as_image(figure)


def _draw_regions(axes: "Axes", scores: np.ndarray, image: "ImageFile") -> None:
    """The image with its regions tinted: blue and + raise the probability, orange and − lower it."""
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

    from mmsent_cli.data.images import decode_whole

    pixels = decode_whole(image, IMAGE_PX)
    height, width, _ = pixels.shape
    share = np.abs(scores) / (np.abs(scores).max() or 1.0)
    tint = np.where(scores[..., None] > 0, to_rgb(BLUE), to_rgb(ORANGE))
    grey = np.repeat(pixels.mean(axis=2, keepdims=True) / 255, 3, axis=2)
    axes.imshow(0.3 + 0.7 * grey, extent=(0, width, height, 0))
    axes.imshow(np.dstack([tint, OPACITY * share]), extent=(0, width, height, 0), interpolation="nearest")
    rows, columns = scores.shape
    for row, column in np.argwhere(share >= SIGNED_SHARE):
        x, y = (column + 0.5) * width / columns, (row + 0.5) * height / rows
        sign = "+" if scores[row, column] > 0 else "\N{MINUS SIGN}"
        text = axes.text(x, y, sign, ha="center", va="center", fontsize=min(10, 90 / max(rows, columns)))
        text.set_path_effects([withStroke(linewidth=1.5, foreground="white")])
    axes.set_aspect("equal")
    axes.axis("off")


def _short(word: str) -> str:
    return word if len(word) <= SHOWN_LETTERS else f"{word[: SHOWN_LETTERS - 1]}…"
