"""Trains the trials of a search, as far as no other process does."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmsent_cli.experiments.arm import Arm, arms_of
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.experiments.selection import best_epoch
from mmsent_cli.experiments.trained_arm import TrainedArm, load, save
from mmsent_cli.experiments.tuning.queue import PHASE, SETTINGS, TASK, Task, TaskList
from mmsent_cli.experiments.tuning.search import Search
from mmsent_cli.experiments.tuning.space import Value, configure
from mmsent_cli.experiments.tuning.trials import MODEL, Model, Tried, figure
from mmsent_cli.progress import ModelBegun, ModelDone, Stage
from mmsent_cli.records import ARMS

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

ENCODER_RUNS = "encoder runs of "
"""User attributes of the study with what the process of each run's folder encoded."""
WAITING = "waiting for trials of other processes"


class Fitted(NamedTuple):
    """A model of a trial. `is_hopeless`: stopped early; `is_resumed`: read from the run's folder."""

    trained: TrainedArm
    is_hopeless: bool = False
    is_resumed: bool = False


class Tuner:
    """Trains what a search asks for.

    Args:
        experiment: trains models.
        search: what is to be tried.
        tasks: the study.
    """

    def __init__(self, experiment: Experiment, search: Search, tasks: TaskList) -> None:
        self.experiment = experiment
        self.search = search
        self.tasks = tasks
        self._heard: set[int] = set()

    def run(self) -> list[Tried]:
        """Try everything; what came of it, in the order of the search."""
        tried = self._finish(self.search.first)
        return tried + self._finish(self.search.then(tried))

    def encoder_runs(self) -> dict[str, int]:
        """Texts and images that all processes together put through an encoder."""
        attributes = self.tasks.study.user_attrs
        runs = [value for name, value in attributes.items() if name.startswith(ENCODER_RUNS)]
        return {side: sum(run[side] for run in runs) for side in ("text", "image")}

    def _finish(self, tasks: Sequence[Task]) -> list[Tried]:
        """Train what nobody has trained and wait for what others train, until all of it is there."""
        while True:
            finished = self.tasks.finished()
            self._tell(finished)
            if all(task.key in finished for task in tasks):
                return [Tried.of(finished[task.key]) for task in tasks]
            trial = self.tasks.take(tasks)
            if trial is None:
                self.experiment.progress(Stage(WAITING, 0, None, "trial"))
                self.tasks.wait()
                continue
            with self.tasks.holding(trial):
                self._try(trial, finished)

    def _try(self, trial: "Trial", finished: Mapping[str, "FrozenTrial"]) -> None:
        """Finish a trial: train it, or say the same as of an earlier one with the same settings."""
        settings = trial.user_attrs.get(SETTINGS) or self._propose(trial)
        same = [other for other in finished.values() if other.user_attrs[SETTINGS] == settings]
        values = [other.value for other in same if other.state.name == "COMPLETE"]
        if values and values[0] is not None:
            self.tasks.complete(trial, values[0])
            return
        tried = self._train(trial, settings, len(finished))
        run = self.experiment.run.name
        self.tasks.study.set_user_attr(f"{ENCODER_RUNS}{run}", self.experiment.encoder_runs())
        if tried.is_complete:
            self.tasks.complete(trial, tried.value(self.search.monitor))
        else:
            self.tasks.prune(trial)
        self._heard.add(trial.number)

    def _propose(self, trial: "Trial") -> dict[str, Value]:
        """Settings from the sampler, decided by the seed, the task, and the trials finished before."""
        index = int(trial.user_attrs[TASK].rpartition("-")[2])
        seed = np.random.SeedSequence([self.search.seeds[0], index]).generate_state(1)[0]
        return self.tasks.propose(trial, self.search.space, int(seed))

    def _train(self, trial: "Trial", settings: dict[str, Value], done: int) -> Tried:
        """Train the trial's models, one a seed, and keep them in the study; the first may end the trial early."""
        models: list[Model] = []
        is_complete = True
        for arm in self._arms(trial, settings):
            self._begin(settings, arm.seed, done, len(models))
            fitted = self._fit(arm, settings, None if models else trial)
            models.append(Model.of(fitted.trained, self.experiment.true, len(self.experiment.plan.dataset.labels)))
            trial.set_user_attr(f"{MODEL}{len(models) - 1}", models[-1].to_plain())
            self._end(settings, arm.seed, models[-1], fitted.is_resumed)
            if fitted.is_hopeless:
                is_complete = False
                break
        return Tried(trial.user_attrs[PHASE], settings, is_complete, tuple(models))

    def _arms(self, trial: "Trial", settings: dict[str, Value]) -> list[Arm]:
        digest = hashlib.sha256(json.dumps(settings).encode("utf-8")).hexdigest()[:12]
        config = configure(self.experiment.plan, settings)
        return arms_of(f"{trial.user_attrs[TASK]}-{digest}", config, self.search.seeds)

    def _fit(self, arm: Arm, settings: dict[str, Value], trial: "Trial | None") -> Fitted:
        """Train a model, unless the run's folder has it; reports each epoch to the trial, if there is one."""
        folder = self.experiment.run.path(ARMS)
        trained = load(folder, arm.stem)
        if trained is not None:  # of a trial that was killed with other seeds to go
            for epoch in range(1, len(trained.curve) + 1):
                self._report(trial, trained, epoch)
            return Fitted(trained, is_resumed=True)
        for trained in self.experiment.epochs(arm, shown_as=name_of(settings)):
            epoch = len(trained.curve)
            self._report(trial, trained, epoch)
            if trial is not None and epoch < arm.config.fit.epochs and trial.should_prune():
                return Fitted(trained, is_hopeless=True)
        assert trained is not None
        save(folder, arm.stem, trained)
        return Fitted(trained)

    def _report(self, trial: "Trial | None", trained: TrainedArm, epoch: int) -> None:
        if trial is not None:
            trial.report(figure(trained.curve[epoch - 1], self.search.monitor), epoch)

    def _tell(self, finished: Mapping[str, "FrozenTrial"]) -> None:
        """Report trials that an earlier or another process finished."""
        for done, trial in enumerate(finished.values()):
            if trial.number not in self._heard:
                self._heard.add(trial.number)
                tried = Tried.of(trial)
                for number, model in enumerate(tried.models):
                    self._begin(tried.settings, self.search.seeds[number], done, number)
                    self._end(tried.settings, self.search.seeds[number], model, is_resumed=True)

    def _begin(self, settings: dict[str, Value], seed: int, trials: int, models: int) -> None:
        per_trial = len(self.search.seeds)
        number, total = trials * per_trial + models + 1, self.search.total * per_trial
        epochs = configure(self.experiment.plan, settings).fit.epochs
        self.experiment.progress(ModelBegun(name_of(settings), seed, number, total, epochs))

    def _end(self, settings: dict[str, Value], seed: int, model: Model, is_resumed: bool) -> None:
        best = best_epoch(model.curve, self.search.monitor)
        self.experiment.progress(ModelDone(name_of(settings), seed, best.accuracy, best.macro_f1, is_resumed))


def name_of(settings: dict[str, Value]) -> str:
    """Settings on one line, for people."""
    shown = {name: value if isinstance(value, str) else f"{value:.3g}" for name, value in settings.items()}
    return " ".join(f"{name}={value}" for name, value in shown.items())
