"""Make the tables of a comparison: accuracy and losses, macro-F1, differences to the baseline, recall, learned weights.

There are several small tables, so that each fits 80 columns and a phone.
"""

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.confidence import MOST_FREQUENT, recall_grid
from mmsent_cli.reports.format import (
    DASH,
    accuracy_spread,
    macro_f1_spread,
    majority_macro_f1,
    mean,
    number,
    number_interval,
    points,
    points_interval,
    probability,
    score,
    score_interval,
    several,
    signed_score,
    signed_score_interval,
    size,
    verdict_text,
)
from mmsent_cli.results import ComparedArm, CompareResult, Difference

OPTIMISTIC = (
    "* Best epoch: chosen on the same pairs that it is measured on, so it is optimistic. Nested selection predicts "
    "each pair by the epoch that is best on the other pairs, and the last epoch is not chosen: neither is optimistic."
)
HOLM = "Each interval is for its row alone; the verdict uses Holm's p, which is adjusted for all rows together."


def compare_grids(result: CompareResult) -> list[Grid]:
    """Make all tables of a comparison in the order of reading. Empty tables are left out."""
    grids = [
        accuracy_grid(result),
        macro_f1_grid(result),
        difference_grid(result),
        macro_f1_difference_grid(result),
        recalls_grid(result),
        gates_grid(result),
    ]
    return [grid for grid in grids if grid.rows]


def accuracy_grid(result: CompareResult) -> Grid:
    """Make the table of losses and accuracy of the best epoch, nested accuracy, and accuracy of the last epoch."""
    majority = number(result.setup.majority_accuracy)
    rows = [
        (
            arm.name,
            accuracy_spread(arm.best),
            several(arm.best_epochs),
            score(mean(arm.best_train_losses)),
            score(mean(arm.best_val_losses)),
            accuracy_spread(arm.nested),
            accuracy_spread(arm.last),
        )
        for arm in result.arms
    ]
    return Grid(
        name="accuracy",
        title=f"Accuracy, %{_over_seeds(result)}",
        columns=(
            "",
            "Best\nepoch *",
            "Epoch\nnumber",
            "Train\nloss",
            "Val.\nloss",
            "Nested\nselection",
            "Last\nepoch",
        ),
        rows=(*rows, (MOST_FREQUENT, majority, DASH, DASH, DASH, majority, majority)),
        foot=OPTIMISTIC,
    )


def macro_f1_grid(result: CompareResult) -> Grid:
    """Make the table of accuracy and macro-F1 with their intervals, and the macro-F1 of the last epoch."""
    rows = [
        (
            arm.name,
            number_interval(arm.accuracy_interval),
            macro_f1_spread(arm.nested),
            score_interval(arm.macro_f1_interval),
            score(mean(arm.last.macro_f1s)),
        )
        for arm in result.arms
    ]
    setup = result.setup
    majority = score(majority_macro_f1(setup.majority_accuracy, len(setup.labels)))
    return Grid(
        name="macro-f1",
        title=f"Intervals of accuracy and macro-F1, nested selection{_over_seeds(result)}",
        columns=("", "Accuracy,\n95 % interval", "Macro-F1", "95 % interval", "Macro-F1,\nlast epoch"),
        rows=(*rows, (MOST_FREQUENT, DASH, majority, DASH, majority)),
    )


def difference_grid(result: CompareResult) -> Grid:
    """Make the table of the differences in accuracy between tested arms and the baseline. It may have no rows."""
    rows = [
        (
            arm.name,
            points(gap.difference),
            points_interval(gap.interval),
            probability(arm.p_adjusted),
            verdict_text(arm.verdict, size(gap.detectable)),
        )
        for arm, gap in tested_arms(result)
    ]
    return _differences("Accuracy", ", points", result.baseline, rows)


