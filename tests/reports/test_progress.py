"""The live view: plain lines off a terminal; on one, a table that fits above the bars, and the time left."""

import math
import re
from dataclasses import replace
from typing import ClassVar

import pytest

from mmsent_cli.errors import counted
from mmsent_cli.progress import Epoch, ExperimentBegun, ModelBegun, ModelDone, Stage, Step
from mmsent_cli.reports.progress import Pace, ProgressView

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Clock:
    """Seconds that go up only where a test adds some."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def train_epochs(view, history, epochs=5):
    """One model, whose epochs have two batches each."""
    view(ModelBegun("concat", 0, 1, 1, epochs))
    for result in history:
        for done in (1, 2):
            view(Step("concat", 0, result.epoch, done, 2))
        view(Epoch("concat", 0, result))
    view(ModelDone("concat", 0, 0.75, 0.65))


def train_model(view, clock, name, seed, number, total, result, **done):
    """One of several models: two epochs of two batches, ten seconds each."""
    view(ModelBegun(name, seed, number, total, 2))
    for _ in () if done.get("is_resumed") else (1, 2):
        for batch in (1, 2):
            clock.now += 5
            view(Step(name, seed, result.epoch, batch, 2))
        view(Epoch(name, seed, result))
    view(ModelDone(name, seed, 0.75, 0.65, **done))


def train_models(epoch, total=4, name="[red]clip[/red]"):
    clock = Clock()
    with ProgressView(clock) as view:
        view(Stage("encoding [texts]", 10, 20, "text"))
        view(Stage("encoding [texts]", 20, 20, "text"))
        for number in range(1, total + 1):
            train_model(view, clock, name, number - 1, number, total, epoch, is_resumed=number == 1)


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns and 14 lines."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "14"}.items():
        monkeypatch.setenv(name, value)


def bars(view):
    return {task.description: task for task in view._bars.tasks}


def test_off_a_terminal_each_stage_and_epoch_is_one_plain_line_on_stderr(capsys, history):
    with ProgressView() as view:
        for done in (0, 10, 20, 20):
            view(Stage("checking [pairs]", done, 20))
        train_epochs(view, history)
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


def test_off_a_terminal_each_of_several_models_is_one_plain_line(capsys, history):
    train_models(history[0])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", captured.err)
    assert captured.err.splitlines() == [
        "encoding [texts]: 20 texts",
        "model 1 of 4: [red]clip[/red], seed 0: best accuracy 75.0 %, macro-F1 0.650 (best epoch), done before",
        *(
            f"model {number} of 4: [red]clip[/red], seed {number - 1}: "
            "best accuracy 75.0 %, macro-F1 0.650 (best epoch), 20 s"
            for number in (2, 3, 4)
        ),
    ]


def test_the_metrics_of_folds_are_those_of_the_last_epoch(capsys, history):
    clock = Clock()
    with ProgressView(clock) as view:
        for fold in (1, 2):
            train_model(view, clock, f"fold {fold}", 0, fold, 2, history[0], epoch="last")
    assert capsys.readouterr().err.splitlines() == [
        f"model {fold} of 2: fold {fold}, seed 0: accuracy 75.0 %, macro-F1 0.650 (last epoch), 20 s" for fold in (1, 2)
    ]


def test_a_stage_that_comes_again_between_models_is_printed_once(capsys, history):
    with ProgressView() as view:
        for number in (1, 2):
            view(Stage("texts", 8, 8))
            train_model(view, Clock(), "clip", number, number, 2, history[0])
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "texts",
        "model 1 of 2",
        "model 2 of 2",
    ]


def test_each_stage_counts_in_its_own_unit(capsys, terminal):
    with ProgressView() as view:
        view(Stage("fitting probes", 8, 24, "fit"))
        view._live.refresh()
    assert "8/24 fits" in ESCAPES.sub("", capsys.readouterr().err)


def test_every_epoch_remains_in_the_table_with_the_best_one_marked_once(capsys, terminal, history):
    long = tuple(replace(history[0], epoch=epoch, is_best=epoch in (1, 7)) for epoch in range(1, 31))
    with ProgressView() as view:
        train_epochs(view, long, epochs=30)
    last_frame = ESCAPES.sub("", capsys.readouterr().err).split("Epoch")[-1]
    rows = [line.split() for line in last_frame.splitlines() if re.match(r" \d", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 31))
    assert [int(row[0]) for row in rows if row[1] == "*"] == [7]
    assert max(len(line) for line in last_frame.splitlines()) <= 80


def test_every_model_remains_in_the_table_within_80_columns(capsys, terminal, history):
    train_models(history[0], total=30)
    last_frame = ESCAPES.sub("", capsys.readouterr().err).split("Model")[-1]
    rows = [line.split() for line in last_frame.splitlines() if "[red]clip[/red]" in line]
    assert [int(row[1]) for row in rows] == list(range(30))
    assert rows[0][2:] == ["75.0", "%", "0.650", "done", "before"]
    assert rows[1][2:] == ["75.0", "%", "0.650", "20", "s"]
    assert max(len(line) for line in last_frame.splitlines()) <= 80
    assert "optimistic" in last_frame


@pytest.mark.parametrize("lines", [12, 24])
def test_rows_that_wrap_leave_room_for_the_bars(capsys, monkeypatch, terminal, history, lines):
    """A trial's settings take two terminal lines; the live part must not be cut, since its bars stand at its end."""
    monkeypatch.setenv("LINES", str(lines))
    name = "encoder_lr=1e-05 head_lr=0.0002 weight_decay=0.0001 label_smoothing=0.1 fusion=cross-attention"
    clock = Clock()
    with ProgressView(clock) as view:
        for number in range(1, 16):
            train_model(view, clock, name, 0, number, 16, history[0])
        view(ModelBegun(name, 0, 16, 16, 2))
        view(Step(name, 0, 1, 1, 2))
        with view._live._lock:  # otherwise its thread may draw a second frame
            capsys.readouterr()
            view._live.refresh()
            frame = ESCAPES.sub("", capsys.readouterr().err).replace("\r", "")
        height = len(frame.rstrip("\n").splitlines())
    assert height <= lines - 1
    assert re.search(r"15/16 models .*\n.* 0/2 +epochs", frame)
    assert frame.count("75.0 %") >= (1 if lines == 12 else 5)


