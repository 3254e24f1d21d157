"""The trials of a study as tasks, shared by all processes that work on it: who does what, and who is gone.

A process adds the next task that nobody has as a waiting trial, and takes the oldest one that waits; taking is one
transaction of the database. Where two processes added the same task at once, the trial with the higher number is given
up: the database numbers trials in the order in which they are added, so both processes see the same one first.

Rejected: Optuna's GridSampler and `Study.optimize`. The sampler hands out a combination twice when processes meet, and
`optimize` ends in an error when another process has taken its trial for lost.
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
"""User attributes of a trial. `begun` follows its first heartbeat."""
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """A trial to be made. `settings` is None where the sampler proposes them when the trial begins."""

    phase: str
    index: int
    settings: dict[str, Value] | None = None

    @property
    def key(self) -> str:
        """Its name in the study."""
        return f"{self.phase}-{self.index}"


class TaskList:
    """The tasks of one study.

    Args:
        study: where the trials are.
        storage: the study's own.
        is_shared: whether other processes may work on it. If not, what is running now belongs to a process that is
            gone, and is given up.
    """

    def __init__(self, study: "Study", storage: "RDBStorage", is_shared: bool) -> None:
        self.study = study
        self.storage = storage
        self.is_shared = is_shared
        self._seen: dict[int, float] = {}
        for trial in [] if is_shared else self._in_state("RUNNING"):
            self.give_up(trial.number)

    def finished(self) -> dict[str, "FrozenTrial"]:
        """Every finished trial by its task, in the order of the trials."""
        return {trial.user_attrs[TASK]: trial for trial in self._in_state("COMPLETE", "PRUNED")}

    def take(self, tasks: Sequence[Task]) -> "Trial | None":
        """A task to do now, not always one of these; None if other processes have them all."""
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
        """Keep a trial alive while it is trained, and give it up if that fails.

        If another process has taken this one for dead meanwhile, its work is dropped.
        """
        from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError

        try:
            with self._beating(trial):
                yield
        except UpdateFinishedTrialError:
            return
        except BaseException:
            with suppress(StorageInternalError):  # the first error is the one to tell
                self.give_up(trial.number)
            raise

    def propose(self, trial: "Trial", space: Sequence[Choices | Range], seed: int) -> dict[str, Value]:
        """Let the sampler choose settings, from the finished trials and a seed alone."""
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
        self._tell(trial.number, "PRUNED")

    def give_up(self, number: int) -> None:
        """Leave a trial; its task is free again."""
        self._tell(number, "FAIL")

    def wait(self) -> None:
        """Let the other processes work."""
        time.sleep(POLL_SECONDS)

    def _tell(self, number: int, state: str) -> None:
        from optuna.trial import TrialState

        self.study.tell(number, state=TrialState[state], skip_if_finished=True)

    def _in_state(self, *names: str) -> list["FrozenTrial"]:
        """Trials in any of these states, by number."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state.name in names]

    def _live(self) -> list["FrozenTrial"]:
        """Trials that are finished or will be."""
        return self._in_state("WAITING", "RUNNING", "COMPLETE", "PRUNED")

    def _is_first(self, trial: "Trial") -> bool:
        """Whether a taken trial has a task, and no earlier trial has the same one."""
        key = trial.user_attrs.get(TASK)
        earlier = [other.user_attrs.get(TASK) for other in self._live() if other.number < trial.number]
        return key is not None and key not in earlier

    def _give_up_lost(self) -> None:
        """Free the tasks of processes that are gone."""
        from optuna.storages import fail_stale_trials

        if not self.is_shared:
            return
        fail_stale_trials(self.study)
        for trial in self._in_state("RUNNING"):  # Optuna overlooks a trial that ended before its first heartbeat
            waited = time.monotonic() - self._seen.setdefault(trial.number, time.monotonic())
            if BEGUN not in trial.user_attrs and waited > GRACE_SECONDS:
                self.give_up(trial.number)

    @contextmanager
    def _beating(self, trial: "Trial") -> Iterator[None]:
        """Tell the other processes every few seconds that this one is alive."""
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
