"""A study in a database: opening it, and refusing one that cannot be used. Optuna keeps the trials there.

Imports Optuna inside its functions: it takes most of a second, and only `tune` needs it.
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
"""A process that has not been heard of for so long is taken for dead."""
PATIENCE_SECONDS = 60
"""How long SQLite waits for another process to let go of the file."""
ATTEMPTS = 10
FIRST_PRUNED_EPOCH = 2
"""No trial is stopped after its first epoch, most of which is warm-up."""
DIGEST = "digest"
Direction = Literal["maximize", "minimize"]
URLS = "give a database URL, such as sqlite:///study.db or postgresql://user@host/name"


def open_study(
    settings: TuneSettings, own_file: Path, direction: Direction, digest: str
) -> tuple["Study", "RDBStorage"]:
    """The study that the settings name, made if there is none yet.

    Args:
        settings: of `tune`.
        own_file: SQLite file used where no storage is given.
        direction: where better figures lie.
        digest: of everything that the trials depend on.

    Raises:
        ConfigError: the storage cannot be opened, or the study there is about something else.
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
    """Keep Optuna's log and its remarks on its own interface off the terminal."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")  # `tasks.py` keeps one
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def database_errors() -> Iterator[None]:
    """A database that fails in the middle of the work, as an expected failure."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as error:
        raise MmsentError(
            f"the study's database failed: {_reason(error)}",
            "mend it, then go on with --resume; finished trials are kept",
        ) from error


def _connect(url: str, is_shared: bool) -> "RDBStorage":
    """Open a database; again where another process was making its tables at that moment.

    Raises:
        ConfigError: it cannot be opened.
    """
    from sqlalchemy.exc import SQLAlchemyError

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _open(url, is_shared)
        except (SQLAlchemyError, ImportError, LookupError, ValueError, RuntimeError, AssertionError) as error:
            if attempt == ATTEMPTS or not _is_race(error):
                raise _cannot_open(url, error) from error
            time.sleep(0.1 * attempt)
    raise AssertionError("the last attempt returns or raises")


def _open(url: str, is_shared: bool) -> "RDBStorage":
    from optuna.storages import RDBStorage
    from sqlalchemy import event, make_url

    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite and (parsed.database in (None, "", ":memory:") or parsed.query.get("mode") == "memory"):
        raise ValueError("a database in memory is gone with the process")
    arguments = {"connect_args": {"timeout": PATIENCE_SECONDS}} if is_sqlite else {}
    beating: dict[str, Any] = {"heartbeat_interval": HEARTBEAT_SECONDS, "grace_period": GRACE_SECONDS}
    storage = RDBStorage(url, engine_kwargs=arguments, **(beating if is_shared else {}))
    if is_sqlite:
        # SQLite knows no SELECT FOR UPDATE. A lock from the beginning of a transaction on does the same: no two
        # processes take one trial.
        event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return storage


def _file_url(path: Path) -> str:
    """The URL of an SQLite file, whatever its name."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def _pruner(settings: TuneSettings) -> Any:
    from optuna.pruners import MedianPruner, NopPruner

    return MedianPruner(n_warmup_steps=FIRST_PRUNED_EPOCH) if settings.pruning else NopPruner()


def _require_same(study: "Study", direction: Direction, digest: str) -> None:
    """Write down what a new study is about; refuse one about something else, or somebody else's."""
    known = study.user_attrs.get(DIGEST)
    is_new = known is None and not study.trials
    if study.direction.name.lower() != direction or not (is_new or known == digest):
        raise ConfigError(
            f"the study {study.study_name!r} in this storage belongs to other settings or other data",
            "choose another name with --study, or give the settings that it was begun with",
        )
    if is_new:
        study.set_user_attr(DIGEST, digest)


def _is_race(error: Exception) -> bool:
    """Whether two processes making the same tables at once may have caused an error."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error, (IntegrityError, AssertionError)) or "exists" in str(error)


def _cannot_open(url: str, error: Exception) -> ConfigError:
    if isinstance(error, ImportError):
        driver = getattr(error.__cause__, "name", None) or error
        return ConfigError(
            f"--storage {_shown(url)}: its driver is missing, no module {driver}", "install the package of that driver"
        )
    return ConfigError(f"--storage {_shown(url)} cannot be opened: {_reason(error)}", URLS)


def _shown(url: str) -> str:
    """The URL without its password; nothing of one that cannot be parsed, since a password may be anywhere in it."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "URL"


def _reason(error: BaseException) -> str:
    """What the database said, without the statement that it said it about."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return str(getattr(deepest, "orig", None) or deepest).splitlines()[0]