def test_time_left_is_that_of_all_models_and_resumed_ones_do_not_count(capsys, terminal, history):
    clock = Clock()
    with ProgressView(clock) as view:
        train_model(view, clock, "concat", 0, 1, 5, history[0], is_resumed=True)
        assert math.isnan(bars(view)["all models"].fields["left"])
        train_model(view, clock, "concat", 1, 2, 5, history[0])
        view(ModelBegun("clip", 0, 3, 5, 2))
        clock.now += 10
        view(Step("clip", 0, 1, 2, 2))
        view._live.refresh()
        every, one = bars(view)["all models"], bars(view)["clip, seed 0"]
    # One and a half models in 30 seconds; two and a half are left.
    assert (every.completed, every.total, every.fields["left"]) == (2.5, 5, pytest.approx(50))
    assert (one.completed, one.total, one.fields["left"]) == (1, 2, pytest.approx(10))
    screen = ESCAPES.sub("", capsys.readouterr().err)
    assert re.search(r"clip, seed 0 .* 1/2 epochs.* 10 s left", screen)
    assert re.search(r"all models .* 2/5 models.* 50 s left", screen)


def test_models_that_train_in_parallel_have_a_bar_each_and_one_time_left(terminal, history):
    """Two models of two epochs begin together; the first ends after 30 seconds, and a third takes its place."""
    clock = Clock()
    with ProgressView(clock) as view:
        view(ModelBegun("concat", 0, 1, 4, 2))
        view(ModelBegun("clip", 0, 2, 4, 2))
        clock.now += 20
        view(Step("concat", 0, 1, 2, 2))
        view(Step("clip", 0, 1, 1, 2))
        every, one, other = (bars(view)[name] for name in ("all models", "concat, seed 0", "clip, seed 0"))
        assert (one.completed, one.fields["left"]) == (1, pytest.approx(20))
        assert (other.completed, other.fields["left"]) == (0.5, pytest.approx(60))
        # Three quarters of a model in 20 seconds.
        assert (every.completed, every.fields["left"]) == (pytest.approx(0.75), pytest.approx(3.25 / 0.75 * 20))
        clock.now += 10
        view(ModelDone("concat", 0, 0.75, 0.65))
        view(ModelBegun("gmu", 0, 3, 4, 2))
        every = bars(view)["all models"]
        assert list(bars(view)) == ["all models", "clip, seed 0", "gmu, seed 0"]
        assert (every.completed, every.fields["left"]) == (pytest.approx(1.25), pytest.approx(2.75 / 1.25 * 30))


