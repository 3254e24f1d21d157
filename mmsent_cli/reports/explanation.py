"""Report explanations: figures and sections of a page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, picture
from mmsent_cli.reports.folds import member_name
from mmsent_cli.reports.format import adding_up, counted, duration, percent, points
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
"""Cells with at least this share of the largest score get a plus or minus sign, which is needed in grey print."""
OPACITY = 0.6
"""Opacity of the cell with the largest score. The opacity of the other cells is proportional to their scores."""


def explanation_figures(
    result: ExplainResult, images: Mapping[str, "ImageFile | None"], language: str = "en"
) -> dict[str, bytes]:
    """Draw a PNG figure for each pair, by file name without suffix.

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
    """Return the file name (without suffix) of the figure of the pair with this number: 1, 2, …"""
    return f"explanation-{number}"


def explanation_png(explanation: Explanation, image: "ImageFile | None", language: str = "en") -> bytes | None:
    """Draw the image regions above and the words below, as PNG bytes; None if there are neither regions nor words."""
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
    """Draw the image with tinted regions. Blue and + raise the probability; orange and − lower it."""
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


CAPTION = (
    "Blue and + raise the probability of the explained class, orange and \N{MINUS SIGN} lower it; the strongest color"
    " marks the largest score."
)
METHODS = {
    "occlusion": "Score: what the probability of the explained class loses when a word is left out or a region covered"
    " with the image's mean color. Words that say the same thing hide each other: leaving out one changes little.",
    "gradients": "Score: integrated gradients from an empty pair to the pair, in points of the class's probability.",
}
SHARES = (
    "Text and image: Shapley values, so that the share without both, the text's and the image's add up to the"
    " probability."
)
MANY_PAIRS = 3
"""If there are more pairs than this, a terminal shows all pairs in one table, and not a table for each pair."""
SIDES = (("upper", "middle", "lower"), ("left", "middle", "right"))
"""Names of the thirds of an image, from the top and from the left."""


def explain_answer(result: ExplainResult, seconds: float) -> Answer:
    """Make the answer at the top of the page."""
    pairs = result.explanations
    return Answer(
        question="Why does the model predict this?",
        headline=_headline(pairs[0]) if len(pairs) == 1 else f"{counted(len(pairs), 'pair')} explained",
        paragraphs=(*filter(None, _in_short(pairs)), METHODS[result.method], SHARES),
        facts=(
            ("Checkpoint", result.checkpoint),
            ("Method", result.method),
            ("Pairs", str(len(pairs))),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def _in_short(pairs: Sequence[Explanation]) -> Iterator[str]:
    """If there are few pairs, describe each pair: its shares and its strongest region.

    A single pair is described without its shares, since the headline contains them.
    """
    for number, one in enumerate(pairs if len(pairs) <= MANY_PAIRS else (), 1):
        shares = (f"Pair {one.guid}: {_headline(one)}.",) if len(pairs) > 1 else ()
        yield " ".join((*shares, *_region(number, one)))


def explain_grids(result: ExplainResult) -> list[Grid]:
    """Make the tables for a terminal: tables for each pair if there are few pairs, else one table for all pairs."""
    if len(result.explanations) > MANY_PAIRS:
        return [_overview(result)]
    pairs = result.explanations
    return [grid for one in pairs for grid in _grids(one, _pair_name(one) if len(pairs) > 1 else "") if grid.rows]


def explain_sections(result: ExplainResult, figures: Figures) -> list[Section]:
    """Make a table of all pairs, then a section for each pair."""
    overview = [Section(title="All pairs", grids=(_overview(result),))] if len(result.explanations) > 1 else []
    return [*overview, *(_section(number, result, figures) for number in range(1, len(result.explanations) + 1))]


def _section(number: int, result: ExplainResult, figures: Figures) -> Section:
    """Make the section of pair `number`, without the sentences that the head of the page already contains."""
    one, pairs = result.explanations[number - 1], len(result.explanations)
    alt = f"Words and image regions of pair {one.guid} by their scores for {one.label}"
    text = f"“{one.text.strip()}”" if one.text else "(no text)"
    missing = f"The pair has no {one.missing}." if one.missing else ""
    headline = f"{_headline(one)}." if pairs > MANY_PAIRS else ""
    region = _region(number, one) if pairs > MANY_PAIRS else ()
    return Section(
        title=_pair_name(one) or one.predicted,
        paragraphs=tuple(filter(None, (text, headline, *region, missing))),
        pictures=picture(figures.get(figure_name(number)), alt, CAPTION, is_photo=True),
        grids=tuple(_grids(one)),
    )


def _pair_name(one: Explanation) -> str:
    return f"Pair {one.guid}: {one.predicted}" if one.guid != "-" else ""


def _headline(one: Explanation) -> str:
    nothing, text, image = _shares(one)
    return (
        f"{one.label} {percent(one.probabilities[one.label])}: {percent(nothing)} without text and image,"
        f" text {points(text)}, image {points(image)} points"
    )


def _shares(one: Explanation) -> list[float]:
    """Return the probability without both modalities, and the shares of text and image, rounded so that they add up."""
    return adding_up((one.shares.nothing, one.shares.text, one.shares.image))


def _region(number: int, one: Explanation) -> Iterator[str]:
    """Describe the image region with the highest score for the class."""
    place = one.top_region()
    if place is None or (score := one.regions[place[0]][place[1]]) <= 0:
        return
    row, column = place[0] / max(len(one.regions) - 1, 1), place[1] / max(len(one.regions[0]) - 1, 1)
    names = [SIDES[axis][round(2 * share)] for axis, share in enumerate((row, column))]
    where = " ".join(dict.fromkeys(names)) if names != ["middle", "middle"] else "middle"
    yield f"Strongest region for {one.label}: {where}, {points(score)} points; see {figure_name(number)}.png."


def _grids(one: Explanation, title: str = "") -> list[Grid]:
    words = [(word.word, points(word.score)) for word in one.top_words(SHOWN_WORDS) if word.score]
    members = [
        (member_name(vote.member), vote.label, *(percent(share) for share in vote.probabilities.values()))
        for vote in one.members
    ]
    labels = tuple(one.probabilities)
    probabilities = tuple((label, percent(share)) for label, share in one.probabilities.items())
    return [
        Grid(name="probabilities", title=title or one.predicted, columns=("Class", "Probability"), rows=probabilities),
        Grid(name="words", title=f"Words for {one.label}", columns=("Word", "Points"), rows=tuple(words)),
        Grid(
            name="members",
            title="Members of the ensemble",
            columns=("Member", "Predicts", *labels),
            rows=tuple(members),
            words=frozenset({0, 1}),
        ),
    ]


def _overview(result: ExplainResult) -> Grid:
    rows = [
        (
            one.guid,
            one.predicted,
            one.label,
            percent(one.probabilities[one.label]),
            *map(points, _shares(one)[1:]),
            next((word.word for word in one.top_words(1)), ""),
        )
        for one in result.explanations
    ]
    return Grid(
        title="Explained pairs",
        columns=("Pair", "Predicted", "Explained", "Probability", "Text", "Image", "Top word"),
        rows=tuple(rows),
        foot="Text and Image in points of the probability of the explained class.",
        words=frozenset({0, 1, 2, 6}),
    )
