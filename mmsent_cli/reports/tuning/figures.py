"""Tuning as two figures: bars of the best accuracies, and losses over the epochs."""

from dataclasses import replace
from typing import TYPE_CHECKING

from mmsent_cli.reports.comparison.figures import mean_curve
from mmsent_cli.reports.forest_plot import ForestRow, forest_plot
from mmsent_cli.reports.format import settings_text
from mmsent_cli.reports.lines import LineEnd, Look, count_epochs, draw_line, look, name_line_ends
from mmsent_cli.reports.plot_style import (
    LIGHT,
    ORANGE,
    PALETTE,
    SMALL_POINTS,
    Drawn,
    clean,
    legend_above,
    majority_line,
    new_figure,
)
from mmsent_cli.reports.tuning.tables import PRUNED, phases_of, varied_settings
from mmsent_cli.results import TrialResult, TuneResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TUNING, LOSSES = "tuning", "losses"
OTHERS = "#A7B0B7"
COLORS = (*PALETTE, OTHERS)
MAX_COLORED_TRIALS = len(COLORS)
"""Up to this many trials, each has a color of its own; of more, only the best is colored."""
MAX_NAMED_TRIALS = 12
"""Up to this many trials are named by their settings; more by their numbers, so that the figure fits one screen."""
MAX_LABEL_LETTERS = 24


def tune_figures(result: TuneResult) -> Drawn:
    """Return losses and best accuracies of all trials, where there are any."""
    return {TUNING: draw_trials(result), LOSSES: draw_losses(result)} if result.trials else {}


def draw_trials(result: TuneResult) -> "Figure":
    """Draw the best accuracy of each trial with its interval, in the color of its losses."""
    labels, colors = trial_labels(result), trial_colors(result)
    figure = new_figure(1.4 + sum(0.09 + 0.15 * (1 + label.count("\n")) for label in labels.values()))
    axes = figure.subplots()
    rows = [_row(result, trial, labels[trial.number], colors[trial.number]) for trial in result.trials]
    forest_plot(axes, rows, "Best accuracy, %", has_bars=True)
    axes.tick_params(axis="y", labelsize=SMALL_POINTS)
    majority_line(axes, result.setup.majority_accuracy)
    axes.set_xlim(0, 100)
    legend_above(axes, 1)
    return figure


def draw_losses(result: TuneResult) -> "Figure":
    """Draw training loss and validation loss of each trial over the epochs, mean over seeds."""
    colors = trial_colors(result)
    named = len(result.trials) <= MAX_COLORED_TRIALS
    height = max(1.9, 0.16 * len(result.trials)) if named else 1.9
    figure = new_figure(2 * height + 0.9)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, name in zip(panels, ("train_loss", "val_loss"), strict=True):
        ends = [
            _draw_loss(axes, trial, name, replace(look(place), color=colors[trial.number]), trial.number == result.best)
            for place, trial in enumerate(result.trials)
        ]
        axes.set_ylabel("Training loss" if name == "train_loss" else "Validation loss")
        count_epochs(axes)
        clean(axes)
        name_line_ends(axes, [end for end in ends if named or end.name.endswith("*")], height)
    count_epochs(panels[1], "Epoch")
    return figure


def trial_labels(result: TuneResult) -> dict[int, str]:
    """Return short names by trial number: the settings that vary in the phase, if they fit two lines, else
    `trial 3`, counted from 1.
    """
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
            labels[trial.number] = "\n".join(lines) if fits else f"trial {trial.number + 1}"
    return labels


def trial_colors(result: TuneResult) -> dict[int, str]:
    """Return a color for each trial number."""
    numbers = [trial.number for trial in result.trials]
    if len(numbers) <= MAX_COLORED_TRIALS:
        return dict(zip(numbers, COLORS, strict=False))
    return {trial.number: LIGHT if trial.state == PRUNED else OTHERS for trial in result.trials} | {result.best: ORANGE}


def _draw_loss(axes: "Axes", trial: TrialResult, name: str, style: Look, is_best: bool) -> LineEnd:
    values = mean_curve(trial.curves, lambda epoch: getattr(epoch, name))
    mark = " *" if is_best else f" ({PRUNED})" if trial.state == PRUNED else ""
    return draw_line(axes, f"trial {trial.number + 1}{mark}", values, style, 2.6 if is_best else 1.4)


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
