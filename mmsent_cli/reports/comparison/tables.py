"""A comparison as grids: the sources' table, what stands beside it, differences, recall, gates.

Three small tables in place of one wide one, so that each fits 80 columns and a phone.
"""

from collections.abc import Iterator

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.class_grids import MOST_FREQUENT, recall_grid
from mmsent_cli.reports.format import (
    DASH,
    NOT_DISTINGUISHABLE,
    majority_macro_f1,
    mean,
    number,
    number_interval,
    points,
    points_interval,
    probability,
    score,
    score_spread,
    several,
    signed_score,
    size,
    spread,
)
from mmsent_cli.results import ComparedArm, CompareResult

OPTIMISTIC = (
    "* Best epoch: chosen on the same pairs that it is measured on, so it is optimistic. Nested: each pair is "
    "predicted by the epoch that is best on the other pairs; last: an epoch that nobody chose. Neither is optimistic."
)
HOLM = "Each interval is for its row alone; the verdict goes by Holm's p, which allows for all rows together."


def compare_grids(result: CompareResult) -> list[Grid]:
    """All tables of a comparison in the order of reading; those without rows are left out."""
    grids = [
        accuracy_grid(result),
        macro_f1_grid(result),
        difference_grid(result),
        recalls_grid(result),
        gates_grid(result),
    ]
    return [grid for grid in grids if grid.rows]


def accuracy_grid(result: CompareResult) -> Grid:
    """The sources' table (best epoch, losses) with nested and last-epoch accuracy beside it."""
    majority = number(result.setting.majority_accuracy)
    rows = [
        (
            arm.name,
            spread(arm.best_accuracy_mean, arm.best_accuracy_sd, len(arm.accuracies)),
            several(arm.best_epochs),
            score(mean(arm.best_train_losses)),
            score(mean(arm.best_val_losses)),
            spread(arm.accuracy_mean, arm.accuracy_sd, len(arm.accuracies)),
            spread(arm.last_accuracy_mean, arm.last_accuracy_sd, len(arm.accuracies)),
        )
        for arm in result.arms
    ]
    return Grid(
        title=f"Accuracy, %{_over_seeds(result)}",
        columns=("", "Best\nepoch *", "Its\nnumber", "Train\nloss", "Val.\nloss", "Nested", "Last\nepoch"),
        rows=(*rows, (MOST_FREQUENT, majority, DASH, DASH, DASH, majority, majority)),
        foot=OPTIMISTIC,
    )


def macro_f1_grid(result: CompareResult) -> Grid:
    """Intervals of the accuracy, and macro-F1 with its difference to the baseline."""
    rows = [
        (
            arm.name,
            number_interval(arm.accuracy_interval),
            score_spread(arm.macro_f1_mean, arm.macro_f1_sd, len(arm.macro_f1s)),
            score(mean(arm.last_macro_f1s)),
            DASH if arm.macro_f1_difference is None else signed_score(arm.macro_f1_difference),
            DASH if arm.macro_f1_interval is None else _signed_interval(arm.macro_f1_interval),
        )
        for arm in result.arms
    ]
    setting = result.setting
    majority = score(majority_macro_f1(setting.majority_accuracy, len(setting.labels)))
    return Grid(
        title=f"Accuracy's interval, and macro-F1, nested selection{_over_seeds(result)}",
        columns=(
            "",
            "Accuracy,\n95 % interval",
            "Macro-F1",
            "At last\nepoch",
            "Diff.",
            "95 % interval",
        ),
        rows=(*rows, (MOST_FREQUENT, DASH, majority, majority, DASH, DASH)),
        foot=f"Last three columns: macro-F1 of the last epoch, and macro-F1 minus that of {result.baseline}.",
    )


def difference_grid(result: CompareResult) -> Grid:
    """Each tested arm minus the baseline, with the verdict; no rows where nothing was tested."""
    return Grid(
        title=f"Accuracy minus that of {result.baseline}, points, nested selection",
        columns=("", "Difference", "95 % interval", "Holm p", "Verdict"),
        rows=tuple(_difference_rows(result)),
        foot=HOLM,
        words=frozenset({0, 4}),
    )


def mcnemar_grid(result: CompareResult) -> Grid:
    """Exact McNemar p of each seed; no rows where nothing was tested."""
    tested = [arm for arm in result.arms if arm.mcnemar]
    seeds = max((len(arm.mcnemar) for arm in tested), default=0)
    return Grid(
        title="Exact McNemar test, p seed by seed",
        columns=("", *(f"Seed {number}" for number in range(1, seeds + 1))),
        rows=tuple((arm.name, *map(probability, arm.mcnemar)) for arm in tested),
        foot="Each compares one model with one model: it knows of other pairs, but not of other seeds, and is not "
        "adjusted for the number of rows.",
    )


def gates_grid(result: CompareResult) -> Grid:
    """Learned modality weights after the first, the best and the last epoch, mean over seeds and pairs."""
    rows = [
        (f"{arm.name}: {gate}", *(_gate(arm, gate, which) for which in ("first", "best", "last")))
        for arm in result.arms
        for gate in gates_of(arm)
    ]
    return Grid(
        title="Learned modality weights, 0 to 1",
        columns=("", "First\nepoch", "Best\nepoch", "Last\nepoch"),
        rows=tuple(rows),
        foot="Mean over pairs and seeds. A weight says what the layer lets through, not what a modality is worth: a "
        "small weight can stand before large features. mmsent ablate measures that.",
    )


def recalls_grid(result: CompareResult) -> Grid:
    """Recall of each class, a row an arm."""
    return recall_grid(
        f"Recall by class, nested selection{_over_seeds(result, with_sd=False)}",
        [(arm.name, arm.per_class) for arm in result.arms],
        _supports(result),
    )


def gates_of(arm: ComparedArm) -> list[str]:
    """Names of an arm's learned weights, none for a fusion without."""
    return list(dict.fromkeys(gate for curve in arm.curves for epoch in curve for gate in epoch.gates))


def verdict_text(arm: ComparedArm) -> str:
    """The verdict, and what could have been shown where nothing was."""
    if arm.verdict == NOT_DISTINGUISHABLE and arm.detectable is not None:
        return f"{NOT_DISTINGUISHABLE}, could show {size(arm.detectable)}"
    return arm.verdict or DASH


def _difference_rows(result: CompareResult) -> Iterator[tuple[str, ...]]:
    for arm in result.arms:
        if arm.difference is not None and arm.interval is not None:
            difference, bounds = points(arm.difference), points_interval(arm.interval)
            yield arm.name, difference, bounds, probability(arm.p_adjusted), verdict_text(arm)


def _supports(result: CompareResult) -> str:
    if not result.arms:
        return ""
    return "Pairs: " + ", ".join(f"{one.label} {one.support}" for one in result.arms[0].per_class)


def _gate(arm: ComparedArm, gate: str, which: str) -> str:
    values = []
    for curve, best in zip(arm.curves, arm.best_epochs, strict=True):
        place = {"first": 0, "best": best - 1, "last": -1}[which]
        values.append(curve[place].gates.get(gate, float("nan")))
    return score(mean(values))


def _over_seeds(result: CompareResult, with_sd: bool = True) -> str:
    seeds = len(result.setting.seeds)
    if seeds == 1:
        return ""
    return f", mean {'± sd ' if with_sd else ''}over {seeds} seeds"


def _signed_interval(bounds: tuple[float, float]) -> str:
    return f"{signed_score(bounds[0])} to {signed_score(bounds[1])}"
