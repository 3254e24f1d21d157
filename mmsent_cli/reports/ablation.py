"""Report an ablation: figures, tables, findings in words, and sections of the page."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, picture
from mmsent_cli.reports.confidence import MOST_FREQUENT, class_grid, recall_grid
from mmsent_cli.reports.facts import checkpoint_facts
from mmsent_cli.reports.format import (
    DASH,
    adding_up,
    duration,
    excludes_zero,
    in_pairs,
    listed,
    majority_macro_f1,
    number,
    number_interval,
    percent,
    points,
    points_interval,
    score,
    score_interval,
    size,
)
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
"""Colors of text and image. Their lightness differs, so that they can be distinguished in grey print."""
INPUT_COLORS = {"both": GREY, "text": TEXT, "image": IMAGE}
ROW_INCHES = 0.34
BAR_HEIGHT = 0.34
OFFSETS = {"text": 0.19, "image": -0.19}
"""Vertical offsets of the two bars of a row."""
MIN_LABELLED_SHARE = 0.07
"""If a part of a bar stands for a smaller share of the pairs, it is too narrow for a number."""


def ablate_figures(result: AblateResult) -> Drawn:
    """Draw all figures that have data."""
    drawn = {ACCURACY: draw_inputs(result), CONTRIBUTIONS: draw_contributions(result)}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def draw_inputs(result: AblateResult) -> "Figure":
    """Draw accuracy with its interval for each input of the model. Bars are grouped by the method of removal."""
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
        axes.text(1.02, height, number(arm.accuracy), **where)
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
    """Draw Shapley contributions above and agreement of the modalities below, one row per method of removal.

    Returns None if the result has neither of the two.
    """
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
        values = [getattr(one, name) for one in rows]
        places = [row + OFFSETS[name] for row in range(len(rows))]
        bars = axes.barh(places, [100 * value for value in values], BAR_HEIGHT, color=color, label=name)
        axes.bar_label(bars, [*map(points, values)], padding=3, fontsize=SMALL_POINTS)
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


METHODS = {
    "zero": "feature set to zero",
    "mean": "feature set to its training mean",
    "permuted": "feature of another pair, drawn at random",
    "missing": "the model's learned embedding of a missing modality",
    "retrained": "a model trained without the modality",
}
"""Descriptions of the ways to remove a modality."""


def ablate_grids(result: AblateResult) -> list[Grid]:
    """Make all tables for a terminal, in order."""
    grids = [inputs_grid(result), agreement_grid(result), shapley_grid(result), emap_grid(result), recalls_grid(result)]
    return [grid for grid in grids if grid.rows]


def inputs_grid(result: AblateResult) -> Grid:
    """Make the table of accuracy and macro-F1 with their intervals, one row per kind of input."""
    rows = [
        (
            arm.name,
            number(arm.accuracy),
            number_interval(arm.interval),
            score(arm.macro_f1),
            score_interval(arm.macro_f1_interval),
        )
        for arm in result.arms
    ]
    majority = result.majority_accuracy
    return Grid(
        name="inputs",
        title="Accuracy by the model's inputs",
        columns=("", "Accuracy,\n%", "95 % interval", "Macro-F1", "95 % interval"),
        rows=(
            *rows,
            (MOST_FREQUENT, number(majority), DASH, score(majority_macro_f1(majority, len(result.labels))), DASH),
        ),
        foot="; ".join(f"{name}: {words}" for name, words in METHODS.items() if name in used_methods(result)),
    )


def agreement_grid(result: AblateResult) -> Grid:
    """Make the table of the agreement of two predictions: from the text alone, and from the image alone.

    It has the shares of pairs for which both, only one, or neither prediction is correct.
    """
    return Grid(
        name="agreement",
        title="Which modality alone is right, % of the pairs",
        columns=("", "Both", "Only text", "Only image", "Neither"),
        rows=tuple(
            (
                one.method,
                *map(number, (one.both_right, one.only_text_right, one.only_image_right, one.neither_right)),
            )
            for one in result.agreements
        ),
        foot="One model, given the text alone or the image alone. Where neither is right, both together may be.",
    )


def shapley_grid(result: AblateResult) -> Grid:
    """Make the table of the contribution of each modality to the accuracy, one row per method of removal."""
    return Grid(
        name="shapley",
        title="Shapley contributions to the accuracy, points",
        columns=("", "Nothing,\n%", "Text", "Image", "Both,\n%"),
        rows=tuple(
            (
                one.method,
                number(nothing),
                points(text),
                points(image),
                number(one.nothing + one.text + one.image),
            )
            for one in result.shapley
            for nothing, text, image in (adding_up((one.nothing, one.text, one.image)),)
        ),
        foot="Nothing: the accuracy without either modality. Contributions are means over both orders of adding them.",
    )


def emap_grid(result: AblateResult) -> Grid:
    """Make the table of the scores of the whole model, and of the model without the interaction of text and image."""
    emap = result.emap
    return Grid(
        name="emap",
        title=f"Without cross-modal interaction (EMAP), {emap.pairs:,} pairs",
        columns=("", "Accuracy,\n%", "Macro-F1"),
        rows=(
            ("whole model", number(emap.full_accuracy), score(emap.full_macro_f1)),
            ("additive part", number(emap.accuracy), score(emap.macro_f1)),
        ),
        foot=f"{number(emap.changed)} % of the predictions differ.",
    )


def recalls_grid(result: AblateResult) -> Grid:
    """Make the table of the recall of each class, one row per kind of input."""
    return recall_grid("Recall by class", [(arm.name, arm.per_class) for arm in result.arms])


def class_grids(result: AblateResult) -> tuple[Grid, ...]:
    """Make a table of the scores of each class, for each kind of input."""
    grids = {arm.name: class_grid(f"Classes, {arm.name}", arm.per_class) for arm in result.arms}
    return tuple(replace(grid, name=f"classes-{re.sub('[^a-z]+', '-', name)}") for name, grid in grids.items())


def used_methods(result: AblateResult) -> set[str]:
    """Return the names of the methods of removal in a result. The name is `none` if no modality was removed."""
    return {arm.method for arm in result.arms}


def methods_text(result: AblateResult) -> str:
    """Describe in words the methods that removed a modality."""
    return listed([f"{words} ({name})" for name, words in METHODS.items() if name in used_methods(result)], "or")


QUESTION = "What do the text and the image contribute to this model?"
RETRAINED = "retrained"
PREFERRED = (RETRAINED, "permuted", "mean", "zero", "missing")
"""Methods of removal, in the order in which they are preferred for the headline. Models that are retrained on one
modality are first, since they are the fair comparison. The embedding of a missing modality is last, since a model
without modality dropout never learned it."""

REASONS = {
    RETRAINED: "a model that was trained on one modality is the fair comparison",
    "permuted": "the feature of another pair is like those in training; a feature of zeros or of means is unlike any "
    "of them, so it changes the accuracy for another reason as well",
}
"""For each method of removal, the reason to prefer it for the headline."""


def headline(result: AblateResult) -> str:
    """State the accuracy with both modalities and with each modality alone, in one sentence."""
    method = preferred_method(result)
    arms = {arm.inputs: arm for arm in result.arms if arm.method in (method, "none")}
    alone = "a model of the {} alone" if method == RETRAINED else "the {} alone"
    named = {"both": "both", "text": alone.format("text"), "image": alone.format("image")}
    return ", ".join(
        f"{'with ' if place == 0 else ''}{named[inputs]} {percent(arms[inputs].accuracy)}"
        for place, inputs in enumerate(inputs for inputs in named if inputs in arms)
    ).capitalize()


def findings_text(result: AblateResult) -> list[str]:
    """Return paragraphs with the numbers that support the headline, and their uncertainty."""
    accuracies = [*_accuracies(result), *_why(result), *_own_accuracies(result)]
    return [*accuracies, *_shapley(result), *_agreement(result), *_emap(result), *_optimism(result)]


def preferred_method(result: AblateResult) -> str:
    """Return the method of removal that the headline is about."""
    return next((method for method in PREFERRED if method in used_methods(result)), "none")


def _why(result: AblateResult) -> Iterator[str]:
    """Explain why the headline is about this method of removal."""
    method = preferred_method(result)
    if method in REASONS and len(used_methods(result) - {"none"}) > 1:
        yield f"Report the row {method}: {REASONS[method]}."


def _own_accuracies(result: AblateResult) -> Iterator[str]:
    """Return the accuracies of this model without one modality, to compare with retrained models."""
    method = next((each for each in PREFERRED[1:] if each in used_methods(result)), "")
    arms = {arm.inputs: arm for arm in result.arms if arm.method == method}
    if preferred_method(result) == RETRAINED and arms:
        accuracies = listed([f"the {inputs} alone {percent(arm.accuracy)}" for inputs, arm in arms.items()])
        yield f"This model itself, where the other modality is the {METHODS[method]}: {accuracies}."


def _accuracies(result: AblateResult) -> Iterator[str]:
    method = preferred_method(result)
    arms = [arm for arm in result.arms if arm.method in (method, "none")]
    intervals = [
        f"{arm.inputs} {number_interval(arm.interval)} % (macro-F1 {score_interval(arm.macro_f1_interval)})"
        for arm in arms
    ]
    majority = f"Always predicting the most frequent class gives {percent(result.majority_accuracy)}."
    if intervals:
        how = f" (the other modality: {METHODS[method]})" if method in METHODS else ""
        yield f"95 % intervals{how}: {listed(intervals)}. {majority}"


def _shapley(result: AblateResult) -> Iterator[str]:
    for one in result.shapley:
        if one.method == preferred_method(result):
            nothing, text, image = adding_up((one.nothing, one.text, one.image))
            yield (
                f"By Shapley contributions, the text adds {points(text)} and the image {points(image)} points "
                f"to the {percent(nothing)} without either input."
            )


def _agreement(result: AblateResult) -> Iterator[str]:
    for one in result.agreements:
        if one.method == preferred_method(result):
            yield (
                f"Only the text is right on {percent(one.only_text_right)} of the pairs, only the image on "
                f"{percent(one.only_image_right)}, neither on {percent(one.neither_right)}. Choosing the right "
                f"modality for every pair would give {percent(1 - one.neither_right)}."
            )


def _emap(result: AblateResult) -> Iterator[str]:
    emap, gap = result.emap, result.emap.difference
    meaning = (
        "so the interaction between text and image contributes"
        if excludes_zero(gap.interval) and gap.difference > 0
        else "so the interaction between text and image is harmful"
        if excludes_zero(gap.interval)
        else f"so no interaction is shown; one of {size(gap.detectable)} or more would be detected four times in five"
    )
    yield (
        f"Without any interaction between text and image, accuracy would be {percent(emap.accuracy)} instead of "
        f"{percent(emap.full_accuracy)} on {emap.pairs:,} pairs: a difference of {points(gap.difference)} points "
        f"({in_pairs(gap.difference, emap.pairs)}), 95 % interval {points_interval(gap.interval)}, {meaning}."
    )


def _optimism(result: AblateResult) -> Iterator[str]:
    if result.folds:
        yield (
            f"Each pair was predicted by the part of the ensemble that was not trained on its fold, one of "
            f"{result.folds}: the models of this fold, and probes and a stacker that were fit on the other folds."
        )
    if result.members:
        return
    chosen = f"Epoch {result.epoch} of this model was chosen by its score with both modalities"
    if result.source == f"validation pairs of {result.trained_by}":
        yield (
            f"{chosen} on these same pairs, so the accuracy with both is optimistic, and the loss without a modality "
            "is slightly overestimated."
        )
    else:
        yield f"{chosen} on the validation pairs of its own run."


def ablate_answer(result: AblateResult, seconds: float) -> Answer:
    """Make the answer at the top of the page. `seconds` is the duration of the experiment."""
    return Answer(
        question=QUESTION,
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(*checkpoint_facts(result), ("Time", duration(seconds))),
        notes=result.notes,
    )


def ablate_sections(result: AblateResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    accuracy = picture(
        figures.get(ACCURACY),
        "Accuracy by the model's inputs",
        "Accuracy with its 95 % interval, with both modalities and with one alone, by how the other was removed.",
    )
    contributions = picture(
        figures.get(CONTRIBUTIONS),
        "Contributions of text and image, and which modality alone is right",
        "Above: what each modality adds to the accuracy, by how the other was removed. Below: the share of the pairs "
        "that the model predicts correctly from the text alone or from the image alone.",
    )
    return [
        Section(title="With one modality or both", pictures=accuracy, grids=(inputs_grid(result),)),
        Section(
            title="Contributions of the modalities",
            pictures=contributions,
            grids=(shapley_grid(result), agreement_grid(result)),
        ),
        Section(title="Interaction", grids=(emap_grid(result),)),
        Section(title="Classes", grids=(recalls_grid(result),), folded=class_grids(result)),
    ]
