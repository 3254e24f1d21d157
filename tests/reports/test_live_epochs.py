"""The live view is clean off a terminal, and the summary holds the right numbers within 80 columns."""

import re
from dataclasses import replace

import pytest

from mmsent_cli.reports.live_epochs import TrainingView, print_train
from mmsent_cli.reports.tables import counted, majority_macro_f1, parameters, percent, seconds


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


def test_summary_shows_both_epochs_the_baseline_and_all_counts(capsys, monkeypatch, train_result):
    monkeypatch.setenv("COLUMNS", "80")
    print_train(train_result)
    text = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert re.findall(r"[\d.]+ %", " ".join(rows["Accuracy"])) == ["75.0 %", "70.0 %", "60.0 %"]
    assert rows["Macro-F1"][1:] == ["0.650", "0.600", "0.250"]
    assert rows["95"][3:] == ["68.6", "to", "80.5", "%", "63.3", "to", "75.9", "%"]
    assert "40 of 1,000 trainable (4.0 %)" in text
    classes, confusions = text.split("Confusions")
    for one, counts in zip(train_result.best.per_class, train_result.best.confusion, strict=True):
        assert [f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", str(one.support)] in [
            line.split()[1:] for line in classes.splitlines()
        ]
        assert [one.label, *map(str, counts)] in [line.split() for line in confusions.splitlines()]
    assert "optimistic" in text
    assert [line.strip() for line in text.splitlines()][-1] == "mmsent predict --out submission.txt"


def test_summary_keeps_to_80_columns_but_leaves_paths_whole(capsys, monkeypatch, train_result):
    monkeypatch.setenv("COLUMNS", "80")
    path = "runs/" + "long-name-" * 12 + "/best_model.pt"
    many = tuple(f"class-{number:02}" for number in range(20))
    matrix = tuple(tuple(range(20)) for _ in many)
    best = replace(train_result.best, confusion=matrix)
    assert len(path) > 100
    wide = replace(train_result, labels=many, best=best, files=(path,), notes=("a long remark " * 20,))
    print_train(wide)
    lines = capsys.readouterr().out.splitlines()
    assert f"  {path}" in lines
    assert all(len(line) <= 80 for line in lines if path not in line)
    assert "too wide" in "".join(lines)


def test_names_are_never_read_as_markup(capsys, train_result):
    print_train(replace(train_result, encoders="[red]light[/red]", notes=("see [/data]",), files=("[x]/a.pt",)))
    text = capsys.readouterr().out
    assert all(name in text for name in ("[red]light[/red]", "see [/data]", "  [x]/a.pt"))


def test_numbers_are_written_in_the_unit_that_suits_them():
    assert [seconds(value) for value in (0.42, 9.96, 59.7, 250, 7500)] == [
        "0.4 s",
        "10 s",
        "1 min 0 s",
        "4 min 10 s",
        "2 h 5 min",
    ]
    assert (percent(0.74625), percent(float("nan"))) == ("74.6 %", "-")
    assert (counted(1, "pair"), counted(2, "pair")) == ("1 pair", "2 pairs")
    assert parameters(0, 0) == "0 of 0 trainable (0.0 %)"


def test_majority_macro_f1_equals_scikit_learns():
    from sklearn.metrics import f1_score

    true = ["positive"] * 6 + ["negative"] * 3 + ["neutral"]
    expected = f1_score(true, ["positive"] * 10, average="macro", zero_division=0)
    assert majority_macro_f1(0.6, 3) == pytest.approx(expected)
