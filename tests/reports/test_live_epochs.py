"""The live view is clean off a terminal, and the summary holds the right numbers within 80 columns."""

import re
from dataclasses import replace

import pytest

from mmsent_cli.reports.live_epochs import TrainingView


def show(history, quiet=False):
    with TrainingView(5, quiet) as live:
        for done in range(0, 21, 5):
            live.prepare("checking [pairs]", done, 20)
        live.prepare("checking [pairs]", 20, 20)
        for result in history:
            live.step(result.epoch, 1, 2)
            live.step(result.epoch, 2, 2)
            live.epoch(result)


def test_off_a_terminal_each_stage_and_epoch_is_one_plain_line_on_stderr(capsys, history):
    show(history)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", captured.err)
    lines = captured.err.splitlines()
    assert lines[0] == "checking [pairs]: 20 pairs"
    assert len(lines) == 1 + len(history)
    for line, result in zip(lines[1:], history, strict=True):
        numbers = [float(number) for number in re.findall(r"\d+\.\d+(?:e-\d+)?", line)]
        expected = [result.train_loss, result.val_loss, 100 * result.accuracy, result.macro_f1]
        assert numbers[:4] == pytest.approx(expected, abs=0.06)
        assert line.startswith(f"epoch {result.epoch} of 5")
        assert line.endswith("*") is result.is_best


def test_the_number_of_epochs_may_be_told_later(capsys, history):
    with TrainingView() as live:
        live.step(1, 1, 2)
        live.epoch(history[0])
        live.total_epochs = 9
        live.epoch(history[1])
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("epoch 1: ")
    assert second.startswith("epoch 2 of 9: ")


def test_quiet_shows_nothing(capsys, history):
    show(history, quiet=True)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_a_table_remains_with_the_best_epoch_marked_once(capsys, monkeypatch, history):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "12")
    long = tuple(replace(history[0], epoch=epoch, is_best=epoch in (1, 7)) for epoch in range(1, 31))
    show(long)
    last_frame = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).split("Epoch")[-1]
    rows = [line.split() for line in last_frame.splitlines() if re.match(r" \d", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 31))
    assert [int(row[0]) for row in rows if row[1] == "*"] == [7]
    assert max(len(line) for line in last_frame.splitlines()) <= 80


def test_a_live_view_ends_cleanly_when_training_fails(monkeypatch, history):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(KeyboardInterrupt), TrainingView(5, False) as live:
        live.step(1, 1, 4)
        raise KeyboardInterrupt
    show(history)  # a second live view may start: the first one was stopped
