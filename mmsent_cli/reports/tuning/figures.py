"""Tuning as one figure, as the sources drew it: losses over the epochs, and bars of the best accuracies."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmsent_cli.reports.comparison.figures import mean_curve
from mmsent_cli.reports.format import settings_text
from mmsent_cli.reports.plot_style import (
    BLACK,
    GREY,
    LIGHT,
    ORANGE,
    PALETTE,
    SMALL_POINTS,
    as_png,
    clean,
    new_figure,
    plain,
)
from mmsent_cli.reports.tuning.tables import PRUNED, phases_of, varied_settings
from mmsent_cli.results import TrialResult, TuneResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OTHERS = "#A7B0B7"
COLOURS = (*PALETTE, OTHERS)
FEW_TRIALS = len(COLOURS)
"""Up to so many trials each has a colour of its own; of more, the best stands out from grey."""
NAMED_TRIALS = 12
"""Up to so many trials are named by their settings; more by their numbers, so that the figure stays on one screen."""
LONGEST_LABEL = 24


def tune_png(result: TuneResult) -> bytes:
    """Training loss, validation loss (mean over seeds) and the best accuracy of each trial with its interval.

    A trial's bar has the colour of its lines.
    """
    labels, colours = trial_labels(result), trial_colours(result)
    bars_inches = 1.0 + sum(0.09 + 0.15 * (1 + label.count("\n")) for label in labels.values())
    figure = new_figure(3.6 + bars_inches)
    # Apart, so that long names beside the bars do not narrow the curves.
    parts: Any = figure.subfigures(2, 1, height_ratios=(3.6, bars_inches))
    above, below = parts
    for axes, name in zip(above.subplots(2, 1, sharex=True), ("train_loss", "val_loss"), strict=True):
        for trial in result.trials:
            _draw_loss(axes, trial, name, colours[trial.number], is_best=trial.number == result.best)
        axes.set_ylabel("Training loss" if name == "train_loss" else "Validation loss")
        axes.xaxis.get_major_locator().set_params(integer=True)
        clean(axes)
    above.axes[1].set_xlabel("Epoch")
    _draw_bars(below.subplots(), result, colours, labels)
    return as_png(figure)


def trial_labels(result: TuneResult) -> dict[int, str]:
    """Short names by trial number: the settings that vary in the phase, if they fit two lines, else `trial 3`."""
    labels = {}
    for phase in phases_of(result):
        varied = varied_settings(result, phase)
        for trial in (trial for trial in result.trials if trial.phase == phase):
            lines = [settings_text({name: trial.settings[name]}) for name in varied if name in trial.settings]
            fits = (
                len(result.trials) <= NAMED_TRIALS
                and 0 < len(lines) <= 2
                and all(len(line) <= LONGEST_LABEL for line in lines)
            )
            labels[trial.number] = "\n".join(lines) if fits else f"trial {trial.number}"
    return labels


def trial_colours(result: TuneResult) -> dict[int, str]:
    """A colour for each trial number."""
    numbers = [trial.number for trial in result.trials]
    if len(numbers) <= FEW_TRIALS:
        return dict(zip(numbers, COLOURS, strict=False))
    return {trial.number: LIGHT if trial.state == PRUNED else OTHERS for trial in result.trials} | {result.best: ORANGE}


def _draw_loss(axes: "Axes", trial: TrialResult, name: str, colour: str, is_best: bool) -> None:
    values = mean_curve(trial.curves, lambda epoch: getattr(epoch, name))
    axes.plot(
        range(1, len(values) + 1),
        values,
        color=colour,
        linewidth=2.6 if is_best else 1.4,
        linestyle=":" if trial.state == PRUNED else "-",
        marker="o" if len(values) == 1 else "",
        zorder=3 if is_best else 2,
    )


def _draw_bars(axes: "Axes", result: TuneResult, colours: Mapping[int, str], labels: Mapping[int, str]) -> None:
    trials = result.trials[::-1]
    for row, trial in enumerate(trials):
        is_best = trial.number == result.best
        axes.barh(row, 100 * trial.accuracy, height=0.7, color=colours[trial.number])
        axes.plot(
            [100 * end for end in trial.interval], [row, row], color=BLACK, linewidth=1.3, marker="|", markersize=6
        )
        text = f"{100 * trial.accuracy:.1f}{' *' if is_best else ''}"
        weight = "bold" if is_best else "normal"
        axes.text(1.02, row, text, transform=axes.get_yaxis_transform(), va="center", fontweight=weight)
    majority = 100 * result.setting.majority_accuracy
    axes.axvline(majority, color=GREY, linestyle="--", linewidth=1.2, label=f"most frequent class, {majority:.1f} %")
    names = [labels[trial.number] for trial in trials]
    axes.set_yticks(range(len(trials)), names, fontsize=SMALL_POINTS)
    plain(axes.get_yticklabels(), names)
    axes.set_ylim(-0.6, len(trials) - 0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Best accuracy, %")
    clean(axes, "x")
    axes.legend(frameon=False, fontsize=SMALL_POINTS, loc="lower left", bbox_to_anchor=(-0.02, 1))
