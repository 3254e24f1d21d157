"""The live view on a terminal of 80 columns and 24 lines: nothing is cut, the bars stay, time and units are right."""

import pytest

from tests.reports.screen import seen

CODE = """
from mmsent_cli.progress import Epoch, ModelBegun, ModelDone, Stage, Step
from mmsent_cli.reports.progress import ProgressView
from mmsent_cli.results import EpochResult

ticks = iter(range(10_000))
names = {names}
with ProgressView(lambda: 3.0 * next(ticks)) as view:
    def show(event):
        view(event)
        view._live.refresh()

    for done in (0, 2_000, 4_000):
        show(Stage("encoding with efficientnet-lite0-stages", done, 4_000, "image"))
    for number, name in enumerate(names, 1):
        show(ModelBegun(name, 0, number, len(names), 2))
        for epoch in (1, 2):
            show(Step(name, 0, epoch, 3, 6))
            scores = dict(train_loss=0.5, train_objective=0.6, val_loss=0.7, accuracy=0.625, macro_f1=0.5)
            rates = dict(encoder_lr=2e-5, head_lr=1e-3, skipped_steps=0, seconds=3.0, is_best=epoch == 1)
            show(Epoch(name, 0, EpochResult(epoch=epoch, **scores, **rates)))
        show(ModelDone(name, 0, 0.625, 0.5))
"""
TRIALS = tuple(
    f"encoder_lr={rate:g} head_lr=0.0002 weight_decay={decay:g} head_dropout=0.25"
    for rate in (1e-5, 2e-5, 5e-5)
    for decay in (1e-4, 3e-4, 5e-4)
)
NAMES = {
    "one": ("weighted",),
    "fusions": tuple(f"fusion-{number}" for number in range(12)),
    "trials": TRIALS,
}


@pytest.fixture(scope="module")
def screens():
    return {name: seen(CODE.replace("{names}", repr(names))) for name, names in NAMES.items()}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_on_a_terminal_of_80_columns(screens, name):
    screen = screens[name]
    assert len(screen.frames) > 5
    assert screen.wrapped == ""
    everything = "\n".join(line for frame in screen.frames for line in frame)
    assert "…" not in everything and "..." not in everything
    words = " ".join(everything.split())
    assert "4000/4000 images" in words
    first = next(frame for frame in screen.frames if any("images" in line for line in frame))
    assert [line.split("━")[0].strip() for line in first] == ["encoding with", "efficientnet-lite0-stages"]


@pytest.mark.parametrize("name", ["fusions", "trials"])
def test_the_bars_stay_below_the_rows_with_total_and_time_left(screens, name):
    during = [frame for frame in screens[name].frames if any("epochs" in line for line in frame)]
    assert len(during) > 20
    total = len(NAMES[name])
    for frame in during:
        assert len(frame) < 24
        assert any(line.startswith("all models") and f"/{total} models" in line for line in frame), frame
    late = during[len(during) // 2 :]
    assert all(sum("left" in line for line in frame) >= 1 for frame in late)


def test_one_model_has_its_batches_and_epochs(screens):
    frames = screens["one"].frames
    assert any("epoch 2 of 2" in line and "9/12 batches" in line for frame in frames for line in frame)
    assert all(len(line) <= 80 for frame in frames for line in frame)


def test_the_whole_table_is_left_on_the_screen(screens):
    last = " ".join(" ".join(screens["trials"].frames[-1]).split())
    assert last.count("62.5 %") == len(TRIALS)
    assert "models" not in last
