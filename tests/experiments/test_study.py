"""Opening a study, and the errors for one that cannot be used."""

import logging
import sqlite3

import pytest

from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.experiments.tuning import study as module
from mmsent_cli.experiments.tuning.study import database_errors, open_study, quiet_optuna


@pytest.fixture(autouse=True)
def quiet():
    with quiet_optuna():
        yield


def open_with(tmp_path, storage=None, digest="digest", direction="maximize", **settings):
    return open_study(TuneSettings(storage=storage, **settings), tmp_path / "own.db", direction, digest)[0]


def test_without_a_storage_the_study_is_a_file_whatever_its_name(tmp_path):
    folder = tmp_path / "a b?{c}%#é"
    folder.mkdir()
    open_with(folder).enqueue_trial({})
    assert [path.name for path in folder.iterdir()] == ["own.db"]
    assert len(open_with(folder).trials) == 1


def test_a_study_of_something_else_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    open_with(tmp_path, url)
    open_with(tmp_path, url, study="other", digest="another")
    for change in ({"digest": "another"}, {"direction": "minimize"}):
        with pytest.raises(ConfigError, match="other settings or other data") as caught:
            open_with(tmp_path, url, **change)
        assert "--study" in caught.value.hint


def test_a_study_that_somebody_else_made_is_left_alone(tmp_path):
    import optuna

    url = f"sqlite:///{tmp_path}/shared.db"
    optuna.create_study(storage=url, study_name="mmsent", direction="maximize").enqueue_trial({})
    with pytest.raises(ConfigError, match="other settings or other data"):
        open_with(tmp_path, url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("study.db", "Could not parse"),
        ("", "Could not parse"),
        ("nonsense://user@host/name", "nonsense"),
        ("oracle+cx_oracle://user:secret@host/name", "the database driver cx_Oracle is not installed"),
        ("sqlite:////no/such/folder/study.db", "unable to open database file"),
        ("sqlite:///{name}", "name"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:study?mode=memory&uri=true", "in memory"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named_without_its_password(tmp_path, url, expected):
    with pytest.raises(ConfigError) as caught:
        open_with(tmp_path, url)
    assert expected in caught.value.message
    assert "--storage" in caught.value.message
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


def test_files_that_are_no_database_or_may_not_be_written_are_refused(tmp_path):
    text = tmp_path / "notes.db"
    text.write_text("no database at all\n" * 100)
    with pytest.raises(ConfigError, match="not a database"):
        open_with(tmp_path, f"sqlite:///{text}")
    open_with(tmp_path)
    with pytest.raises(ConfigError, match="readonly"):
        open_with(tmp_path, f"sqlite:///file:{tmp_path}/own.db?immutable=1&uri=true", study="new")


def test_tables_that_another_process_makes_are_waited_for_nine_times(tmp_path, monkeypatch):
    tried, pauses = [], []

    def fail(*given):
        tried.append(given)
        raise RuntimeError("table studies already exists")

    monkeypatch.setattr(module, "_open", fail)
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    with pytest.raises(ConfigError, match="already exists"):
        open_with(tmp_path)
    assert len(tried) == 10
    assert pauses == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def test_a_database_that_fails_is_an_expected_failure(tmp_path):
    study = open_with(tmp_path)
    with sqlite3.connect(tmp_path / "own.db") as connection:
        connection.execute("DROP TABLE study_user_attributes")
    with pytest.raises(MmsentError, match="no such table: study_user_attributes") as caught, database_errors():
        study.set_user_attr("name", 1)
    assert "--resume" in caught.value.hint


def test_optuna_is_silent_and_as_it_was_afterwards(tmp_path, capfd, recwarn):
    import optuna

    optuna.logging.set_verbosity(logging.WARNING)
    with quiet_optuna():
        study = open_with(tmp_path, f"sqlite:///{tmp_path}/shared.db")
        study.tell(study.ask(), 1.0)
        optuna.logging.get_logger("optuna.test").error("a word")
    assert optuna.logging.get_verbosity() == logging.WARNING
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []
