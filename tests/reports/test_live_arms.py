"""The live view of an experiment: plain lines off a terminal, a table and the time left for all models on one."""

import math
import re

import pytest

from mmsent_cli.reports.live_arms import ExperimentView, Pace

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Clock:
    """Seconds that go up only when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def train_model(live, clock, name, seed, done, total, epoch, is_resumed=False):
    """One model: two epochs of two batches, ten seconds each."""
    live.begin(name, seed, done, total)
    for _ in () if is_resumed else (1, 2):
        clock.now += 5
        live.step(epoch.epoch, 1, 2)
        clock.now += 5
        live.step(epoch.epoch, 2, 2)
        live.epoch(epoch)
    live.finish(name, seed, 0.75, 0.65, is_resumed)


def show(history, quiet=False, total=4):
    clock = Clock()
    with ExperimentView(quiet=quiet, clock=clock) as live:
        live.total_epochs = 2
        live.prepare("encoding [texts]", 10, 20)
        live.prepare("encoding [texts]", 20, 20)
        for done in range(total):
            train_model(live, clock, "[red]clip[/red]", done, done, total, history[0], is_resumed=done == 0)


def on_terminal(monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "14"}.items():
        monkeypatch.setenv(name, value)


def test_off_a_terminal_each_stage_and_model_is_one_plain_line_on_stderr(capsys, history):
    show(history)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", captured.err)
    assert captured.err.splitlines() == [
        "encoding [texts]: 20 pairs",
        "model 1 of 4: [red]clip[/red], seed 0: best accuracy 75.0 %, macro-F1 0.650 (best epoch), done before",
        *(
            f"model {number} of 4: [red]clip[/red], seed {number - 1}: "
            "best accuracy 75.0 %, macro-F1 0.650 (best epoch), 20 s"
            for number in (2, 3, 4)
        ),
    ]


def test_a_stage_that_comes_again_between_models_is_told_once(capsys, history):
    with ExperimentView() as live:
        for number in range(2):
            live.prepare("texts", 8, 8)
            train_model(live, Clock(), "clip", number, number, 2, history[0])
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "texts",
        "model 1 of 2",
        "model 2 of 2",
    ]


def test_a_model_read_back_without_having_been_begun_is_counted(capsys):
    with ExperimentView() as live:
        live.finish("clip", 0, 0.7, 0.6, True)
        live.finish("clip", 1, 0.7, 0.6, True)
    assert [line.split(", best")[0][:18] for line in capsys.readouterr().err.splitlines()] == [
        "model 1 of 1: clip",
        "model 2 of 2: clip",
    ]


def test_quiet_shows_nothing(capsys, history):
    show(history, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_every_model_remains_in_the_table_within_80_columns(capsys, monkeypatch, history):
    on_terminal(monkeypatch)
    show(history, total=30)
    last_frame = ESCAPES.sub("", capsys.readouterr().err).split("Model")[-1]
    rows = [line.split() for line in last_frame.splitlines() if "[red]clip[/red]" in line]
    assert [int(row[1]) for row in rows] == list(range(30))
    assert rows[0][2:] == ["75.0", "%", "0.650", "done", "before"]
    assert rows[1][2:] == ["75.0", "%", "0.650", "20", "s"]
    assert max(len(line) for line in last_frame.splitlines()) <= 80
    assert "optimistic" in last_frame


def test_time_left_is_that_of_all_models_and_resumed_ones_do_not_count(capsys, monkeypatch, history):
    on_terminal(monkeypatch)
    clock = Clock()
    with ExperimentView(2, clock=clock) as live:
        train_model(live, clock, "concat", 0, 0, 5, history[0], is_resumed=True)
        assert math.isnan(live._view._progress.tasks[0].fields["left"])
        train_model(live, clock, "concat", 1, 1, 5, history[0])
        live.begin("clip", 0, 2, 5)
        clock.now += 10
        live.step(1, 2, 2)
        live._view._live.refresh()
        every, one = live._view._progress.tasks
    # One and a half models in 30 seconds; two and a half are left.
    assert (every.completed, every.total, every.fields["left"]) == (2.5, 5, pytest.approx(50))
    assert (one.completed, one.total, one.fields["left"]) == (1, 2, pytest.approx(10))
    screen = ESCAPES.sub("", capsys.readouterr().err)
    assert re.search(r"clip, seed 0 .* 1/2 epochs.* 10 s left", screen)
    assert re.search(r"all models .* 2/5 models.* 50 s left", screen)


def test_models_that_train_side_by_side_have_a_bar_each_and_one_time_left(monkeypatch, history):
    """Two models of two epochs begin together; the first ends after 30 seconds, and a third takes its place."""
    on_terminal(monkeypatch)
    clock = Clock()
    with ExperimentView(2, clock=clock) as live:
        live.begin("concat", 0, 0, 4)
        live.begin("clip", 0, 1, 4)
        clock.now += 20
        live.turn("concat", 0)
        live.step(1, 2, 2)
        live.turn("clip", 0)
        live.step(1, 1, 2)
        every, one, other = live._view._progress.tasks
        assert (one.description, one.completed, one.fields["left"]) == ("concat, seed 0", 1, pytest.approx(20))
        assert (other.description, other.completed, other.fields["left"]) == ("clip, seed 0", 0.5, pytest.approx(60))
        # Three quarters of a model in 20 seconds.
        assert (every.completed, every.fields["left"]) == (pytest.approx(0.75), pytest.approx(3.25 / 0.75 * 20))
        clock.now += 10
        live.finish("concat", 0, 0.75, 0.65, False)
        live.begin("gmu", 0, 2, 4)
        every, other, new = live._view._progress.tasks
        assert (other.description, new.description) == ("clip, seed 0", "gmu, seed 0")
        assert (every.completed, every.fields["left"]) == (pytest.approx(1.25), pytest.approx(2.75 / 1.25 * 30))


def test_pace_has_nothing_to_say_before_anything_is_done():
    assert math.isnan(Pace().left(0.0, 0.0, 4))
    assert Pace().left(0.25, 5.0, 3.75) == pytest.approx(75)
    assert Pace(2, 40.0).left(0.0, 0.0, 3) == pytest.approx(60)


def test_stages_after_the_first_model_are_drawn_anew(monkeypatch, history):
    on_terminal(monkeypatch)
    with ExperimentView(2) as live:
        for number in range(2):
            live.prepare("texts", 1, 8)
            train_model(live, Clock(), "clip", number, number, 2, history[0])


def test_a_live_view_ends_cleanly_when_training_fails(monkeypatch, history):
    on_terminal(monkeypatch)
    with pytest.raises(KeyboardInterrupt), ExperimentView(2) as live:
        live.begin("clip", 0, 0, 2)
        raise KeyboardInterrupt
    show(history)  # a second live view may start: the first one was stopped
