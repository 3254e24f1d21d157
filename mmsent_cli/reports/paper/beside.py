"""Show published scores next to the scores of mmsent, as tables and a figure.

All experiments use the same kind of table row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.comparison.tables import tested_arms
from mmsent_cli.reports.format import (
    DASH,
    accuracy_spread,
    mean,
    number,
    number_interval,
    points,
    points_interval,
    settings_text,
    several,
)
from mmsent_cli.reports.lines import ForestRow, forest_plot
from mmsent_cli.reports.plot_style import BLUE, GREY, ORANGE, SMALL_POINTS, new_figure
from mmsent_cli.reports.tuning import trial_numbered
from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE, CompareResult, PaperResult, PublishedArm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEST = "* Best epoch, chosen on the same pairs: optimistic on both sides. Published scores are of a single run each."
COLUMNS = {
    "published": "Published *",
    "published_epoch": "Published\nepoch",
    "ours": "Ours *",
    "epoch": "Our\nepoch",
    "interval": "95 % interval",
    "nested": "Ours, nested",
    "last": "Ours,\nlast epoch",
    "setting": "Our setting",
}
SHOWN, CONTRADICTED = "confirmed", "contradicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A table row with a published score and mmsent's score, as text. A column without any text is left out."""

    name: str
    published: str = DASH
    published_epoch: str = ""
    ours: str = DASH
    epoch: str = ""
    interval: str = ""
    nested: str = ""
    last: str = ""
    setting: str = ""


def beside_grid(title: str, head: str, rows: Sequence[Row]) -> Grid:
    """Make a table of published scores next to mmsent's scores.

    Args:
        title: the title of the table.
        head: the header of the column of names.
        rows: the rows; an empty list makes a table without rows.
    """
    shown = [name for name in COLUMNS if any(getattr(row, name) for row in rows)]
    return Grid(
        name="beside",
        title=title,
        columns=(head, *(COLUMNS[name] for name in shown)),
        rows=tuple((row.name, *(getattr(row, name) or DASH for name in shown)) for row in rows),
        foot=BEST,
        words=frozenset({0, *(place for place, name in enumerate(shown, 1) if name == "setting")}),
    )


def tune_beside(result: PaperResult) -> Grid:
    """Make the table of published tuning steps next to the trials of `result` with the same settings."""
    rows = []
    for step in result.published.tune:
        row = Row(name=step.name, published=_share(step.accuracy))
        if step.trial is not None:
            trial = trial_numbered(result.tune, step.trial)
            row = Row(
                name=step.name,
                published=row.published,
                ours=number(trial.accuracy),
                interval=number_interval(trial.interval),
                setting=settings_text(trial.settings),
            )
        rows.append(row)
    return beside_grid("Best accuracies, %", "Published setting", rows)


def train_beside(result: PaperResult) -> Grid:
    """Make the table of the accuracies of the published model and of the model that mmsent has trained."""
    best, last = result.train.best, result.train.last
    row = Row(
        name=result.train.fusion,
        published=_share(result.published.train),
        ours=number(best.accuracy),
        interval=number_interval(best.interval),
        last=number(last.accuracy),
    )
    return beside_grid("The trained model, accuracy, %", "", [row])


def ablation_beside(result: PaperResult) -> Grid:
    """Make the table of the published ablation next to mmsent's ablation with the same method."""
    rows = [
        Row(
            name=arm.inputs,
            published=_share(result.published.ablation.get(arm.inputs)),
            ours=number(arm.accuracy),
            interval=number_interval(arm.interval),
        )
        for arm in result.ablate.arms
        if arm.method in ("none", "zero")
    ]
    return beside_grid("One modality set to zero, accuracy, %", "Inputs", rows)


def comparison_beside(result: CompareResult, published: Sequence[PublishedArm]) -> Grid:
    """Make the table of published accuracies next to mmsent's accuracies at the best epoch and by nested selection."""
    known = {row.name: row for row in published}
    rows = []
    for arm in (arm for arm in result.arms if not arm.is_reference):
        row = known.get(arm.name)
        rows.append(
            Row(
                name=arm.name,
                published=_share(row.accuracy if row else None),
                published_epoch=str(row.epoch) if row and row.epoch is not None else "",
                ours=accuracy_spread(arm.best),
                epoch=several(arm.best_epochs),
                nested=accuracy_spread(arm.nested),
            )
        )
    return beside_grid("Accuracy, %", "", rows)


