"""Tuning as one figure, as the published one: losses over the epochs, and bars of the best accuracies."""

from typing import TYPE_CHECKING, Any

from mmsent_cli.reports.blocks import Figures
from mmsent_cli.reports.comparison.figures import mean_curve
from mmsent_cli.reports.forest_plot import ForestRow, forest_plot
from mmsent_cli.reports.format import settings_text
from mmsent_cli.reports.plot_style import (
    LIGHT,
    ORANGE,
    PALETTE,
    SMALL_POINTS,
    as_png,
    clean,
    legend_above,
    majority_line,
    new_figure,
)
from mmsent_cli.reports.tuning.tables import PRUNED, phases_of, varied_settings
from mmsent_cli.results import TrialResult, TuneResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TUNING = "tuning.png"
OTHERS = "#A7B0B7"
COLORS = (*PALETTE, OTHERS)
MAX_COLORED_TRIALS = len(COLORS)
"""Up to this many trials, each has a color of its own; of more, only the best is colored."""
MAX_NAMED_TRIALS = 12
"""Up to this many trials are named by their settings; more by their numbers, so that the figure fits one screen."""
MAX_LABEL_LETTERS = 24


def tune_figures(result: TuneResult) -> Figures:
    """Losses and best accuracies of all trials, where there are any."""
    return {TUNING: tune_png(result)} if result.trials else {}


def tune_png(result: TuneResult) -> bytes:
    """Training loss, validation loss (mean over seeds) and the best accuracy of each trial with its interval.

    A trial's bar has the color of its lines.
    """
    labels, colors = trial_labels(result), trial_colors(result)
    bars_inches = 1.0 + sum(0.09 + 0.15 * (1 + label.count("\n")) for label in labels.values())
    figure = new_figure(3.6 + bars_inches)
    # Apart, so that long names beside the bars do not narrow the curves.
    parts: Any = figure.subfigures(2, 1, height_ratios=(3.6, bars_inches))
    above, below = parts
    for axes, name in zip(above.subplots(2, 1, sharex=True), ("train_loss", "val_loss"), strict=True):
        for trial in result.trials:
            _draw_loss(axes, trial, name, colors[trial.number], is_best=trial.number == result.best)
        axes.set_ylabel("Training loss" if name == "train_loss" else "Validation loss")
        axes.xaxis.get_major_locator().set_params(integer=True)
        clean(axes)
    above.axes[1].set_xlabel("Epoch")
    axes = below.subplots()
    rows = [_row(result, trial, labels[trial.number], colors[trial.number]) for trial in result.trials]
    forest_plot(axes, rows, "Best accuracy, %", has_bars=True)
    axes.tick_params(axis="y", labelsize=SMALL_POINTS)
    majority_line(axes, result.setup.majority_accuracy, is_vertical=True)
    axes.set_xlim(0, 100)
    legend_above(axes, 1)
    return as_png(figure)


def trial_labels(result: TuneResult) -> dict[int, str]:
    """Short names by trial number: the settings that vary in the phase, if they fit two lines, else `trial 3`."""
    labels = {}
    for phase in phases_of(result):
        varied = varied_settings(result, phase)
        for trial in (trial for trial in result.trials if trial.phase == phase):
            lines = [settings_text({name: trial.settings[name]}) for name in varied if name in trial.settings]
            fits = (
                len(result.trials) <= MAX_NAMED_TRIALS
                and 0 < len(lines) <= 2
                and all(len(line) <= MAX_LABEL_LETTERS for line in lines)
            )
            labels[trial.number] = "\n".join(lines) if fits else f"trial {trial.number}"
    return labels


def trial_colors(result: TuneResult) -> dict[int, str]:
    """A color for each trial number."""
    numbers = [trial.number for trial in result.trials]
    if len(numbers) <= MAX_COLORED_TRIALS:
        return dict(zip(numbers, COLORS, strict=False))
    return {trial.number: LIGHT if trial.state == PRUNED else OTHERS for trial in result.trials} | {result.best: ORANGE}


def _draw_loss(axes: "Axes", trial: TrialResult, name: str, color: str, is_best: bool) -> None:
    values = mean_curve(trial.curves, lambda epoch: getattr(epoch, name))
    axes.plot(
        range(1, len(values) + 1),
        values,
        color=color,
        linewidth=2.6 if is_best else 1.4,
        linestyle=":" if trial.state == PRUNED else "-",
        marker="o" if len(values) == 1 else "",
        zorder=3 if is_best else 2,
    )


def _row(result: TuneResult, trial: TrialResult, label: str, color: str) -> ForestRow:
    is_best = trial.number == result.best
    return ForestRow(
        name=label,
        value=100 * trial.accuracy,
        interval=(100 * trial.interval[0], 100 * trial.interval[1]),
        text=f"{100 * trial.accuracy:.1f}{' *' if is_best else ''}",
        color=color,
        is_strong=is_best,
    )
