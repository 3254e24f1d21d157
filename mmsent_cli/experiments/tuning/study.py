"""The study of a tuning: the trials in a database. A task is a trial to train. Several processes can share the tasks.

Optuna is imported inside functions, since its import takes nearly a second and only `tune` needs it.

A process adds the next free task to the study as a waiting trial. Then it takes the oldest waiting trial, in one
transaction of the database. If two processes add the same task at once, the trial with the higher number is given up.
The database numbers the trials, so both processes agree. The tasks of processes that have died become free again.

Rejected: Optuna's GridSampler and `Study.optimize`. The sampler can give one combination to two processes, and
`optimize` fails if another process has marked its trial as dead.
"""

import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.experiments.tuning.space import Choices, Range, Value

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
"""Time without a heartbeat after which a process counts as dead."""
LOCK_TIMEOUT_SECONDS = 60
"""Time that SQLite waits for the lock of another process."""
CONNECT_ATTEMPTS = 10
FIRST_PRUNED_EPOCH = 2
"""Earliest epoch after which a trial can be stopped early. In the first epoch, the learning rate mostly warms up."""
DIGEST = "digest"
Direction = Literal["maximize", "minimize"]
URL_HINT = "give a database URL, such as sqlite:///study.db or postgresql://user@host/name"


def open_study(
    settings: TuneSettings, own_file: Path, direction: Direction, digest: str
) -> tuple["Study", "RDBStorage"]:
    """Open the study that the settings name, or create it. Returns the study and its database.

    Args:
        settings: settings of `tune`.
        own_file: the SQLite file to use if the settings have no storage.
        direction: `maximize` or `minimize`, for the monitored metric.
        digest: digest of everything that affects the trials.

    Raises:
        ConfigError: the database cannot be opened, or its study has another digest or direction.
    """
    import optuna

    url = _file_url(own_file) if settings.storage is None else settings.storage
    try:
        storage = _connect(url, is_shared=settings.storage is not None)
        study = optuna.create_study(
            storage=storage,
            study_name=settings.study,
            direction=direction,
            pruner=_pruner(settings),
            load_if_exists=True,
        )
    except optuna.exceptions.StorageInternalError as error:
        raise _cannot_open(url, error) from error
    _require_same(study, direction, digest)
    return study, storage


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log and its warnings about experimental features."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # about `optimize`
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise an MmsentError instead of Optuna's error if the database fails in a `with` block."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as error:
        raise MmsentError(
            f"the database of the trials failed: {_reason(error)}",
            "repair the database, then continue with --resume; finished trials are kept",
        ) from error


def _connect(url: str, is_shared: bool) -> "RDBStorage":
    """Open a database. If another process creates its tables at the same time, try again.

    Raises:
        ConfigError: the database cannot be opened.
    """
    from sqlalchemy.exc import SQLAlchemyError

    for attempt in range(1, CONNECT_ATTEMPTS + 1):
        try:
            return _open(url, is_shared)
        except (SQLAlchemyError, ImportError, LookupError, ValueError, RuntimeError, AssertionError) as error:
            if attempt == CONNECT_ATTEMPTS or not _is_race(error):
                raise _cannot_open(url, error) from error
            time.sleep(0.1 * attempt)
    raise AssertionError("the last attempt returns or raises")


def _open(url: str, is_shared: bool) -> "RDBStorage":
    from optuna.storages import RDBStorage
    from sqlalchemy import event, make_url

    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite and (parsed.database in (None, "", ":memory:") or parsed.query.get("mode") == "memory"):
        raise ValueError("a database in memory is lost when the process ends")
    arguments = {"connect_args": {"timeout": LOCK_TIMEOUT_SECONDS}} if is_sqlite else {}
    beating: dict[str, Any] = {"heartbeat_interval": HEARTBEAT_SECONDS, "grace_period": GRACE_SECONDS}
    storage = RDBStorage(url, engine_kwargs=arguments, **(beating if is_shared else {}))
    if is_sqlite:
        # SQLite has no SELECT FOR UPDATE. A lock from the beginning of each transaction has the same effect: no two
        # processes take the same trial.
        event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return storage


def _file_url(path: Path) -> str:
    """Return the database URL of an SQLite file."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def _pruner(settings: TuneSettings) -> Any:
    from optuna.pruners import MedianPruner, NopPruner

    return MedianPruner(n_warmup_steps=FIRST_PRUNED_EPOCH) if settings.pruning else NopPruner()


def _require_same(study: "Study", direction: Direction, digest: str) -> None:
    """Record the digest in a new study. For an existing study, check its digest and direction."""
    recorded = study.user_attrs.get(DIGEST)
    is_new = recorded is None and not study.trials
    if study.direction.name.lower() != direction or not (is_new or recorded == digest):
        raise ConfigError(
            f"the trials named {study.study_name!r} in this database were made with other settings or other data",
            "choose another name with --study, or use the settings and the data of these trials",
        )
    if is_new:
        study.set_user_attr(DIGEST, digest)


def _is_race(error: Exception) -> bool:
    """Return True for an error that may occur if two processes create the same tables at the same time."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error, (IntegrityError, AssertionError)) or "exists" in str(error)


