"""Tuning as grids: one table per phase."""

import math

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.format import (
    DASH,
    LOSSES,
    listed,
    majority_macro_f1,
    number,
    number_interval,
    score,
    settings_text,
)
from mmsent_cli.results import TrialResult, TuneResult

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
    """Make a table of the trials of each phase. The last row of the last table is the most frequent class."""
    grids = [_phase_grid(result, phase) for phase in phases_of(result)]
    return [grid for grid in grids if grid.rows]


def phases_of(result: TuneResult) -> list[str]:
    """Return names of the phases in order."""
    return list(dict.fromkeys(trial.phase for trial in result.trials))


def trials_of(result: TuneResult, phase: str) -> list[TrialResult]:
    """Return the trials of a phase. Weight decays begin with the trial of the best learning rate, where it has another
    decay than all of them.
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
    """Return the validation loss of each trial by its number, with so many decimals that different losses differ."""
    losses = {trial.number: trial.val_loss for trial in result.trials}
    for decimals in range(3, MOST_DECIMALS):
        shown = {number: f"{loss:.{decimals}f}" for number, loss in losses.items()}
        if len(set(shown.values())) == len(set(losses.values())):
            break
    return {number: text if math.isfinite(losses[number]) else DASH for number, text in shown.items()}


def varied_settings(result: TuneResult, phase: str) -> list[str]:
    """Return names of the settings that differ between the trials of a phase; all of them where none differs."""
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
