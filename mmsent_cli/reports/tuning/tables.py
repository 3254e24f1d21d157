"""Tuning as grids: one table per phase."""

from mmsent_cli.reports.blocks import Grid
from mmsent_cli.reports.format import DASH, LOSSES, majority_macro_f1, number, number_interval, score, settings_text
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


def tune_grids(result: TuneResult) -> list[Grid]:
    """Make a table of the trials of each phase. The last row of the last table is the most frequent class."""
    grids = [_phase_grid(result, phase) for phase in phases_of(result)]
    return [grid for grid in grids if grid.rows]


def phases_of(result: TuneResult) -> list[str]:
    """Return names of the phases in order."""
    return list(dict.fromkeys(trial.phase for trial in result.trials))


def varied_settings(result: TuneResult, phase: str) -> list[str]:
    """Return names of the settings that differ between the trials of a phase; all of them where none differs."""
    trials = [trial for trial in result.trials if trial.phase == phase]
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
    return Grid(
        name=f"trials-{phase}",
        title=f"{PHASES.get(phase, phase)}{f', {shared}' if shared else ''}",
        columns=COLUMNS,
        rows=(
            *(_row(result, trial, varied) for trial in result.trials if trial.phase == phase),
            (*always, DASH, DASH, DASH),
        ),
        foot=f"{OPTIMISTIC} {LOSSES}",
        words=frozenset({0, 1}),
    )


def _row(result: TuneResult, trial: TrialResult, varied: list[str]) -> tuple[str, ...]:
    pruned = f" ({PRUNED})" if trial.state == PRUNED else ""
    return (
        f"{trial.number}{' best' if trial.number == result.best else ''}",
        settings_text({name: trial.settings[name] for name in varied if name in trial.settings}) + pruned,
        number(trial.accuracy),
        number_interval(trial.interval),
        score(trial.macro_f1),
        str(trial.best_epoch),
        score(trial.train_loss),
        score(trial.val_loss),
    )
