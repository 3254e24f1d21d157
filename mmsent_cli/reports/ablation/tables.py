"""An ablation as grids: accuracy by the model's inputs, which is right, contributions, interaction, classes."""

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.class_grids import MOST_FREQUENT, class_grid, recall_grid
from mmsent_cli.reports.format import (
    DASH,
    adding_up,
    listed,
    majority_macro_f1,
    number,
    number_interval,
    points,
    score,
    score_interval,
)
from mmsent_cli.results import AblateResult

METHODS = {
    "zero": "feature set to zero",
    "mean": "feature set to its training mean",
    "permuted": "feature of another pair, drawn at random",
    "missing": "the model's learned embedding of a missing modality",
    "retrained": "a model trained without the modality",
}
"""How a modality was removed."""


def ablate_grids(result: AblateResult) -> list[Grid]:
    """Make all tables for a terminal, in order."""
    grids = [inputs_grid(result), agreement_grid(result), shapley_grid(result), emap_grid(result), recalls_grid(result)]
    return [grid for grid in grids if grid.rows]


def inputs_grid(result: AblateResult) -> Grid:
    """Make the table: accuracy and macro-F1 with their intervals, a row for each kind of input."""
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
    """Make the table: which of the text-only and the image-only prediction is right, as shares of the pairs."""
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
    """Make the table: each modality's share of the accuracy."""
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
    """Make the table: the whole model next to its additive part."""
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
    """Make the table: recall of each class, a row for each kind of input."""
    return recall_grid("Recall by class", [(arm.name, arm.per_class) for arm in result.arms])


def class_grids(result: AblateResult) -> tuple[Grid, ...]:
    """Return a per-class report for each kind of input."""
    return tuple(class_grid(f"Classes, {arm.name}", arm.per_class) for arm in result.arms)


def used_methods(result: AblateResult) -> set[str]:
    """Return names of the ways in which a modality was removed."""
    return {arm.method for arm in result.arms}


def methods_text(result: AblateResult) -> str:
    """Return the ways in which a modality was removed, with their names."""
    return listed([f"{words} ({name})" for name, words in METHODS.items() if name in used_methods(result)], "or")
