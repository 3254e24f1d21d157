"""Published figures beside ours, a grid an experiment."""

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.comparison.tables import tested_arms
from mmsent_cli.reports.format import (
    DASH,
    accuracy_spread,
    number,
    number_interval,
    points,
    points_interval,
    settings_text,
    several,
)
from mmsent_cli.reports.tuning.text import trial_numbered
from mmsent_cli.results import BETTER, NOT_DISTINGUISHABLE, WORSE, CompareResult, PaperResult, Published, PublishedArm

BEST = "* Best epoch, chosen on the same pairs: optimistic on both sides. Published figures are of a single run each."


def tune_beside(results: PaperResult, published: Published) -> Grid:
    """Published tuning steps beside our trials."""
    rows = []
    for step in published.tune:
        trial = None if step.trial is None else trial_numbered(results.tune, step.trial)
        rows.append(
            (
                step.name,
                _share(step.accuracy),
                DASH if trial is None else number(trial.accuracy),
                DASH if trial is None else number_interval(trial.interval),
                DASH if trial is None else settings_text(trial.settings),
            )
        )
    return Grid(
        title="Best accuracies, %",
        columns=("Published setting", "Published *", "Ours *", "95 % interval", "Our setting"),
        rows=tuple(rows),
        foot=BEST,
        words=frozenset({0, 4}),
    )


def train_beside(results: PaperResult, published: Published) -> Grid:
    """The published model's accuracy beside ours."""
    best, last = results.train.best, results.train.last
    return Grid(
        title="The trained model, accuracy, %",
        columns=("", "Published *", "Ours *", "95 % interval", "Ours,\nlast epoch"),
        rows=(
            (
                results.train.fusion,
                _share(published.train),
                number(best.accuracy),
                number_interval(best.interval),
                number(last.accuracy),
            ),
        ),
        foot=BEST,
    )


def ablation_beside(results: PaperResult, published: Published) -> Grid:
    """The published ablation beside ours by the same method."""
    arms = [arm for arm in results.ablate.arms if arm.method in ("none", "zero")]
    return Grid(
        title="One modality set to zero, accuracy, %",
        columns=("The model sees", "Published *", "Ours *", "95 % interval"),
        rows=tuple(
            (
                arm.inputs,
                _share(published.ablation.get(arm.inputs)),
                number(arm.accuracy),
                number_interval(arm.interval),
            )
            for arm in arms
        ),
        foot=BEST,
    )


def comparison_beside(result: CompareResult, published: tuple[PublishedArm, ...]) -> Grid:
    """Published rows of a comparison beside ours: the best epochs, and ours by nested selection."""
    known = {row.name: row for row in published}
    rows = []
    for arm in (arm for arm in result.arms if not arm.is_reference):
        row = known.get(arm.name)
        rows.append(
            (
                arm.name,
                _share(row.accuracy if row else None),
                _epoch(row),
                accuracy_spread(arm.best),
                several(arm.best_epochs),
                accuracy_spread(arm.nested),
            )
        )
    return Grid(
        title="Accuracy, %",
        columns=("", "Published *", "Its epoch", "Ours *", "Its epoch", "Ours, nested"),
        rows=tuple(rows),
        foot=BEST,
    )


def losses_beside(result: CompareResult, published: tuple[PublishedArm, ...]) -> Grid:
    """Published losses at the best epochs beside ours; no rows where none were published."""
    ours = {arm.name: arm for arm in result.arms}
    rows = []
    for row in published:
        arm = ours.get(row.name)
        if arm is not None and row.train_loss is not None and row.val_loss is not None:
            mine = (_mean4(arm.best_train_losses), _mean4(arm.best_val_losses))
            rows.append((row.name, f"{row.train_loss:.4f}", mine[0], f"{row.val_loss:.4f}", mine[1]))
    return Grid(
        title="Losses at the best epochs",
        columns=("", "Train,\npublished", "Train,\nours", "Validation,\npublished", "Validation,\nours"),
        rows=tuple(rows),
        foot="Our validation loss is plain cross-entropy; losses of other encoders and settings are no ranking.",
    )


def differences_beside(result: CompareResult, published: tuple[PublishedArm, ...]) -> Grid:
    """Published differences to the baseline beside ours, with our verdict; no rows without a published baseline."""
    known = {row.name: row.accuracy for row in published}
    rows = []
    for arm, ours in tested_arms(result):
        if {arm.name, result.baseline} <= known.keys():
            gap = known[arm.name] - known[result.baseline]
            rows.append(
                (
                    arm.name,
                    points(gap),
                    points(ours.difference),
                    points_interval(ours.interval),
                    agreement(gap, ours.difference, arm.verdict),
                )
            )
    return Grid(
        title=f"Differences to {result.baseline}, points",
        columns=("", "Published", "Ours", "95 % interval", "Is the published sign shown here?"),
        rows=tuple(rows),
        foot="Published: best epochs of single runs. Ours: nested selection, mean over seeds.",
        words=frozenset({0, 4}),
    )


def agreement(published: float, ours: float, verdict: str | None) -> str:
    """Whether our verdict bears a published difference out: `shown`, `contradicted` or `not distinguishable`."""
    if verdict not in (BETTER, WORSE):
        return NOT_DISTINGUISHABLE
    return "shown" if published * ours > 0 else "contradicted"


def _share(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.2f}"


def _epoch(row: PublishedArm | None) -> str:
    return DASH if row is None or row.epoch is None else str(row.epoch)


def _mean4(values: tuple[float, ...]) -> str:
    return f"{sum(values) / len(values):.4f}"
