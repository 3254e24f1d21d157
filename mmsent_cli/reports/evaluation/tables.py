"""Make the tables of an evaluation: scores, classes, groups, confusion, calibration, answered shares, drift."""

from collections.abc import Sequence
from itertools import groupby

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.confidence import confusion_grid
from mmsent_cli.reports.format import (
    DASH,
    counted,
    interval,
    majority_macro_f1,
    number,
    number_interval,
    percent,
    probability,
    score,
    score_interval,
)
from mmsent_cli.results import EvaluateResult, GroupScores, Score

SHOWN_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
GROUPED_BY = {"training": "By use in training", "input": "By what is there"}
CONFUSION_TITLE = "Confusion matrix: true class by row, predicted by column"
CHOSEN_ON = "* The best epoch was chosen on these pairs, so their scores are optimistic."


def evaluate_grids(result: EvaluateResult) -> list[Grid]:
    """Make all tables in the order of reading. Empty tables are left out."""
    grids = [
        scores_grid(result),
        classes_grid(result),
        *group_grids(result),
        confusion_grid(CONFUSION_TITLE, result.confusion, result.labels),
        answered_grid(result),
        drift_grid(result),
    ]
    return [grid for grid in grids if grid.rows]


def scores_grid(result: EvaluateResult) -> Grid:
    """Make the table of the scores with intervals, next to the scores of the majority class."""
    majority = result.majority_accuracy
    rows = [
        ("Accuracy", percent(result.accuracy.value), interval(result.accuracy.interval), percent(majority)),
        (
            "Macro-F1",
            *_score_cells(result.macro_f1),
            score(majority_macro_f1(majority, true_classes(result))),
        ),
        ("Weighted F1", *_score_cells(result.weighted_f1), score(2 * majority**2 / (1 + majority))),
    ]
    if result.loss is not None and result.calibration_error is not None:
        rows += [
            ("Loss", f"{result.loss:.4f}", "", ""),
            ("Calibration error", score(result.calibration_error), "", ""),
        ]
    columns = ("", "Score", "95 % interval", "Always most frequent")
    absent = [one.label for one in result.per_class if not one.support + one.predicted]
    return Grid(
        name="scores",
        title=f"Scores, {counted(result.pairs, 'pair')}",
        columns=columns,
        rows=tuple(rows),
        foot=f"Macro-F1 is over the classes that occur here, as true or predicted class; not: {', '.join(absent)}."
        if absent
        else "",
    )


def true_classes(result: EvaluateResult) -> int:
    """Return the number of classes that at least one evaluated pair has as its true class."""
    return sum(one.support > 0 for one in result.per_class)


def classes_grid(result: EvaluateResult) -> Grid:
    """Make the table of precision, recall and F1 of each class, with intervals."""
    rows = [
        (
            one.label,
            _with_ends(one.precision) if one.predicted else DASH,
            _with_ends(one.recall) if one.support else DASH,
            _with_ends(one.f1) if one.predicted or one.support else DASH,
            f"{one.support:,}",
            f"{one.predicted:,}",
        )
        for one in result.per_class
    ]
    return Grid(
        name="classes",
        title="Classes, with 95 % intervals",
        columns=("Class", "Precision", "Recall", "F1", "Pairs", "Predicted"),
        rows=tuple(rows),
    )


def group_grids(result: EvaluateResult) -> list[Grid]:
    """Make a table for each criterion by which the pairs are grouped."""
    grids = []
    for by, found in groupby(result.groups, key=lambda group: group.by):
        groups = tuple(found)
        grids.append(
            Grid(
                name=f"by-{by}",
                title=GROUPED_BY.get(by, f"By {by}"),
                columns=("", "Pairs", "Accuracy, %", "95 % interval", "Macro-F1", "95 % interval", "Most\nfrequent"),
                rows=tuple(_group_row(group) for group in groups),
                foot=_group_foot(result, groups),
            )
        )
    return grids


