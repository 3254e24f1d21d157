"""Train the trials of a search."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmsent_cli.experiments.arms import Arm, TrainedArm, arms_of, load, save
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.experiments.tuning.queue import PHASE, SETTINGS, TASK, Task, TaskList
from mmsent_cli.experiments.tuning.search import Search
from mmsent_cli.experiments.tuning.space import Value, configure
from mmsent_cli.experiments.tuning.trials import MODEL, Model, TrialRecord
from mmsent_cli.progress import ModelBegun, ModelDone, Stage
from mmsent_cli.run_folders import ARMS
from mmsent_cli.training.monitor import Monitor

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

ENCODER_RUNS = "encoder runs of "
"""Prefix of user attributes of the study: the encoder runs of each run's folder."""
WAITING = "waiting for trials of other processes"


class Fitted(NamedTuple):
    """A model of a trial. `is_pruned`: it was stopped early; `is_resumed`: it was read from the run folder."""

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
        """Train free tasks, and wait for the tasks of other processes, until all are finished."""
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
        """Finish a trial: train it, or copy the value of a finished trial with the same settings."""
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
        """Let the sampler choose settings. They depend on the seed, the task and the finished trials only."""
        index = int(trial.user_attrs[TASK].rpartition("-")[2])
        seed = np.random.SeedSequence([self.search.seeds[0], index]).generate_state(1)[0]
        return self.tasks.propose(trial, self.search.space, int(seed))

    def _train(self, trial: "Trial", settings: dict[str, Value], done: int) -> TrialRecord:
        """Train the models of a trial, one per seed, and save them in the study. The first may be pruned."""
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
        """Read a model from the run folder, or train it. If `trial` is given, each epoch is reported to it."""
        folder = self.experiment.run.path(ARMS)
        trained = load(folder, arm.stem)
        if trained is not None:  # the trial was killed during a later seed
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
    """Return settings as one line of text."""
    shown = {name: value if isinstance(value, str) else f"{value:.3g}" for name, value in settings.items()}
    return " ".join(f"{name}={value}" for name, value in shown.items())
