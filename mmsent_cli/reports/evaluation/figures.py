"""Figures of an evaluation: confusion, calibration, accuracy by answered share."""

from mmsent_cli.reports.blocks import Figures
from mmsent_cli.reports.figures import CONFUSION, confusion_png
from mmsent_cli.reports.plot_style import (
    BLUE,
    GREY,
    LIGHT,
    as_png,
    clean,
    draw_line,
    legend_above,
    majority_line,
    new_figure,
)
from mmsent_cli.results import EvaluateResult

CALIBRATION, ANSWERED = "calibration.png", "answered.png"


def evaluate_figures(result: EvaluateResult) -> Figures:
    """All figures by file name; those of probabilities only where there are any."""
    figures = {CONFUSION: confusion_png(result.confusion, result.labels)}
    if result.calibration:
        figures |= {CALIBRATION: calibration_png(result), ANSWERED: answered_png(result)}
    return figures


def calibration_png(result: EvaluateResult) -> bytes:
    """Accuracy over the mean probability of each bin, with intervals, and the pairs of each bin below."""
    figure = new_figure(5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = result.calibration
    x, y = [100 * one.confidence for one in bins], [100 * one.accuracy for one in bins]
    upper.plot((0, 100), (0, 100), color=GREY, linestyle="--", linewidth=1.2, label="probability = accuracy")
    for one in bins:
        upper.plot([100 * one.confidence] * 2, [100 * end for end in one.interval], color=BLUE, linewidth=1.2)
    draw_line(upper, x, y, "this model, with 95 % intervals", BLUE, "o")
    upper.set_ylabel("Accuracy, %")
    upper.set_ylim(0, 103)
    legend_above(upper, columns=1)
    lower.bar(
        [50 * (one.low + one.high) for one in bins],
        [one.pairs for one in bins],
        width=9,
        color=LIGHT,
        edgecolor=GREY,
    )
    lower.set_ylabel("Pairs")
    lower.set_xlabel("Probability of the predicted class, %")
    lower.set_xlim(0, 102)
    for axes in (upper, lower):
        clean(axes)
    return as_png(figure)


def answered_png(result: EvaluateResult) -> bytes:
    """Accuracy of the most confident pairs over their share, with intervals."""
    figure = new_figure(3.2)
    axes = figure.subplots()
    rows = result.answered
    shares = [100 * one.share for one in rows]
    axes.fill_between(
        shares, [100 * one.interval[0] for one in rows], [100 * one.interval[1] for one in rows], color=LIGHT
    )
    draw_line(axes, shares, [100 * one.accuracy for one in rows], "accuracy, with 95 % interval", BLUE, "o")
    majority_line(axes, result.majority_accuracy)
    axes.set_xlabel("Answered pairs, most confident first, %")
    axes.set_ylabel("Accuracy, %")
    axes.set_xlim(0, 102)
    clean(axes)
    legend_above(axes, columns=1)
    return as_png(figure)