def answered_grid(result: EvaluateResult) -> Grid:
    """Make the table of the accuracy if only the most confident pairs get a label."""
    shares = SHOWN_SHARES if result.answered else ()
    rows = dict.fromkeys(min(result.answered, key=lambda one: abs(one.share - share)) for share in shares)
    return Grid(
        name="answered",
        title="Accuracy if only the most confident pairs are answered",
        columns=("Answered", "Pairs", "Probability\nat least", "Accuracy, %", "95 % interval"),
        rows=tuple(
            (
                percent(one.share),
                f"{one.pairs:,}",
                f"{one.threshold:.3f}",
                number(one.accuracy),
                number_interval(one.interval),
            )
            for one in rows
        ),
        foot="mmsent predict --abstain-below P leaves uncertain labels empty.",
    )


def calibration_grid(result: EvaluateResult) -> Grid:
    """Make the table of the bins of the calibration figure."""
    return Grid(
        name="calibration",
        title="Calibration: probability of the predicted class",
        columns=("Probability", "Pairs", "Mean, %", "Accuracy, %", "95 % interval"),
        rows=tuple(
            (
                f"{one.low:.1f} to {one.high:.1f}",
                f"{one.pairs:,}",
                number(one.confidence),
                number(one.accuracy),
                number_interval(one.interval),
            )
            for one in result.calibration
        ),
    )


def drift_grid(result: EvaluateResult) -> Grid:
    """Make the table of class shares and text lengths in the evaluated pairs and in the training pairs."""
    rows = []
    if result.classes is not None:
        drift = result.classes
        shares = zip(result.labels, drift.training, drift.here, strict=True)
        rows += [(f"{label}, %", number(before), number(here)) for label, before, here in shares]
    if result.lengths is not None:
        names = tuple(f"Words a text, {name}" for name in ("lower quartile", "median", "upper quartile"))
        rows += [
            (name, f"{before:g}", f"{here:g}")
            for name, before, here in zip(names, result.lengths.training, result.lengths.here, strict=True)
        ]
    return Grid(
        name="drift", title="Drift", columns=("", "Training", "Here"), rows=tuple(rows), foot=drift_text(result)
    )


def drift_text(result: EvaluateResult) -> str:
    """Describe, in one line, the tests of drift in class shares and in text lengths."""
    parts = []
    if result.classes is not None:
        parts.append(
            f"Classes: {percent(result.classes.distance)} of the pairs would have to change class to match; "
            f"chi-square p {probability(result.classes.p)}."
        )
    if result.lengths is not None:
        parts.append(f"Lengths: Kolmogorov-Smirnov p {probability(result.lengths.p)}.")
    return " ".join(parts)


def _group_foot(result: EvaluateResult, groups: Sequence[GroupScores]) -> str:
    """Explain the marks and the macro-F1 of the groups."""
    few = [group for group in groups if group.classes < len(result.labels)]
    parts = [CHOSEN_ON] if any(group.name.endswith(" *") for group in groups) else []
    if few:
        parts.append(
            "Macro-F1 is over the classes that occur in the group, as true or predicted class. "
            f"Groups with fewer than {len(result.labels)} classes: "
            f"{', '.join(f'“{group.name}” ({group.classes})' for group in few)}."
        )
    return " ".join(parts)


def _group_row(group: GroupScores) -> tuple[str, ...]:
    is_one = group.pairs < 2
    return (
        group.name,
        f"{group.pairs:,}",
        number(group.accuracy.value),
        number_interval(group.accuracy.interval),
        score(group.macro_f1.value),
        DASH if is_one else score_interval(group.macro_f1.interval),
        number(group.majority_accuracy),
    )


def _score_cells(value: Score) -> tuple[str, str]:
    return score(value.value), score_interval(value.interval)


def _with_ends(value: Score) -> str:
    return f"{score(value.value)} ({value.interval[0]:.2f} to {value.interval[1]:.2f})"