def losses_beside(result: CompareResult, published: Sequence[PublishedArm]) -> Grid:
    """Make the table of published losses at the best epochs next to mmsent's losses. It may have no rows."""
    ours = {arm.name: arm for arm in result.arms}
    return Grid(
        name="losses-beside",
        title="Losses at the best epochs",
        columns=("", "Train,\npublished", "Train,\nours", "Validation,\npublished", "Validation,\nours"),
        rows=tuple(
            (
                row.name,
                f"{row.train_loss:.4f}",
                f"{mean(ours[row.name].best_train_losses):.4f}",
                f"{row.val_loss:.4f}",
                f"{mean(ours[row.name].best_val_losses):.4f}",
            )
            for row in published
            if row.name in ours and row.train_loss is not None and row.val_loss is not None
        ),
        foot="Our validation loss is plain cross-entropy. Losses of other encoders and settings are not comparable.",
    )


def differences_beside(result: CompareResult, published: Sequence[PublishedArm]) -> Grid:
    """Make the table of published differences to the baseline next to the differences in `result`, with the verdict.

    It may have no rows.
    """
    gaps = published_gaps(result, published)
    return Grid(
        name="differences-beside",
        title=f"Differences to {result.baseline}, points",
        columns=("", "Published", "Ours", "95 % interval", "Our verdict"),
        rows=tuple(
            (
                arm.name,
                points(gaps[arm.name]),
                points(ours.difference),
                points_interval(ours.interval),
                agreement(gaps[arm.name], ours.difference, arm.verdict),
            )
            for arm, ours in tested_arms(result)
            if arm.name in gaps
        ),
        foot="Published: best epochs of single runs. Ours: nested selection, mean over seeds. Last column: whether our "
        "result confirms or contradicts the sign of the published difference.",
        words=frozenset({0, 4}),
    )


def published_gaps(result: CompareResult, published: Sequence[PublishedArm]) -> dict[str, float]:
    """Return, by arm, the published accuracy minus the published accuracy of the baseline of `result`.

    If no accuracy of the baseline was published, the result is empty.
    """
    known = {row.name: row.accuracy for row in published}
    base = known.get(result.baseline)
    return {} if base is None else {name: share - base for name, share in known.items()}


def agreement(published: float, ours: float, verdict: str | None) -> str:
    """Compare the sign of a published difference with the difference that mmsent has measured, and its verdict.

    Returns SHOWN, CONTRADICTED or NOT_DISTINGUISHABLE.
    """
    if verdict not in (BETTER, WORSE):
        return NOT_DISTINGUISHABLE
    return SHOWN if published * ours > 0 else CONTRADICTED


def outcomes(result: CompareResult, published: Sequence[PublishedArm]) -> dict[str, str]:
    """Return for each tested arm whether its difference to the baseline agrees with the published difference.

    Arms without a published difference are left out. The values are those of `agreement`.
    """
    gaps = published_gaps(result, published)
    return {
        arm.name: agreement(gaps[arm.name], ours.difference, arm.verdict)
        for arm, ours in tested_arms(result)
        if arm.name in gaps
    }


def draw_beside(result: CompareResult, published: Sequence[PublishedArm]) -> "Figure":
    """Draw the published accuracy of each arm, next to mmsent's best-epoch and nested accuracy (with its interval)."""
    known = {row.name: 100 * row.accuracy for row in published}
    arms = [arm for arm in result.arms if not arm.is_reference]
    rows = [
        ForestRow(
            name=arm.name,
            value=100 * arm.nested.accuracy_mean,
            interval=(100 * arm.accuracy_interval[0], 100 * arm.accuracy_interval[1]),
            color=BLUE,
        )
        for arm in arms
    ]
    figure = new_figure(1.5 + 0.4 * len(arms))
    axes = figure.subplots()
    heights = forest_plot(axes, rows, "Accuracy, %")
    axes.plot([], [], color=BLUE, marker="o", linewidth=2.2, label="ours, nested, 95 % interval")
    best, look = [100 * arm.best.accuracy_mean for arm in arms], {"markersize": 13, "markeredgewidth": 2.0}
    axes.plot(best, heights, color=GREY, marker="|", linestyle="", label="ours, best epoch *", **look)
    found = [(known[arm.name], height) for arm, height in zip(arms, heights, strict=True) if arm.name in known]
    x, y = [share for share, _ in found], [height for _, height in found]
    axes.plot(x, y, color=ORANGE, marker="D", markersize=6.5, linestyle="", label="published, best epoch *")
    axes.legend(frameon=False, fontsize=SMALL_POINTS, loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _share(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.2f}"
