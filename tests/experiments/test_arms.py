"""Arms: what is kept of each epoch, what comes back from disk, and what a damaged file counts as."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from mmsent_cli.experiments.arms import Arm, TrainedArm, load, save, train_arm
from mmsent_cli.progress import Epoch
from mmsent_cli.results import EpochScore
from tests.events import epochs_trained
from tests.training.builders import make_trainer, tiny_table

LOSSES = {"train_loss": 0.1 + 0.2, "train_objective": 1.0, "val_loss": math.nan}
CURVE = (
    EpochScore(epoch=1, **LOSSES, accuracy=1 / 3, macro_f1=2 / 7, gates={"text": 1e-17}),
    EpochScore(epoch=2, train_loss=math.inf, train_objective=math.nan, val_loss=5e-324, accuracy=0.5, macro_f1=0.25),
)


@pytest.fixture
def trained():
    """An arm of two epochs and three pairs, with a name that is no plain ASCII."""
    return TrainedArm(
        name="weighted Ω",
        fusion="weighted",
        augmentation="none",
        seed=3,
        is_reference=False,
        trainable_parameters=12,
        monitor="macro_f1",
        curve=CURVE,
        predicted=np.array([[0, 1, 2], [2, 1, 0]]),
        losses=np.array([[0.1, 0.2, 0.3], [math.pi, math.nan, 7.0]]),
    )


def test_an_arm_has_the_predictions_of_each_epoch_in_the_order_of_the_pairs():
    table, events = tiny_table(), []
    table = dataclasses.replace(table, val=table.val[::-1])
    trainer = make_trainer(table=table, epochs=2)
    workspace = SimpleNamespace(trainer=lambda _: (trainer.model, table, trainer), progress=events.append)
    config = SimpleNamespace(fit=trainer.config, model=SimpleNamespace(fusion="weighted"))
    first, last = train_arm(workspace, Arm(name="own", config=config), shown_as="shown")
    assert {event.model for event in events} == {"shown"}
    assert [event.result for event in events if isinstance(event, Epoch)] == trainer.history
    assert (first.name, first.fusion, first.seed, len(first.curve), epochs_trained(events)) == (
        "own",
        "weighted",
        0,
        1,
        2,
    )
    assert last.trainable_parameters == sum(each.numel() for each in trainer.trained)
    with torch.no_grad():
        logits, targets = (trainer.model.eval()(table.batch(sorted(table.val))).main, table.targets[sorted(table.val)])
    assert last.predicted[1].tolist() == logits.argmax(dim=1).tolist()
    assert np.array_equal(last.predicted[0], first.predicted[0])
    losses = cross_entropy(logits, torch.from_numpy(targets), reduction="none")
    np.testing.assert_allclose(last.losses[1], losses, rtol=1e-4, atol=1e-6)


def test_what_was_saved_comes_back_to_the_last_bit(trained, tmp_path):
    save(tmp_path / "arms", "one", trained)
    back = load(tmp_path / "arms", "one")
    assert back is not None
    assert repr(back.curve) == repr(CURVE)
    assert np.array_equal(back.predicted, trained.predicted)
    assert back.losses.tobytes() == trained.losses.tobytes()
    plain = [
        field.name for field in dataclasses.fields(TrainedArm) if field.name not in ("curve", "predicted", "losses")
    ]
    assert len(plain) == 7
    assert [getattr(back, name) for name in plain] == [getattr(trained, name) for name in plain]


@pytest.mark.parametrize("name", ["one.json", "one.npz"])
def test_a_missing_cut_or_altered_file_reads_as_nothing(trained, tmp_path, name):
    path = tmp_path / name
    save(tmp_path, "one", trained)
    whole = path.read_bytes()
    altered = whole.replace(b"0.5", b"0.6") if name.endswith("json") else whole[:-1] + b"!"
    assert altered != whole
    for content in (b"", whole[: len(whole) // 2], altered, b"\xff" + whole):
        path.write_bytes(content)
        assert load(tmp_path, "one") is None
    path.unlink()
    assert load(tmp_path, "one") is None


def test_arrays_of_another_model_read_as_nothing(trained, tmp_path):
    save(tmp_path, "one", trained)
    save(tmp_path, "two", dataclasses.replace(trained, predicted=1 - trained.predicted))
    (tmp_path / "two.npz").rename(tmp_path / "one.npz")
    assert load(tmp_path, "one") is None


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"digest": 1, "model": {}}'])
def test_foreign_json_reads_as_nothing(trained, tmp_path, content):
    save(tmp_path, "one", trained)
    (tmp_path / "one.json").write_text(content)
    assert load(tmp_path, "one") is None


def test_arrays_that_do_not_fit_the_curve_are_refused(trained):
    with pytest.raises(ValueError, match="1 epochs do not fit"):
        dataclasses.replace(trained, curve=CURVE[:1])
    with pytest.raises(ValueError, match="do not fit"):
        dataclasses.replace(trained, losses=trained.losses[:, :1])
