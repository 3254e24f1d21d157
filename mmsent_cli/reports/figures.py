"""Figures of a training run as PNG bytes: curves over the epochs and the confusion matrix."""

from collections.abc import Sequence

from mmsent_cli.reports.plot_style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    WIDTH_INCHES,
    as_png,
    clean,
    draw_line,
    legend_above,
    majority_line,
    new_figure,
    plain,
)
from mmsent_cli.results import EpochResult

CURVES, CONFUSION = "curves.png", "confusion.png"


def curves_png(history: Sequence[EpochResult], majority: float) -> bytes:
    """Losses above, accuracy and macro-F1 below, over the epochs, with the best epoch marked.

    Args:
        history: one or more epochs in order; the last one with `is_best` is the best.
        majority: accuracy (0 to 1) of always predicting the most frequent class, drawn as a line.
    """
    figure = new_figure(5.4)
    losses, scores = figure.subplots(2, 1, sharex=True)
    epochs = [result.epoch for result in history]
    draw_line(losses, epochs, [result.train_loss for result in history], "training", BLUE, "o")
    draw_line(losses, epochs, [result.val_loss for result in history], "validation", ORANGE, "s")
    losses.set_ylabel("Cross-entropy")
    draw_line(scores, epochs, [100 * result.accuracy for result in history], "accuracy", ORANGE, "s")
    draw_line(scores, epochs, [100 * result.macro_f1 for result in history], "macro-F1", GREEN, "^")
    majority_line(scores, majority)
    scores.set_ylabel("Validation, %")
    scores.set_xlabel("Epoch")
    scores.xaxis.get_major_locator().set_params(integer=True)
    best = max((result.epoch for result in history if result.is_best), default=None)
    for axes in (losses, scores):
        if best is not None:
            # Named once, in the upper legend.
            name = f"best epoch, {best}" if axes is losses else "_"
            axes.axvline(best, color=GREY, linewidth=1, linestyle=":", label=name, zorder=0)
        clean(axes)
        legend_above(axes, columns=2)
    return as_png(figure)


def confusion_png(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """The confusion matrix: pairs of each true class (rows) by predicted class, and their share of the row.

    Args:
        confusion: [C, C] counts, `confusion[i][j]` of true class i predicted as j.
        labels: [C] class names in that order.
    """
    side = max(WIDTH_INCHES, 0.8 * len(labels) + 1.2)
    figure = new_figure(side - 0.4, side)
    axes = figure.subplots()
    shares = [[count / max(1, sum(row)) for count in row] for row in confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in ((i, j) for i in range(len(labels)) for j in range(len(labels))):
        text = f"{confusion[i][j]}\n{100 * shares[i][j]:.0f} %"
        axes.text(j, i, text, ha="center", va="center", color="white" if shares[i][j] > 0.65 else "black")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(labels)), labels)
        plain(axis.get_ticklabels(), labels)
    if sum(map(len, labels)) > 9 * len(labels):
        axes.tick_params(axis="x", rotation=30)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    return as_png(figure)