def test_pace_is_no_number_before_anything_is_done():
    assert math.isnan(Pace().left(0.0, 0.0, 4))
    assert Pace().left(0.25, 5.0, 3.75) == pytest.approx(75)
    assert Pace(2, 40.0).left(0.0, 0.0, 3) == pytest.approx(60)


def test_stages_give_way_to_models_and_may_come_again(terminal, history):
    with ProgressView() as view:
        for number in (1, 2):
            view(Stage("texts", 1, 8))
            assert "texts" in bars(view)
            train_model(view, Clock(), "clip", number, number, 2, history[0])
            assert "texts" not in bars(view)


def test_a_single_model_after_several_is_one_more_row(capsys, history):
    """As in `paper`, which trains one model between two comparisons."""
    with ProgressView() as view:
        for number in (1, 2):
            train_model(view, Clock(), "concat", number, number, 2, history[0])
        train_epochs(view, history)
    assert capsys.readouterr().err.splitlines()[2].startswith("model 1 of 1: concat, seed 0: best accuracy")


def test_the_view_ends_cleanly_when_training_fails(terminal, history):
    with pytest.raises(KeyboardInterrupt), ProgressView() as view:
        view(ModelBegun("clip", 0, 1, 2, 2))
        raise KeyboardInterrupt
    train_models(history[0])  # a second live view may start: the first one was stopped


@pytest.mark.parametrize("is_brief", [False, True])
def test_a_long_step_off_a_terminal_says_every_half_minute_how_far_it_is(capsys, is_brief):
    clock = Clock()
    with ProgressView(clock, is_brief=is_brief) as view:
        for done in range(0, 1001, 50):
            view(Stage("predicting", done, 1000))
            clock.now += 10
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "predicting: 1,000 pairs"
    assert len(lines) == (1 if is_brief else 7)
    if not is_brief:
        assert lines[0] == "predicting: 150 of 1,000 pairs, 5.0 a second, 2 min 50 s left"
        assert lines[1] == "predicting: 300 of 1,000 pairs, 5.0 a second, 2 min 20 s left"


@pytest.mark.parametrize(
    ("count", "noun", "shown"),
    [
        (1, "batch", "1 batch"),
        (2, "batch", "2 batches"),
        (4, "epoch", "4 epochs"),
        (1200, "step", "1,200 steps"),
        (0, "class", "0 classes"),
    ],
)
def test_a_count_has_the_plural_of_its_noun(count, noun, shown):
    assert counted(count, noun) == shown


def test_slow_batches_of_several_models_off_a_terminal(capsys):
    clock = Clock()
    with ProgressView(clock) as view:
        view(ModelBegun("clip", 0, 2, 6, 3))
        for done in (1, 2):
            view(Step("clip", 0, 1, done, 12))
            clock.now += 40
        view(Step("clip", 0, 1, 3, 12))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "model 2 of 6: clip, seed 0, epoch 1: 2 of 12 batches, 40 s a batch, 6 min 40 s left"


@pytest.mark.parametrize(("is_brief", "event"), [(False, False), (True, False), (False, True)])
def test_a_long_silence_before_the_first_event_has_a_line(capsys, monkeypatch, is_brief, event):
    """Where lines of unfinished steps are printed, and nothing has been shown yet."""
    monkeypatch.setattr("mmsent_cli.reports.progress.Timer", lambda seconds, print_line: Rung(print_line))
    with ProgressView(is_brief=is_brief) as view:
        if event:
            view(Stage("checking pairs", 1, 2))
        for timer in Rung.open:
            timer.ring()
    Rung.open.clear()
    assert ("loading" in capsys.readouterr().err) == (not is_brief and not event)


class Rung:
    """A timer that a test rings, unless it is cancelled."""

    open: ClassVar = []
    daemon = False

    def __init__(self, ring):
        self.ring = ring

    def start(self):
        self.open.append(self)

    def cancel(self):
        self.ring = lambda: None


def test_the_models_of_each_experiment_are_counted_anew(terminal, history):
    with ProgressView() as view:
        for number, command in enumerate(("tune", "train"), 1):
            view(ExperimentBegun(command, number, 2))
            assert "all models" not in [task.description for task in view._bars.tasks]
            view(ModelBegun("clip", 0, 1, 2, 1))
            assert "all models" in [task.description for task in view._bars.tasks]
            view(ModelDone("clip", 0, 0.5, 0.5))


def test_off_a_terminal_each_experiment_is_one_line(capsys):
    with ProgressView() as view:
        view(ExperimentBegun("compare-fusions", 4, 5))
    assert "step 4 of 5: compare-fusions" in capsys.readouterr().err.splitlines()
