"""The record of a trial in the database, and the rows of the result.

Shape letters: S seeds, E epochs, N validation pairs.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsent_cli.experiments.arms import TrainedArm
from mmsent_cli.experiments.selection import nested_selection
from mmsent_cli.experiments.tuning.queue import PHASE, SETTINGS
from mmsent_cli.experiments.tuning.space import Value
from mmsent_cli.results import Difference, EpochScore, TrialResult
from mmsent_cli.stats import (
    accuracy_of,
    accuracy_scores,
    compare_scores,
    learning_findings,
    macro_f1_of,
    macro_f1_scores,
)
from mmsent_cli.training.monitor import Monitor

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MODEL = "model "
"""Prefix of user attributes, one per seed: `model 0`, `model 1`, …"""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The model of a trial for one seed.

    Attributes:
        curve: the scores of each epoch.
        best: class numbers predicted by the best epoch [N].
        nested: class numbers predicted by nested selection [N].
    """

    curve: tuple[EpochScore, ...]
    best: np.ndarray
    nested: np.ndarray

    @classmethod
    def of(cls, trained: TrainedArm, true: np.ndarray, classes: int) -> "Model":
        """Make a record of a trained model, whose training may have been stopped early."""
        nested = nested_selection(trained.predicted, true, trained.monitor, classes, trained.losses)
        return cls(trained.curve, trained.best_predicted, nested)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Model":
        """Make a record from the values of `to_plain`."""
        curve = tuple(EpochScore(**score) for score in plain["curve"])
        return cls(curve, np.array(plain["best"]), np.array(plain["nested"]))

    def to_plain(self) -> dict[str, Any]:
        """Convert the record to plain JSON values."""
        curve = [asdict(score) for score in self.curve]
        return {"curve": curve, "best": self.best.tolist(), "nested": self.nested.tolist()}


@dataclass(frozen=True, slots=True, eq=False)
class TrialRecord:
    """A finished trial. `is_complete` is False if it was stopped early."""

    phase: str
    settings: dict[str, Value]
    is_complete: bool
    models: tuple[Model, ...]

    @classmethod
    def of(cls, trial: "FrozenTrial") -> "TrialRecord":
        """Read a trial of the study. A trial that repeats earlier settings has no models."""
        attributes = trial.user_attrs
        names = [f"{MODEL}{number}" for number in range(len(attributes))]
        models = tuple(Model.from_plain(attributes[name]) for name in names if name in attributes)
        is_complete = trial.state.name == "COMPLETE"
        return cls(attributes[PHASE], attributes[SETTINGS], is_complete, models)

    def value(self, monitor: str) -> float:
        """Return the monitored metric of the best epoch, averaged over seeds."""
        metric = Monitor(monitor)
        return float(np.mean([metric.value(score) for score in self.best_scores(monitor)]))

    def best_scores(self, monitor: str) -> list[EpochScore]:
        """Return the best epoch of each model."""
        return [Monitor(monitor).best(model.curve) for model in self.models]


def rank(trials: Sequence[TrialRecord], monitor: str) -> list[int]:
    """Numbers of the complete trials, best first: by monitored metric, then validation loss, then macro-F1."""
    sign, loss = (1 if Monitor(monitor).is_loss else -1), Monitor("loss")

    def order(number: int) -> tuple[float, float, float, int]:
        best = trials[number].best_scores(monitor)
        losses, macro_f1s = [loss.value(score) for score in best], [score.macro_f1 for score in best]
        return sign * trials[number].value(monitor), float(np.mean(losses)), -float(np.mean(macro_f1s)), number

    return sorted((number for number, trial in enumerate(trials) if trial.is_complete), key=order)


def distinct(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Remove trials with repeated settings, keeping the complete trial if there is one."""
    kept: dict[tuple[tuple[str, Value], ...], TrialRecord] = {}
    for trial in trials:
        key = tuple(trial.settings.items())
        if trial.models and (key not in kept or (trial.is_complete and not kept[key].is_complete)):
            kept[key] = trial
    return list(kept.values())


def describe(
    trial: TrialRecord, number: int, true: np.ndarray, labels: Sequence[str], monitor: str, advice: str = ""
) -> TrialResult:
    """Make the row of a trial. Scores and interval are those of the best epoch; `best_epoch` is for the first seed.

    Args:
        trial: a trial with at least one model.
        number: the number of the trial.
        true: true class numbers of the validation pairs [N].
        labels: class names in order.
        monitor: accuracy, macro_f1 or loss.
        advice: what to try next if the models have learned too little.
    """
    best = trial.best_scores(monitor)
    predicted = np.stack([model.best for model in trial.models])

    def mean(name: str) -> float:
        return float(np.mean([getattr(score, name) for score in best]))

    return TrialResult(
        number=number,
        phase=trial.phase,
        settings=trial.settings,
        state="complete" if trial.is_complete else "pruned",
        accuracy=mean("accuracy"),
        macro_f1=mean("macro_f1"),
        interval=accuracy_of(accuracy_scores(true, predicted)),
        macro_f1_interval=macro_f1_of(true, predicted, len(labels)),
        best_epoch=best[0].epoch,
        train_loss=mean("train_loss"),
        val_loss=mean("val_loss"),
        curves=tuple(model.curve for model in trial.models),
        findings=learning_findings(true, predicted, labels, int(np.bincount(true).argmax()), advice),
    )


def compare_trials(
    best: TrialRecord, other: TrialRecord, true: np.ndarray, classes: int, comparisons: int = 1
) -> tuple[Difference, Difference]:
    """Test the differences in accuracy and macro-F1 of two trials, by nested selection.

    Args:
        best, other: two complete trials with the same seeds.
        true: true class numbers of the validation pairs [N].
        classes: C.
        comparisons: number of trials that the best one is compared with.
    """
    nested = [np.stack([model.nested for model in trial.models]) for trial in (best, other)]
    right = [accuracy_scores(true, predicted) for predicted in nested]
    f1 = [macro_f1_scores(true, predicted, classes) for predicted in nested]
    return compare_scores(right[0], right[1], comparisons), compare_scores(f1[0], f1[1], comparisons)
