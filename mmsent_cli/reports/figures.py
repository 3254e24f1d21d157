"""Draw the figures of a training run: curves over the epochs, and the confusion matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmsent_cli.reports.lines import count_epochs, draw_line, draw_majority, look, name_line_ends
from mmsent_cli.reports.plot_style import (
    GREY,
    SMALL_POINTS,
    WIDTH_INCHES,
    clean,
    drawable,
    ink_on,
    new_figure,
    write_names,
)
from mmsent_cli.results import EpochResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES, CONFUSION = "curves", "confusion"
PANEL_INCHES = 2.2


def draw_curves(history: Sequence[EpochResult], majority: float) -> "Figure":
    """Draw losses above, accuracy and macro-F1 below, over the epochs, with the best epoch marked.

    Args:
        history: one or more epochs in order; the last one with `is_best` is the best.
        majority: accuracy (0 to 1) of always predicting the most frequent class, drawn as a line.
    """
    figure = new_figure(2 * PANEL_INCHES + 0.8)
    losses, scores = figure.subplots(2, 1, sharex=True)
    lines = (
        (losses, "training", [result.train_loss for result in history], look(0)),
        (losses, "validation", [result.val_loss for result in history], look(1)),
        (scores, "accuracy", [100 * result.accuracy for result in history], look(1)),
        (scores, "macro-F1", [100 * result.macro_f1 for result in history], look(2)),
    )
    ends = [(axes, draw_line(axes, name, values, style)) for axes, name, values, style in lines]
    ends.append((scores, draw_majority(scores, majority)))
    losses.set_ylabel("Cross-entropy")
    scores.set_ylabel("Validation, %")
    count_epochs(scores, "Epoch")
    best = max((result.epoch for result in history if result.is_best), default=None)
    for axes in (losses, scores):
        clean(axes)
        name_line_ends(axes, [end for own, end in ends if own is axes], PANEL_INCHES)
        if best is not None:
            axes.axvline(best, color=GREY, linewidth=1, linestyle=":", zorder=0)
    if best is not None:
        where = {"ha": "center", "va": "bottom", "fontsize": SMALL_POINTS}
        losses.text(best, 1.02, f"best epoch, {best}", transform=losses.get_xaxis_transform(), **where)
    return figure


def draw_confusion(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> "Figure":
    """Draw the confusion matrix: pairs by true class (rows) and predicted class, and their share of the row.

    Args:
        confusion: [C, C] counts. `confusion[i][j]` counts pairs of class i that were predicted as class j.
        labels: [C] class names in that order.
    """
    side = max(WIDTH_INCHES, 0.8 * len(labels) + 1.2)
    figure = new_figure(side - 0.4, side)
    axes = figure.subplots()
    shares = [[count / max(1, sum(row)) for count in row] for row in confusion]
    # Cells of any shape: with square ones, the layout leaves too little room for the axis labels.
    cells = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in ((i, j) for i in range(len(labels)) for j in range(len(labels))):
        text = f"{confusion[i][j]:,}\n{100 * shares[i][j]:.0f} %"
        axes.text(j, i, text, ha="center", va="center", color=ink_on(cells.cmap(shares[i][j])))
    shown = drawable(labels)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(labels)), shown)
        write_names(axis.get_ticklabels(), shown)
    if sum(map(len, shown)) > 9 * len(shown):
        axes.tick_params(axis="x", rotation=30)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    return figure
