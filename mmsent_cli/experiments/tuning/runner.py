"""Train the trials of a search, and record them.

Shape letters: S seeds, E epochs, N validation pairs.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmsent_cli.config import ResolvedModel
from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.experiments.arms import Arm, TrainedArm, arms_of, load, nested_selection, save, seeds_of
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.experiments.tuning.space import Value, combinations, configure, parse_space
from mmsent_cli.experiments.tuning.study import PHASE, SETTINGS, TASK, Task, TaskList
from mmsent_cli.progress import ModelBegun, ModelDone, Stage
from mmsent_cli.results import Difference, EpochScore, TrialResult
from mmsent_cli.run_folders import ARMS
from mmsent_cli.stats import (
    accuracy_of,
    accuracy_scores,
    compare_scores,
    learning_findings,
    macro_f1_of,
    macro_f1_scores,
)
from mmsent_cli.training.metrics import Monitor
from mmsent_cli.training.plan import Plan

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

MODEL = "model "
"""Prefix of the names under which the models of a trial are saved in the database, one per seed: `model 0`, `model 1`,
…"""


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
    """A finished trial. `is_complete` is False if the trial was stopped early."""

    phase: str
    settings: dict[str, Value]
    is_complete: bool
    models: tuple[Model, ...]

    @classmethod
    def of(cls, trial: "FrozenTrial") -> "TrialRecord":
        """Read a trial of the study. `models` is empty if an earlier trial had the same settings."""
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
        """Return the scores of each model at its best epoch."""
        return [Monitor(monitor).best(model.curve) for model in self.models]


def rank(trials: Sequence[TrialRecord], monitor: str) -> list[int]:
    """Return the numbers of the complete trials, best first: by monitored metric, validation loss, then macro-F1."""
    sign, loss = (1 if Monitor(monitor).is_loss else -1), Monitor("loss")

    def order(number: int) -> tuple[float, float, float, int]:
        best = trials[number].best_scores(monitor)
        losses, macro_f1s = [loss.value(score) for score in best], [score.macro_f1 for score in best]
        return sign * trials[number].value(monitor), float(np.mean(losses)), -float(np.mean(macro_f1s)), number

    return sorted((number for number, trial in enumerate(trials) if trial.is_complete), key=order)


def distinct(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Leave out trials that repeat earlier settings. Of trials with the same settings, a complete one is preferred."""
    kept: dict[tuple[tuple[str, Value], ...], TrialRecord] = {}
    for trial in trials:
        key = tuple(trial.settings.items())
        if trial.models and (key not in kept or (trial.is_complete and not kept[key].is_complete)):
            kept[key] = trial
    return list(kept.values())