def _cannot_open(url: str, error: Exception) -> ConfigError:
    if isinstance(error, ImportError):
        driver = getattr(error.__cause__, "name", None) or error
        return ConfigError(
            f"--storage {_shown(url)}: the database driver {driver} is not installed",
            "install the package of this driver",
        )
    return ConfigError(f"--storage {_shown(url)} cannot be opened: {_reason(error)}", URL_HINT)


def _shown(url: str) -> str:
    """Return the URL without its password, or "URL" if it cannot be parsed."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "URL"


def _reason(error: BaseException) -> str:
    """Return the error message of the database as one line, without the SQL statement."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return str(getattr(deepest, "orig", None) or deepest).splitlines()[0]


TASK, PHASE, SETTINGS, BEGUN = "task", "phase", "settings", "begun"
"""Names of values that mmsent saves with a trial in the database. `begun` is saved after the first heartbeat."""
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """A trial to train. `settings` is None if a sampler chooses the settings when the trial starts."""

    phase: str
    index: int
    settings: dict[str, Value] | None = None

    @property
    def key(self) -> str:
        """Name of the task in the study, such as `rates-0`."""
        return f"{self.phase}-{self.index}"


class TaskList:
    """The tasks of one study.

    Args:
        study: the study with the trials.
        storage: the database of the study.
        is_shared: True if other processes may work on the study. If False, a trial with the state "running" was left by
            a killed process, so this trial is given up.
    """

    def __init__(self, study: "Study", storage: "RDBStorage", is_shared: bool) -> None:
        self.study = study
        self.storage = storage
        self.is_shared = is_shared
        self._first_seen_seconds: dict[int, float] = {}
        for trial in [] if is_shared else self._in_state("RUNNING"):
            self.give_up(trial.number)

    def finished(self) -> dict[str, "FrozenTrial"]:
        """Return the finished trials by the names of their tasks, in the order of the trials."""
        return {trial.user_attrs[TASK]: trial for trial in self._in_state("COMPLETE", "PRUNED")}

    def take(self, tasks: Sequence[Task]) -> "Trial | None":
        """Return a trial to train, or None if no trial is free now.

        If `tasks` has a task without a trial, a trial is added for it. But the oldest waiting trial is returned,
        which may belong to another task.
        """
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
        """Send heartbeats for a trial while it is trained. If the training fails, give up the trial.

        If another process has marked the trial as dead, the result of this process is discarded.
        """
        from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError

        try:
            with self._beating(trial):
                yield
        except UpdateFinishedTrialError:
            return
        except BaseException:
            with suppress(StorageInternalError):  # the error of the training is raised instead
                self.give_up(trial.number)
            raise

    def propose(self, trial: "Trial", space: Sequence[Choices | Range], seed: int) -> dict[str, Value]:
        """Make the sampler choose settings for a trial. They depend only on the finished trials and on the seed."""
        from optuna.samplers import TPESampler

        self.study.sampler = TPESampler(seed=seed)
        settings = {item.name: item.suggest(trial) for item in space}
        trial.set_user_attr(SETTINGS, settings)
        return settings

    def complete(self, trial: "Trial", value: float) -> None:
        """Mark a trial as complete. `value` is its monitored metric."""
        self.study.tell(trial, value, skip_if_finished=True)

    def prune(self, trial: "Trial") -> None:
        """Mark a trial as pruned, which means stopped early."""
        self._end(trial.number, "PRUNED")

    def give_up(self, number: int) -> None:
        """Mark a trial as failed, which frees its task."""
        self._end(number, "FAIL")

    def wait(self) -> None:
        """Wait a moment for other processes."""
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
        for trial in self._in_state("RUNNING"):  # Optuna does not fail a trial without any heartbeat
            waited = time.monotonic() - self._first_seen_seconds.setdefault(trial.number, time.monotonic())
            if BEGUN not in trial.user_attrs and waited > GRACE_SECONDS:
                self.give_up(trial.number)

    @contextmanager
    def _beating(self, trial: "Trial") -> Iterator[None]:
        """Record a heartbeat of the trial every few seconds while the block runs."""
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
            with suppress(StorageInternalError):  # the next heartbeat may be recorded
                self.storage.record_heartbeat(trial_id)
        self.storage.remove_session()
