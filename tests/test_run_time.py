"""The time of a run: from the start of the program, over all commands that worked on it."""

import json
import os
import time

import pytest

from mmsent_cli import clock
from mmsent_cli.run_folders import ENVIRONMENT, Run
from mmsent_cli.run_time import begin_session, session, whole_seconds, without_session


def test_the_first_command_begins_with_the_program_and_the_second_when_it_is_called(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock.begin_program()
    now[0] = 35.0
    assert clock.begin_command() == 10.0
    assert clock.command_seconds() == 25.0
    now[0] = 50.0
    assert clock.begin_command() == 50.0


def test_a_resumed_run_has_the_time_of_all_its_commands(tmp_path, monkeypatch):
    """Killed twice: after 60 and after 30 seconds by the files they left; the third command takes 5 seconds."""
    monkeypatch.setattr(time, "perf_counter", lambda: 1000.0)
    run = Run(tmp_path)
    starts = iter((5000.0, 6000.0, 7000.0))
    monkeypatch.setattr(time, "time", lambda: next(starts))
    clock.begin_command()
    run.write_json(ENVIRONMENT, {"device": "cpu", **session()})
    for end in (5060.0, 6030.0):
        run.write("last.pt", b"")
        for path in tmp_path.iterdir():
            os.utime(path, (end, end))
        begin_session(run)
    assert whole_seconds(run, 995.0) == pytest.approx(95.0)
    recorded = json.loads((tmp_path / ENVIRONMENT).read_text())
    assert without_session(recorded) == {"device": "cpu"}


def test_a_run_without_a_record_has_the_time_of_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "perf_counter", lambda: 1000.0)
    assert whole_seconds(Run(tmp_path), 990.0) == 10.0
