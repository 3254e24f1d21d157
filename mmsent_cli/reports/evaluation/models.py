"""Report compared models: answer, tables, figure and sections."""

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, picture
from mmsent_cli.reports.format import (
    DASH,
    counted,
    duration,
    listed,
    number,
    number_interval,
    percent,
    points,
    points_interval,
    probability,
    score,
    score_interval,
    signed_score,
    signed_score_interval,
    size,
    verdict_text,
)
from mmsent_cli.reports.lines import VERDICT_MARKERS, ForestRow, forest_plot
from mmsent_cli.reports.plot_style import BLACK, BLUE, GREY, ORANGE, Drawn, new_figure
from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE, ModelComparison, ModelDifference

DIFFERENCES = "differences"
SHOWN_LETTERS, SHOWN_END = 24, 12
MARKS = {BETTER: "+", WORSE: "\N{MINUS SIGN}", NOT_DISTINGUISHABLE: "="}
COLORS = {BETTER: BLUE, WORSE: ORANGE, NOT_DISTINGUISHABLE: GREY}
OPPOSITE = {BETTER: WORSE, WORSE: BETTER, NOT_DISTINGUISHABLE: NOT_DISTINGUISHABLE}


def models_figures(result: ModelComparison) -> Drawn:
    """Draw the difference between every two models with its interval."""
    figure = new_figure(1.3 + 0.62 * len(result.differences))
    axes = figure.subplots()
    rows = [
        ForestRow(
            name=f"{_short(one.first)}\nminus {_short(one.second)}",
            value=100 * one.accuracy.difference,
            interval=(100 * one.accuracy.interval[0], 100 * one.accuracy.interval[1]),
            text=points(one.accuracy.difference),
            color=COLORS[one.verdict],
            marker=VERDICT_MARKERS[one.verdict],
            detectable=100 * one.accuracy.detectable,
            is_strong=one.verdict != NOT_DISTINGUISHABLE,
        )
        for one in result.differences
    ]
    forest_plot(axes, rows, "Difference in accuracy, points")
    axes.axvline(0, color=BLACK, linewidth=1.2)
    axes.use_sticky_edges = False
    return {DIFFERENCES: figure}