def describe(
    trial: TrialRecord, number: int, true: np.ndarray, labels: Sequence[str], monitor: str, advice: str = ""
) -> TrialResult:
    """Make the row of a trial in the result. Its scores are from the best epoch; `best_epoch` is for the first seed.

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
    """Test the differences between two trials in accuracy and in macro-F1. The predictions are from nested selection.

    Args:
        best, other: two complete trials with the same seeds.
        true: true class numbers of the validation pairs [N].
        classes: number of classes.
        comparisons: number of trials that the best trial is compared with.
    """
    nested = [np.stack([model.nested for model in trial.models]) for trial in (best, other)]
    right = [accuracy_scores(true, predicted) for predicted in nested]
    f1 = [macro_f1_scores(true, predicted, classes) for predicted in nested]
    return compare_scores(right[0], right[1], comparisons), compare_scores(f1[0], f1[1], comparisons)


ENCODER_RATE = "encoder_lr"
RATE_NAMES = (ENCODER_RATE, "head_lr")
RATE_DIGITS = 12
"""Significant digits to which rates are rounded, so that 0.2 times 5e-5 is 1e-5."""


class Search:
    """The trials of a tuning.

    There are three strategies. `sequence` first multiplies the learning rates of the plan by each factor in `rates`,
    with the first weight decay. Then it tries the other weight decays with the best rates. If no encoder is
    trained, only the learning rate of the head is multiplied. `grid` tries every combination of the space. `tpe` tries
    settings that a sampler chooses.

    Args:
        plan: pairs and settings of all trials.
        settings: settings of `tune`.
        is_frozen: True if no encoder is trained, so that its learning rate has no effect.

    Attributes:
        first: the tasks that do not depend on the results of other tasks.
        models: all different model configurations of the trials. With `tpe`, the trials are not known in advance. So
            `models` has a configuration for each value of each setting in the space (of a range, only its limits).
        total: the number of trials.

    Raises:
        ConfigError: the space cannot be searched, or a setting is incompatible with the plan.
    """

    def __init__(self, plan: Plan, settings: TuneSettings, is_frozen: bool = False) -> None:
        self.plan = plan
        self.settings = settings
        self.is_frozen = is_frozen
        self.monitor = plan.config.fit.monitor
        self.seeds = seeds_of(plan.config, settings.seeds)
        self.space = parse_space(settings.space)
        self.decays = tuple(dict.fromkeys(settings.decays))
        self.models: tuple[ResolvedModel, ...] = ()
        self.first = self._begin()
        self.total = len(self.first) + (len(self.decays) - 1 if settings.strategy == "sequence" else 0)

    def with_frozen_encoders(self) -> "Search":
        """Return the same search without the learning rate of the encoders."""
        return Search(self.plan, self.settings, is_frozen=True)

    def then(self, trials: Sequence[TrialRecord]) -> list[Task]:
        """Return the second round of tasks: with `sequence`, the other weight decays at the best rates; else none."""
        if self.settings.strategy != "sequence":
            return []
        best = trials[rank(trials, self.monitor)[0]].settings
        return [Task("decays", index, {**best, "weight_decay": decay}) for index, decay in enumerate(self.decays[1:])]

    def _begin(self) -> list[Task]:
        if self.settings.strategy == "tpe":
            self._check([{item.name: value} for item in self.space for value in item.values])
            return [Task("tpe", index) for index in range(self.settings.trials)]
        is_grid = self.settings.strategy == "grid"
        settings = combinations(self.space) if is_grid else self._rates()
        self._check(settings)
        return [Task("grid" if is_grid else "rates", index, chosen) for index, chosen in enumerate(settings)]

    def _rates(self) -> list[dict[str, Value]]:
        fit = self.plan.config.fit
        names = [name for name in RATE_NAMES if not (self.is_frozen and name == ENCODER_RATE)]
        return [
            {**{name: _times(getattr(fit, name), factor) for name in names}, "weight_decay": self.decays[0]}
            for factor in dict.fromkeys(self.settings.rates)
        ]

    def _check(self, settings: Sequence[dict[str, Value]]) -> None:
        """Check that the plan can be combined with each of the settings, and set `models`. Nothing is trained yet."""
        self.models = tuple(dict.fromkeys(configure(self.plan, chosen).model for chosen in settings))


def _times(rate: float, factor: float) -> float:
    return float(f"{rate * factor:.{RATE_DIGITS}g}")


ENCODER_RUNS = "encoder runs of "
"""Prefix of the names under which the study has, for each run folder, the numbers of encoded texts and images."""
WAITING = "waiting for trials of other processes"


class Fitted(NamedTuple):
    """A trained model of a trial. `is_pruned`: it was stopped early. `is_resumed`: it was read from the run folder."""

    trained: TrainedArm
    is_pruned: bool = False
    is_resumed: bool = False


class Tuner:
    """Trains the trials of a search.

    Args:
        experiment: the experiment, which trains models.
        search: the trials to train.
        tasks: the tasks of the study.
    """

    def __init__(self, experiment: Experiment, search: Search, tasks: TaskList) -> None:
        self.experiment = experiment
        self.search = search
        self.tasks = tasks
        self._reported: set[int] = set()

    def run(self) -> list[TrialRecord]:
        """Train all trials, and return their records in the order of the search."""
        trials = self._finish(self.search.first)
        return trials + self._finish(self.search.then(trials))

    def encoder_runs(self) -> dict[str, int]:
        """Return the numbers of texts and images encoded by all processes."""
        attributes = self.tasks.study.user_attrs
        runs = [value for name, value in attributes.items() if name.startswith(ENCODER_RUNS)]
        return {side: sum(run[side] for run in runs) for side in ("text", "image")}

    def _finish(self, tasks: Sequence[Task]) -> list[TrialRecord]:
        """Train free tasks and wait for the tasks of other processes, until all tasks are finished."""
        while True:
            finished = self.tasks.finished()
            self._report_finished(finished)
            if all(task.key in finished for task in tasks):
                return [TrialRecord.of(finished[task.key]) for task in tasks]
            trial = self.tasks.take(tasks)
            if trial is None:
                self.experiment.progress(Stage(WAITING, 0, None, "trial"))
                self.tasks.wait()
                continue
            with self.tasks.holding(trial):
                self._run_trial(trial, finished)

    def _run_trial(self, trial: "Trial", finished: Mapping[str, "FrozenTrial"]) -> None:
        """Finish a trial: train its models, or copy the value of a finished trial with the same settings."""
        settings = trial.user_attrs.get(SETTINGS) or self._propose(trial)
        same = [other for other in finished.values() if other.user_attrs[SETTINGS] == settings]
        values = [other.value for other in same if other.state.name == "COMPLETE"]
        if values and values[0] is not None:
            self.tasks.complete(trial, values[0])
            return
        record = self._train(trial, settings, len(finished))
        run = self.experiment.run.name
        self.tasks.study.set_user_attr(f"{ENCODER_RUNS}{run}", self.experiment.encoder_runs())
        if record.is_complete:
            self.tasks.complete(trial, record.value(self.search.monitor))
        else:
            self.tasks.prune(trial)
        self._reported.add(trial.number)

    def _propose(self, trial: "Trial") -> dict[str, Value]:
        """Make the sampler choose settings. They depend only on the seed, the task number and the finished trials."""
        index = int(trial.user_attrs[TASK].rpartition("-")[2])
        seed = np.random.SeedSequence([self.search.seeds[0], index]).generate_state(1)[0]
        return self.tasks.propose(trial, self.search.space, int(seed))

    def _train(self, trial: "Trial", settings: dict[str, Value], done: int) -> TrialRecord:
        """Train the models of a trial, one per seed, and save them in the study. Only the first model may be pruned."""
        models: list[Model] = []
        is_complete = True
        for arm in self._arms(trial, settings):
            self._begin(settings, arm.seed, done, len(models))
            fitted = self._fit(arm, settings, None if models else trial)
            models.append(Model.of(fitted.trained, self.experiment.true, len(self.experiment.plan.dataset.labels)))
            trial.set_user_attr(f"{MODEL}{len(models) - 1}", models[-1].to_plain())
            self._end(settings, arm.seed, models[-1], fitted.is_resumed)
            if fitted.is_pruned:
                is_complete = False
                break
        return TrialRecord(trial.user_attrs[PHASE], settings, is_complete, tuple(models))

    def _arms(self, trial: "Trial", settings: dict[str, Value]) -> list[Arm]:
        digest = hashlib.sha256(json.dumps(settings).encode("utf-8")).hexdigest()[:12]
        config = configure(self.experiment.plan, settings)
        return arms_of(f"{trial.user_attrs[TASK]}-{digest}", config, self.search.seeds)

    def _fit(self, arm: Arm, settings: dict[str, Value], trial: "Trial | None") -> Fitted:
        """Read a model from the run folder, or train it. If `trial` is given, it receives the metric of each epoch."""
        folder = self.experiment.run.path(ARMS)
        trained = load(folder, arm.stem)
        if trained is not None:  # the trial was killed while a model with a later seed was trained
            for epoch in range(1, len(trained.curve) + 1):
                self._report_epoch(trial, trained, epoch)
            return Fitted(trained, is_resumed=True)
        for trained in self.experiment.epochs(arm, shown_as=name_of(settings)):
            epoch = len(trained.curve)
            self._report_epoch(trial, trained, epoch)
            if trial is not None and epoch < arm.config.fit.epochs and trial.should_prune():
                return Fitted(trained, is_pruned=True)
        assert trained is not None
        save(folder, arm.stem, trained)
        return Fitted(trained)

    def _report_epoch(self, trial: "Trial | None", trained: TrainedArm, epoch: int) -> None:
        if trial is not None:
            trial.report(Monitor(self.search.monitor).value(trained.curve[epoch - 1]), epoch)

    def _report_finished(self, finished: Mapping[str, "FrozenTrial"]) -> None:
        """Send progress events for trials that other processes have finished."""
        for done, trial in enumerate(finished.values()):
            if trial.number not in self._reported:
                self._reported.add(trial.number)
                record = TrialRecord.of(trial)
                for number, model in enumerate(record.models):
                    self._begin(record.settings, self.search.seeds[number], done, number)
                    self._end(record.settings, self.search.seeds[number], model, is_resumed=True)

    def _begin(self, settings: dict[str, Value], seed: int, done: int, models: int) -> None:
        per_trial = len(self.search.seeds)
        number, total = done * per_trial + models + 1, self.search.total * per_trial
        epochs = configure(self.experiment.plan, settings).fit.epochs
        self.experiment.progress(ModelBegun(name_of(settings), seed, number, total, epochs))

    def _end(self, settings: dict[str, Value], seed: int, model: Model, is_resumed: bool) -> None:
        best = Monitor(self.search.monitor).best(model.curve)
        self.experiment.progress(ModelDone(name_of(settings), seed, best.accuracy, best.macro_f1, is_resumed))


def name_of(settings: dict[str, Value]) -> str:
    """Return settings as one line of text, such as `encoder_lr=1e-05 fusion=gmu`."""
    shown = {name: value if isinstance(value, str) else f"{value:.3g}" for name, value in settings.items()}
    return " ".join(f"{name}={value}" for name, value in shown.items())
