"""Share the trials of a study between processes: assign tasks, and free the tasks of processes that have died.

A process adds the next free task as a waiting trial, and then takes the oldest waiting trial in one transaction of the
database. If two processes add the same task at once, the trial with the higher number is given up. The database numbers
the trials, so both processes agree.

Rejected: Optuna's GridSampler and `Study.optimize`. The sampler can give one combination to two processes, and
`optimize` fails if another process has marked its trial as dead.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsent_cli.experiments.tuning.space import Choices, Range, Value
from mmsent_cli.experiments.tuning.study import GRACE_SECONDS, HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

TASK, PHASE, SETTINGS, BEGUN = "task", "phase", "settings", "begun"
"""User attributes of a trial. `begun` is set after the first heartbeat."""
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """A trial to train. `settings` is None if the sampler chooses them when the trial starts."""

    phase: str
    index: int
    settings: dict[str, Value] | None = None

    @property
    def key(self) -> str:
        """Name of the task in the study."""
        return f"{self.phase}-{self.index}"


class TaskList:
    """The tasks of one study.

    Args:
        study: the study with the trials.
        storage: the database of the study.
        is_shared: True if other processes may work on the study. If False, a running trial belongs to a process that
            was killed, and is given up.
    """

    def __init__(self, study: "Study", storage: "RDBStorage", is_shared: bool) -> None:
        self.study = study
        self.storage = storage
        self.is_shared = is_shared
        self._first_seen_seconds: dict[int, float] = {}
        for trial in [] if is_shared else self._in_state("RUNNING"):
            self.give_up(trial.number)

    def finished(self) -> dict[str, "FrozenTrial"]:
        """Return the finished trials by task, in the order of the trials."""
        return {trial.user_attrs[TASK]: trial for trial in self._in_state("COMPLETE", "PRUNED")}

    def take(self, tasks: Sequence[Task]) -> "Trial | None":
        """Return a trial to train, which may be of another task; None if other processes have taken all tasks."""
        self._give_up_lost()
        taken = self._live()
        missing = [task for task in tasks if task.key not in {trial.user_attrs.get(TASK) for trial in taken}]
        if missing:
            first = missing[0]
            settings = {} if first.settings is None else {SETTINGS: first.settings}
            self.study.enqueue_trial({}, user_attrs={TASK: first.key, PHASE: first.phase, **settings})
        elif not any(trial.state.name == "WAITING" for trial in taken):
            return None
        trial = self.study.ask()
        if self._is_first(trial):
            return trial
        self.give_up(trial.number)
        return None

    @contextmanager
    def holding(self, trial: "Trial") -> Iterator[None]:
        """Send heartbeats for a trial while it is trained. If the training fails, the trial is given up.

        If another process has marked the trial as dead, this process discards its work.
        """
        from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError

        try:
            with self._beating(trial):
                yield
        except UpdateFinishedTrialError:
            return
        except BaseException:
            with suppress(StorageInternalError):  # the first error is the one to raise
                self.give_up(trial.number)
            raise

    def propose(self, trial: "Trial", space: Sequence[Choices | Range], seed: int) -> dict[str, Value]:
        """Let the sampler choose the settings. They depend on the finished trials and the seed only."""
        from optuna.samplers import TPESampler

        self.study.sampler = TPESampler(seed=seed)
        settings = {item.name: item.suggest(trial) for item in space}
        trial.set_user_attr(SETTINGS, settings)
        return settings

    def complete(self, trial: "Trial", value: float) -> None:
        """Finish a trial."""
        self.study.tell(trial, value, skip_if_finished=True)

    def prune(self, trial: "Trial") -> None:
        """Finish a trial that was stopped early."""
        self._end(trial.number, "PRUNED")

    def give_up(self, number: int) -> None:
        """Mark a trial as failed, which frees its task."""
        self._end(number, "FAIL")

    def wait(self) -> None:
        """Wait for other processes."""
        time.sleep(POLL_SECONDS)

    def _end(self, number: int, state: str) -> None:
        from optuna.trial import TrialState

        self.study.tell(number, state=TrialState[state], skip_if_finished=True)

    def _in_state(self, *names: str) -> list["FrozenTrial"]:
        """Return the trials in any of these states, in order."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state.name in names]

    def _live(self) -> list["FrozenTrial"]:
        """Return the trials that are waiting, running or finished."""
        return self._in_state("WAITING", "RUNNING", "COMPLETE", "PRUNED")

    def _is_first(self, trial: "Trial") -> bool:
        """Return True if no earlier trial has the same task."""
        key = trial.user_attrs.get(TASK)
        earlier = [other.user_attrs.get(TASK) for other in self._live() if other.number < trial.number]
        return key is not None and key not in earlier

    def _give_up_lost(self) -> None:
        """Free the tasks of dead processes."""
        from optuna.storages import fail_stale_trials

        if not self.is_shared:
            return
        fail_stale_trials(self.study)
        for trial in self._in_state("RUNNING"):  # Optuna skips a trial without a heartbeat
            waited = time.monotonic() - self._first_seen_seconds.setdefault(trial.number, time.monotonic())
            if BEGUN not in trial.user_attrs and waited > GRACE_SECONDS:
                self.give_up(trial.number)

    @contextmanager
    def _beating(self, trial: "Trial") -> Iterator[None]:
        """Record a heartbeat of the trial every few seconds."""
        if not self.is_shared:
            yield
            return
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        self.storage.record_heartbeat(trial_id)
        trial.set_user_attr(BEGUN, True)
        is_over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(trial_id, is_over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _beat(self, trial_id: int, is_over: threading.Event) -> None:
        from optuna.exceptions import StorageInternalError

        while not is_over.wait(HEARTBEAT_SECONDS):
            with suppress(StorageInternalError):  # the next beat may get through
                self.storage.record_heartbeat(trial_id)
        self.storage.remove_session()
