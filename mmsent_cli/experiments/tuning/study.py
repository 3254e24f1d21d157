"""Open the study, a database in which Optuna keeps the trials.

Optuna is imported inside functions, since the import takes most of a second and only `tune` needs it.
"""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.experiments.settings import TuneSettings

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage

HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 60
"""Time without a heartbeat after which a process counts as dead."""
LOCK_TIMEOUT_SECONDS = 60
"""Time that SQLite waits for the lock of another process."""
CONNECT_ATTEMPTS = 10
FIRST_PRUNED_EPOCH = 2
"""Earliest epoch after which a trial can be stopped; the first epoch is mostly warm-up."""
DIGEST = "digest"
Direction = Literal["maximize", "minimize"]
URL_HINT = "give a database URL, such as sqlite:///study.db or postgresql://user@host/name"


def open_study(
    settings: TuneSettings, own_file: Path, direction: Direction, digest: str
) -> tuple["Study", "RDBStorage"]:
    """Open the study of the settings, or create it.

    Args:
        settings: settings of `tune`.
        own_file: the SQLite file to use if no storage is given.
        direction: `maximize` or `minimize`, for the monitored metric.
        digest: digest of everything that determines the trials.

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
            warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # see `queue.py`
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def database_errors() -> Iterator[None]:
    """Return a context manager that raises an MmsentError if the database fails."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as error:
        raise MmsentError(
            f"the database of the trials failed: {_reason(error)}",
            "repair the database, then continue with --resume; finished trials are kept",
        ) from error


def _connect(url: str, is_shared: bool) -> "RDBStorage":
    """Open a database. Tries again if another process creates its tables at the same time.

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
    """Return the URL of an SQLite file with any name."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def _pruner(settings: TuneSettings) -> Any:
    from optuna.pruners import MedianPruner, NopPruner

    return MedianPruner(n_warmup_steps=FIRST_PRUNED_EPOCH) if settings.pruning else NopPruner()


def _require_same(study: "Study", direction: Direction, digest: str) -> None:
    """Record the digest of a new study, or check the digest and the direction of an existing one."""
    recorded = study.user_attrs.get(DIGEST)
    is_new = recorded is None and not study.trials
    if study.direction.name.lower() != direction or not (is_new or recorded == digest):
        raise ConfigError(
            f"the study {study.study_name!r} in this database was made with other settings or other data",
            "choose another name with --study, or use the settings of that study",
        )
    if is_new:
        study.set_user_attr(DIGEST, digest)


def _is_race(error: Exception) -> bool:
    """Return True if an error may come from two processes that create the same tables at the same time."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error, (IntegrityError, AssertionError)) or "exists" in str(error)


def _cannot_open(url: str, error: Exception) -> ConfigError:
    if isinstance(error, ImportError):
        driver = getattr(error.__cause__, "name", None) or error
        return ConfigError(
            f"--storage {_shown(url)}: its driver is missing, no module {driver}", "install the package of that driver"
        )
    return ConfigError(f"--storage {_shown(url)} cannot be opened: {_reason(error)}", URL_HINT)


def _shown(url: str) -> str:
    """Return the URL without its password. If it cannot be parsed, it may contain a password, so return "URL"."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "URL"


def _reason(error: BaseException) -> str:
    """Return the message of the database, without the SQL statement."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return str(getattr(deepest, "orig", None) or deepest).splitlines()[0]
