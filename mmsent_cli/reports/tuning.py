"""Report a tuning: figures, tables, findings in words, and sections of the page."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, picture
from mmsent_cli.reports.comparison.figures import mean_curve
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import (
    DASH,
    LOSSES,
    counted,
    duration,
    in_pairs,
    listed,
    majority_macro_f1,
    number,
    number_interval,
    percent,
    points,
    points_interval,
    probability,
    score,
    settings_text,
    signed_score,
    signed_score_interval,
    size,
)
from mmsent_cli.reports.lines import (
    ForestRow,
    LineEnd,
    Look,
    count_epochs,
    draw_line,
    forest_plot,
    look,
    name_line_ends,
)
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
from mmsent_cli.results import TrialResult, TuneResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = (
    "Trial",
    "Setting",
    "Accuracy,\n% *",
    "95 % interval",
    "Macro-\nF1 *",
    "Epoch",
    "Train\nloss",
    "Val.\nloss",
)
OPTIMISTIC = "* Best epoch, chosen on the same pairs that it is measured on, so optimistic."
PHASES = {
    "rates": "Learning rates",
    "decays": "Weight decays at the best learning rate",
    "grid": "Grid search",
    "tpe": "TPE search",
}
PRUNED = "pruned"
MOST_DECIMALS = 7


def tune_grids(result: TuneResult) -> list[Grid]:
    """Make one table of trials per phase. In each table, the last row is for always predicting the majority class."""
    grids = [_phase_grid(result, phase) for phase in phases_of(result)]
    return [grid for grid in grids if grid.rows]


def phases_of(result: TuneResult) -> list[str]:
    """Return the names of the phases of the tuning, in order."""
    return list(dict.fromkeys(trial.phase for trial in result.trials))


def trials_of(result: TuneResult, phase: str) -> list[TrialResult]:
    """Return the trials of a phase. The phase `decays` begins with the best trial of the phase `rates`.

    This trial has the first weight decay, which is not tried again.
    """
    own = [trial for trial in result.trials if trial.phase == phase]
    if phase != "decays":
        return own
    rest = _without_decay(own[0])
    first = [trial for trial in result.trials if trial.phase == "rates" and _without_decay(trial) == rest]
    decays = {trial.settings["weight_decay"] for trial in own}
    return [*(trial for trial in first if trial.settings["weight_decay"] not in decays), *own]


def _without_decay(trial: TrialResult) -> dict[str, float | int | str]:
    return {name: value for name, value in trial.settings.items() if name != "weight_decay"}


def losses_apart(result: TuneResult) -> dict[int, str]:
    """Return the validation loss of each trial by its number, with enough decimals to show different losses."""
    losses = {trial.number: trial.val_loss for trial in result.trials}
    for decimals in range(3, MOST_DECIMALS):
        shown = {number: f"{loss:.{decimals}f}" for number, loss in losses.items()}
        if len(set(shown.values())) == len(set(losses.values())):
            break
    return {number: text if math.isfinite(losses[number]) else DASH for number, text in shown.items()}


def varied_settings(result: TuneResult, phase: str) -> list[str]:
    """Return the names of the settings that differ between the trials of a phase; all names if none differs."""
    trials = trials_of(result, phase)
    names = list(dict.fromkeys(name for trial in trials for name in trial.settings))
    varied = [name for name in names if len({trial.settings.get(name) for trial in trials}) > 1]
    return varied or names


def constant_settings(result: TuneResult, phase: str) -> dict[str, float | int | str]:
    """Return the settings that all trials of a phase share."""
    varied = varied_settings(result, phase)
    first = next(trial for trial in result.trials if trial.phase == phase)
    return {name: value for name, value in first.settings.items() if name not in varied}


def _phase_grid(result: TuneResult, phase: str) -> Grid:
    majority, labels = result.setup.majority_accuracy, len(result.setup.labels)
    always = ("-", "most frequent class", number(majority), DASH, score(majority_macro_f1(majority, labels)))
    shared = settings_text(constant_settings(result, phase))
    varied = varied_settings(result, phase)
    shown = trials_of(result, phase)
    repeated = [str(trial.number + 1) for trial in shown if trial.phase != phase]
    again = f" Trial {listed(repeated)} is also in the table above." if repeated else ""
    return Grid(
        name=f"trials-{phase}",
        title=f"{PHASES.get(phase, phase)}{f', {shared}' if shared else ''}",
        columns=COLUMNS,
        rows=(
            *(_row(result, trial, varied) for trial in shown),
            (*always, DASH, DASH, DASH),
        ),
        foot=f"{OPTIMISTIC}{again} {LOSSES}",
        words=frozenset({0, 1}),
    )


def _row(result: TuneResult, trial: TrialResult, varied: list[str]) -> tuple[str, ...]:
    pruned = f" ({PRUNED})" if trial.state == PRUNED else ""
    return (
        f"{trial.number + 1}{' best' if trial.number == result.best else ''}",
        settings_text({name: trial.settings[name] for name in varied if name in trial.settings}) + pruned,
        number(trial.accuracy),
        number_interval(trial.interval),
        score(trial.macro_f1),
        str(trial.best_epoch),
        score(trial.train_loss),
        losses_apart(result)[trial.number],
    )


TUNING, TRIAL_LOSSES = "tuning", "losses"
OTHERS = "#A7B0B7"
COLORS = (*PALETTE, OTHERS)
MAX_COLORED_TRIALS = len(COLORS)
"""Up to this number of trials, each trial has its own color. If there are more, only the best trial is colored."""
MAX_NAMED_TRIALS = 12
"""Up to this number of trials, the label of a trial shows its settings. If there are more, the label is a number, so
that the figure fits one screen."""
MAX_LABEL_LETTERS = 24


def tune_figures(result: TuneResult) -> Drawn:
    """Draw losses and best accuracies of all trials, if there are any."""
    return {TUNING: draw_trials(result), TRIAL_LOSSES: draw_losses(result)} if result.trials else {}


def draw_trials(result: TuneResult) -> "Figure":
    """Draw the best accuracy of each trial with its interval, in the color of its losses."""
    labels, colors = trial_labels(result), trial_colors(result)
    figure = new_figure(1.4 + sum(0.09 + 0.15 * (1 + label.count("\n")) for label in labels.values()))
    axes = figure.subplots()
    rows = [_trial_row(result, trial, labels[trial.number], colors[trial.number]) for trial in result.trials]
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
    """Return a short name for each trial number: the settings that vary in its phase, or, if too long, `trial 3`."""
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


def _trial_row(result: TuneResult, trial: TrialResult, label: str, color: str) -> ForestRow:
    is_best = trial.number == result.best
    return ForestRow(
        name=label,
        value=100 * trial.accuracy,
        interval=(100 * trial.interval[0], 100 * trial.interval[1]),
        text=f"{number(trial.accuracy)}{' *' if is_best else ''}",
        color=color,
        is_strong=is_best,
    )


QUESTION = "Which settings suit this model, and is the best of them really better?"


def trial_numbered(result: TuneResult, number: int) -> TrialResult:
    """Return the trial with this number."""
    return next(trial for trial in result.trials if trial.number == number)


def headline(result: TuneResult) -> str:
    """State the best trial and its accuracy in one sentence."""
    best = trial_numbered(result, result.best)
    chosen = f"{settings_text(best.settings)}, {percent(best.accuracy)} *"
    if len(result.ties) == len(_complete(result)) > 1:
        return f"All {len(result.ties)} trials tie; the one with the lowest validation loss: {chosen}"
    return f"Best of {counted(len(result.trials), 'trial')}: {chosen}"


def findings_text(result: TuneResult) -> list[str]:
    """Return paragraphs with the numbers that support the headline, and their uncertainty."""
    return [*_ties(result), *_undecided(result), *_runner_up(result), *_range(result), _optimism(result)]


def _complete(result: TuneResult) -> list[TrialResult]:
    return [trial for trial in result.trials if trial.state != PRUNED]


def _ties(result: TuneResult) -> Iterator[str]:
    if not result.ties:
        return
    best = trial_numbered(result, result.best)
    number, loss = best.number + 1, losses_apart(result)[best.number]
    same = [other for other in result.ties if trial_numbered(result, other).val_loss == best.val_loss]
    lowest = f"At its best epoch, trial {number} has the lowest validation loss of them, {loss}."
    yield f"Trials {_numbers(result.ties)} tie at the top. {lowest}"
    if len(same) > 1:
        highest = f"Trial {number} has the highest macro-F1, {score(best.macro_f1)}."
        yield f"Trials {_numbers(same)} have this loss. {highest}"


def _numbers(trials: Iterable[int]) -> str:
    """Return the numbers of trials as text. They are counted from 1."""
    return listed([str(number + 1) for number in trials])


def _undecided(result: TuneResult) -> Iterator[str]:
    others, undecided = len(_complete(result)) - 1, len(result.undecided)
    if undecided:
        which = f"none of the other {others} trials" if undecided == others > 1 else ""
        numbers = _numbers(result.undecided)
        yield (
            f"By accuracy and macro-F1, {which} can be told apart from trial {result.best + 1} on these pairs."
            if which
            else f"By accuracy and macro-F1, trial {result.best + 1} cannot be told apart on these pairs from trial "
            f"{numbers}."
        )


def _runner_up(result: TuneResult) -> Iterator[str]:
    if result.runner_up is None or result.difference is None:
        yield "A single trial was completed, so there is nothing to compare it with."
        return
    second, gap = trial_numbered(result, result.runner_up), result.difference
    verdict = f": {result.verdict}" if result.verdict else ""
    yield (
        f"Nested accuracy, best minus runner-up (trial {second.number + 1}: {settings_text(second.settings)}): "
        f"{points(gap.difference)} points ({in_pairs(gap.difference, result.setup.val_pairs)}), 95 % interval "
        f"{points_interval(gap.interval)}, p {probability(gap.p)}{verdict}. A true difference of "
        f"{size(gap.detectable)} would be detected in four of five repetitions.{_macro_f1(result)}"
    )


def _macro_f1(result: TuneResult) -> str:
    gap = result.macro_f1_difference
    if gap is None:
        return ""
    return (
        f" Macro-F1: {signed_score(gap.difference)}, 95 % interval {signed_score_interval(gap.interval)}, p "
        f"{probability(gap.p)}: {result.macro_f1_verdict}."
    )


def _range(result: TuneResult) -> Iterator[str]:
    complete = _complete(result)
    pruned = len(result.trials) - len(complete)
    low, high = (pick(complete, key=lambda trial: trial.accuracy) for pick in (min, max))
    if percent(low.accuracy) != percent(high.accuracy):
        yield (
            f"Best accuracies of the complete trials range from {percent(low.accuracy)} ({_named(complete, low)}) to "
            f"{percent(high.accuracy)} ({_named(complete, high)})."
        )
    if pruned:
        yield f"{counted(pruned, 'trial')} stopped early (pruned)."


def _named(trials: Sequence[TrialResult], one: TrialResult) -> str:
    """Return the numbers of all trials with the same accuracy as `one`, as text such as `trials 2 and 5`."""
    same = [trial.number for trial in trials if trial.accuracy == one.accuracy]
    return f"trial{'s' if len(same) > 1 else ''} {_numbers(same)}"


def _optimism(result: TuneResult) -> str:
    majority = percent(result.setup.majority_accuracy)
    return (
        "* This accuracy is optimistic for two reasons: the epoch was chosen on the pairs it is measured on, and so "
        f"was the trial. Always predicting the most frequent class gives {majority}."
    )


def tune_answer(result: TuneResult, seconds: float) -> Answer:
    """Make the answer at the top of the page. `seconds` is the duration of the experiment."""
    return Answer(
        question=QUESTION,
        headline=headline(result),
        paragraphs=tuple(findings_text(result)),
        facts=(
            ("Strategy", result.strategy),
            ("Fusion", result.fusion),
            *setup_facts(result.setup),
            ("Time", duration(seconds)),
        ),
        notes=result.notes,
    )


def tune_sections(result: TuneResult, figures: Figures) -> list[Section]:
    """Make all sections of the page below its head."""
    is_colored = len(result.trials) <= MAX_COLORED_TRIALS
    colors = "Bars have the colors of their losses" if is_colored else "Orange: the best trial"
    bars = picture(
        figures.get(TUNING),
        "Best accuracies of all trials",
        f"Each trial's best accuracy with its 95 % interval. {colors}. The star marks the best trial.",
    )
    losses = picture(
        figures.get(TRIAL_LOSSES),
        "Losses of all trials over the epochs",
        "Cross-entropy of the main head over the epochs. The thick line is the best trial.",
    )
    return [Section(title="Trials", pictures=(*bars, *losses), grids=tuple(tune_grids(result)))]