def macro_f1_difference_grid(result: CompareResult) -> Grid:
    """Make the table of the differences in macro-F1 between tested arms and the baseline. It may have no rows."""
    rows = [
        (
            arm.name,
            signed_score(gap.difference),
            signed_score_interval(gap.interval),
            probability(arm.macro_f1_p_adjusted),
            verdict_text(arm.macro_f1_verdict, score(gap.detectable)),
        )
        for arm in result.arms
        for gap in (arm.macro_f1_difference,)
        if gap is not None
    ]
    return _differences("Macro-F1", "", result.baseline, rows)


def _differences(what: str, unit: str, baseline: str, rows: list[tuple[str, ...]]) -> Grid:
    return Grid(
        name=f"difference-{what.lower()}",
        title=f"{what} minus that of {baseline}{unit}, nested selection",
        columns=("", "Difference", "95 % interval", "Holm p", "Verdict"),
        rows=tuple(rows),
        foot=HOLM,
        words=frozenset({0, 4}),
    )


def mcnemar_grid(result: CompareResult) -> Grid:
    """Make the table of the p values of McNemar's exact test, one for each arm and seed. It may have no rows."""
    tested = [arm for arm in result.arms if arm.mcnemar]
    seeds = max((len(arm.mcnemar) for arm in tested), default=0)
    return Grid(
        name="mcnemar",
        title="Exact McNemar test, p seed by seed",
        columns=("", *(f"Seed {number}" for number in range(1, seeds + 1))),
        rows=tuple((arm.name, *map(probability, arm.mcnemar)) for arm in tested),
        foot="Each p compares one model with one model: it covers the choice of pairs but not of seeds, and is not "
        "adjusted for the number of rows.",
    )


def gates_grid(result: CompareResult) -> Grid:
    """Make the table of learned modality weights after the first, best and last epoch (means)."""
    rows = [
        (f"{arm.name}: {gate}", *(_gate(arm, gate, which) for which in ("first", "best", "last")))
        for arm in result.arms
        for gate in gates_of(arm)
    ]
    return Grid(
        name="gates",
        title="Learned modality weights, 0 to 1",
        columns=("", "First\nepoch", "Best\nepoch", "Last\nepoch"),
        rows=tuple(rows),
        foot="Mean over pairs and seeds. A weight scales a feature; it does not measure how much a modality "
        "contributes, because a small weight may scale a large feature. mmsent ablate measures contributions.",
    )


def recalls_grid(result: CompareResult) -> Grid:
    """Make the table of recall of each class, one row per arm."""
    supports = ", ".join(f"{one.label} {one.support}" for arm in result.arms[:1] for one in arm.per_class)
    return recall_grid(
        f"Recall by class, nested selection{_over_seeds(result, with_sd=False)}",
        [(arm.name, arm.per_class) for arm in result.arms],
        f"Pairs: {supports}" if supports else "",
    )


def tested_arms(result: CompareResult) -> list[tuple[ComparedArm, Difference]]:
    """Return the arms that were tested against the baseline, each with its difference in accuracy."""
    return [(arm, arm.accuracy_difference) for arm in result.arms if arm.accuracy_difference is not None]


def gates_of(arm: ComparedArm) -> list[str]:
    """Return the names of an arm's learned modality weights; an empty list if its fusion has no such weights."""
    return list(dict.fromkeys(gate for curve in arm.curves for epoch in curve for gate in epoch.gates))


def _gate(arm: ComparedArm, gate: str, which: str) -> str:
    values = []
    for curve, best in zip(arm.curves, arm.best_epochs, strict=True):
        place = {"first": 0, "best": best - 1, "last": -1}[which]
        values.append(curve[place].gates.get(gate, float("nan")))
    return score(mean(values))


def _over_seeds(result: CompareResult, with_sd: bool = True) -> str:
    seeds = len(result.setup.seeds)
    return "" if seeds == 1 else f", mean {'± sd ' if with_sd else ''}over {seeds} seeds"