def models_answer(result: ModelComparison, seconds: float) -> Answer:
    """Make the answer at the top of the page."""
    paragraphs = [sentence_of(one) for one in result.differences[:3]]
    if len(result.differences) > len(paragraphs):
        paragraphs.append(f"The table has all {len(result.differences)} differences.")
    seeds = f", {result.seeds} seeds of each" if result.seeds > 1 else ""
    return Answer(
        question="Which of these models predicts the class better?",
        headline=headline(result),
        paragraphs=tuple(paragraphs),
        facts=(
            ("Models", f"{len(result.models)}{seeds}"),
            ("Pairs", f"{result.pairs:,}, {result.source}"),
            ("Left out", f"{counted(result.left_out, 'pair')} not predicted by all models" if result.left_out else ""),
            ("Classes", ", ".join(result.labels)),
            ("Most frequent class", percent(result.majority_accuracy)),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def headline(result: ModelComparison) -> str:
    """State which of two models has the better accuracy; for more models, the number of distinguishable differences."""
    found = [one for one in result.differences if one.verdict != NOT_DISTINGUISHABLE]
    if not found:
        return f"{listed([one.name for one in result.models])} are not distinguishable in accuracy"
    if len(result.models) == 2:
        one = found[0]
        better, worse = (one.first, one.second) if one.verdict == BETTER else (one.second, one.first)
        return f"{better} is better than {worse} in accuracy"
    return f"{len(found)} of {len(result.differences)} differences in accuracy are distinguishable"


def sentence_of(one: ModelDifference) -> str:
    """Describe a difference in one or two sentences."""
    gap = one.accuracy
    text = (
        f"{one.first} minus {one.second}: {points(gap.difference)} points accuracy "
        f"({points_interval(gap.interval)}, Holm p {probability(one.p_adjusted)}), macro-F1 "
        f"{signed_score(one.macro_f1.difference)} ({signed_score_interval(one.macro_f1.interval)}, "
        f"Holm p {probability(one.macro_f1_p_adjusted)})."
    )
    if one.verdict == NOT_DISTINGUISHABLE:
        text += f" A true difference would be found in four of five repetitions from {size(gap.detectable)} on."
    return text


def models_grids(result: ModelComparison) -> list[Grid]:
    """Make all tables of the report, in order."""
    matrix = [matrix_grid(result)] if len(result.models) > 2 else []
    return [scores_grid(result), *matrix, difference_grid(result), macro_f1_difference_grid(result)]


def scores_grid(result: ModelComparison) -> Grid:
    """Make the table of accuracy and macro-F1, one row for each model."""
    rows = [
        (
            model.name,
            number(model.accuracy.value),
            number_interval(model.accuracy.interval),
            score(model.macro_f1.value),
            score_interval(model.macro_f1.interval),
        )
        for model in result.models
    ]
    return Grid(
        name="models",
        title=f"Scores, {counted(result.pairs, 'pair')}",
        columns=("", "Accuracy, %", "95 % interval", "Macro-F1", "95 % interval"),
        rows=tuple(rows),
        foot="To compare models, read their differences. Two intervals here may overlap although the difference is "
        "distinguishable.",
    )


def matrix_grid(result: ModelComparison) -> Grid:
    """Make the table of all differences in accuracy. A cell is the row's accuracy minus the column's accuracy."""
    found = {(one.first, one.second): one for one in result.differences}
    names = [model.name for model in result.models]

    def cell(row: str, column: str) -> str:
        if row == column:
            return DASH
        one = found.get((row, column))
        if one is not None:
            return f"{points(one.accuracy.difference)} {MARKS[one.verdict]}"
        one = found[(column, row)]
        return f"{points(-one.accuracy.difference)} {MARKS[OPPOSITE[one.verdict]]}"

    return Grid(
        name="model-differences",
        title="Accuracy of the row minus that of the column, points",
        columns=("", *(_short(name) for name in names)),
        rows=tuple((row, *(cell(row, column) for column in names)) for row in names),
        foot="+ better, \N{MINUS SIGN} worse, = not distinguishable, by Holm's p over all cells.",
    )


def difference_grid(result: ModelComparison) -> Grid:
    """Make the table of differences between every two models."""
    rows = [
        (
            f"{one.first} minus {one.second}",
            points(one.accuracy.difference),
            points_interval(one.accuracy.interval),
            probability(one.p_adjusted),
            ", ".join(map(probability, one.mcnemar)),
            f"{one.only_first_right:g} : {one.only_second_right:g}",
            verdict_text(one.verdict, size(one.accuracy.detectable)),
        )
        for one in result.differences
    ]
    return Grid(
        name="differences",
        title="Differences in accuracy, points",
        columns=("", "Difference", "95 % interval", "Holm p", "McNemar p", "Only one\nis right", "Verdict"),
        rows=tuple(rows),
        foot="Only one is right: pairs that only the first model gets right, and those that only the second does. "
        "McNemar p is that of an exact test, one for each seed. It is not adjusted for the number of comparisons.",
        words=frozenset({0, 6}),
    )


def macro_f1_difference_grid(result: ModelComparison) -> Grid:
    """Make the table of differences in macro-F1 between every two models."""
    rows = [
        (
            f"{one.first} minus {one.second}",
            signed_score(one.macro_f1.difference),
            signed_score_interval(one.macro_f1.interval),
            probability(one.macro_f1_p_adjusted),
            verdict_text(one.macro_f1_verdict, score(one.macro_f1.detectable)),
        )
        for one in result.differences
    ]
    return Grid(
        name="differences-macro-f1",
        title="Differences in macro-F1",
        columns=("", "Difference", "95 % interval", "Holm p", "Verdict"),
        rows=tuple(rows),
        words=frozenset({0, 4}),
    )


def models_sections(result: ModelComparison, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    shown = picture(
        figures.get(DIFFERENCES),
        "Differences in accuracy with intervals",
        "Difference in accuracy of each two models on the same pairs, with 95 % intervals. Triangle up (blue): the "
        "first is better, down (orange): worse, circle (grey): not distinguishable. Differences inside the grey "
        "band are too small for this comparison to show them reliably.",
    )
    scores, *rest = models_grids(result)
    return [
        Section(title="Differences", pictures=shown, grids=tuple(rest)),
        Section(title="Scores", grids=(scores,)),
    ]


def _short(name: str) -> str:
    """Shorten a name to fit a column. The middle of the name is left out, since names of seeds differ at the end."""
    return name if len(name) <= SHOWN_LETTERS else f"{name[: SHOWN_LETTERS - SHOWN_END - 1]}…{name[-SHOWN_END:]}"
