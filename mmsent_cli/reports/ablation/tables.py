"""An ablation as grids: accuracy by what the model sees, who is right, contributions, interaction, classes."""

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.class_grids import MOST_FREQUENT, class_grid, recall_grid
from mmsent_cli.reports.format import DASH, majority_macro_f1, number, number_interval, points, score, score_interval
from mmsent_cli.results import AblateResult

METHODS = {
    "zero": "feature set to zero",
    "mean": "feature set to its training mean",
    "permuted": "feature of another pair, by chance",
    "missing": "the model's own learned stand-in",
    "retrained": "a model trained without it",
}
"""How a modality was taken away, in words."""


def ablate_grids(result: AblateResult) -> list[Grid]:
    """All tables that a terminal shows, in the order of reading."""
    grids = [views_grid(result), agreement_grid(result), shapley_grid(result), emap_grid(result), recalls_grid(result)]
    return [grid for grid in grids if grid.rows]


def views_grid(result: AblateResult) -> Grid:
    """Accuracy and macro-F1 with their intervals, a row for each thing the model sees."""
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
        title="What the model sees",
        columns=("", "Accuracy,\n%", "95 % interval", "Macro-F1", "95 % interval"),
        rows=(
            *rows,
            (MOST_FREQUENT, number(majority), DASH, score(majority_macro_f1(majority, len(result.labels))), DASH),
        ),
        foot="; ".join(f"{name}: {words}" for name, words in METHODS.items() if name in used_methods(result)),
    )


def agreement_grid(result: AblateResult) -> Grid:
    """Which of the text-only and the image-only view is right, as shares of the pairs."""
    return Grid(
        title="Who is right, % of the pairs",
        columns=("", "Both", "Only text", "Only image", "Neither"),
        rows=tuple(
            (
                one.method,
                *map(number, (one.both_right, one.only_text_right, one.only_image_right, one.neither_right)),
            )
            for one in result.agreements
        ),
        foot="One model, seeing the text alone or the image alone. Where neither is right, both together can be.",
    )


def shapley_grid(result: AblateResult) -> Grid:
    """Each modality's share of the accuracy."""
    return Grid(
        title="Shapley contributions to the accuracy, points",
        columns=("", "Nothing,\n%", "Text", "Image", "Both,\n%"),
        rows=tuple(
            (
                one.method,
                number(one.nothing),
                points(one.text),
                points(one.image),
                number(one.nothing + one.text + one.image),
            )
            for one in result.shapley
        ),
        foot="What a modality adds, mean over both orders of adding them.",
    )


def emap_grid(result: AblateResult) -> Grid:
    """The whole model beside its additive part."""
    emap = result.emap
    return Grid(
        title=f"Without cross-modal interaction (EMAP), {emap.pairs:,} pairs",
        columns=("", "Accuracy,\n%", "Macro-F1"),
        rows=(
            ("whole model", number(emap.full_accuracy), score(emap.full_macro_f1)),
            ("additive part", number(emap.accuracy), score(emap.macro_f1)),
        ),
        foot=f"{number(emap.changed)} % of the predictions differ.",
    )


def recalls_grid(result: AblateResult) -> Grid:
    """Recall of each class, a row for each thing the model sees."""
    return recall_grid("Recall by class", [(arm.name, arm.per_class) for arm in result.arms])


def class_grids(result: AblateResult) -> tuple[Grid, ...]:
    """A per-class report for each thing the model sees."""
    return tuple(class_grid(f"Classes, {arm.name}", arm.per_class) for arm in result.arms)


def used_methods(result: AblateResult) -> set[str]:
    """Names of the ways in which a modality was taken away."""
    return {arm.method for arm in result.arms}
