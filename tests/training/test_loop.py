"""What happens in each epoch: its own random numbers, its own order, modes, and what is measured after it."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from mmsent_cli.compute.device import Compute, make_accelerator
from mmsent_cli.features.table import EpochBatches, make_loader
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import build_head
from mmsent_cli.progress import Step
from mmsent_cli.training import loop
from mmsent_cli.training.loss import seed_everything
from mmsent_cli.training.metrics import Evaluation, _in_order, evaluate
from tests.training.builders import OUT_DIM, make_trainer, tiny_model, tiny_table, train


def draws(seed, epoch, process=0):
    """The first number of each generator after seeding."""
    seed_everything(seed, epoch, process)
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_seed_epoch_and_process_decide_every_generator():
    told = {(seed, epoch): draws(seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1, 2)}
    told |= {(1, 2, process): draws(1, 2, process) for process in (1, 2)}
    for numbers in zip(*told.values(), strict=True):
        assert len(set(numbers)) == 11
    assert draws(1, 2) == told[1, 2]
    assert torch.are_deterministic_algorithms_enabled()


def watched(trainer):
    """Collects, for every batch that passes the model: its mode, torch's seed, and the first number of each text."""
    seen = []

    def note(model, arguments):
        (batch,) = arguments
        seen.append((model.training, torch.initial_seed(), tuple(batch.text.values[:, 0].tolist())))

    trainer.model.register_forward_pre_hook(note)
    return seen


def test_each_epoch_has_its_own_random_numbers_and_order_and_sees_each_pair_once():
    table = tiny_table(train=24, val=12)
    trainer = make_trainer(table=table)
    seen = watched(trainer)
    train(trainer)
    assert [mode for mode, *_ in seen] == ([True] * 6 + [False]) * 3
    seeds = [{seed for _, seed, _ in seen[7 * epoch : 7 * epoch + 7]} for epoch in range(3)]
    assert all(len(each) == 1 for each in seeds) and len(set.union(*seeds)) == 3
    trained = [[rows for mode, _, rows in seen[7 * epoch : 7 * epoch + 7] if mode] for epoch in range(3)]
    own, validated = (sorted(table.text.values[list(rows), 0].tolist()) for rows in (table.train, table.val))
    for batches in trained:
        assert sorted(number for batch in batches for number in batch) == own
    assert trained[0] != trained[1] != trained[2] != trained[0]
    assert {tuple(sorted(rows)) for mode, _, rows in seen if not mode} == {tuple(validated)}


def test_another_seed_has_other_random_numbers_in_every_epoch():
    seeds = []
    for seed in (0, 1):
        trainer = make_trainer(seed=seed)
        seen = watched(trainer)
        train(trainer)
        seeds.append({number for _, number, _ in seen})
    assert len(seeds[0]) == len(seeds[1]) == 3 and not seeds[0] & seeds[1]


def test_the_losses_of_an_epoch_are_those_of_its_pairs_and_batches(monkeypatch):
    """A rate of 0 leaves the model as it is. 24 pairs in batches of 4: the mean of the batches is that of the pairs."""
    table, model = tiny_table(), tiny_model()
    trainer = make_trainer(model, table, encoder_lr=0.0, head_lr=0.0, label_smoothing=0.2, epochs=1)
    assert trainer.trains_encoders
    assert trainer.best.targets.shape == trainer.last.targets.shape == (0,)
    assert trainer.train_loader.device == trainer.val_loader.device == trainer.accelerator.device
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=iter((100.0, 102.5)).__next__))
    (result,) = train(trainer)
    with torch.no_grad():
        batches = [table.batch(rows) for rows in (table.train, table.val)]
        logits = [model.eval()(batch).main for batch in batches]
        smoothed = functional.cross_entropy(logits[0], batches[0].target, label_smoothing=0.2)
        plain = [functional.cross_entropy(each, batch.target) for each, batch in zip(logits, batches, strict=True)]
    expected = (*map(float, plain), float(smoothed))
    assert (result.train_loss, result.val_loss, result.train_objective) == pytest.approx(expected, rel=1e-5)
    assert result.accuracy == float((logits[1].argmax(dim=1) == batches[1].target).float().mean())
    assert (result.epoch, result.skipped_steps, result.is_best, result.seconds) == (1, 0, True, 2.5)


def test_each_batch_is_told():
    trainer, events = make_trainer(seed=4, epochs=2, accumulation_steps=4), []
    assert len(list(trainer.fit(events.append, "fold 1"))) == 2
    assert events == [Step("fold 1", 4, epoch, done, 6) for epoch in (1, 2) for done in range(1, 7)]


def test_the_batches_of_a_last_group_that_is_not_full_weigh_more():
    """Accelerate divides by four; the last two of six batches share their step alone."""
    trainer = make_trainer(accumulation_steps=4)
    assert [trainer._group_scale(done, 6) for done in range(1, 7)] == [1, 1, 1, 1, 2, 2]


def test_epochs_follow_seed_and_number_alone():
    """The second epoch of a trainer that was loaded draws what it draws in one piece."""
    whole = make_trainer(model=tiny_model(dropout=0.5), epochs=2)
    seen = watched(whole)
    train(whole)
    first = make_trainer(model=tiny_model(dropout=0.5), epochs=2)
    next(first.fit())
    state = first.state()
    second = make_trainer(model=tiny_model(seed=5), epochs=2)
    second.load(state)
    assert second.best is state.best is first.best and second.last is state.last is first.last
    again = watched(second)
    (result,) = train(second)
    assert again == seen[7:]
    assert result.epoch == 2 and len(second.history) == 2


@pytest.mark.parametrize(("patience", "trained"), [(0, 6), (1, 3), (2, 4), (5, 6)])
def test_training_stops_when_so_many_epochs_brought_nothing_better(patience, trained, monkeypatch):
    """Of six epochs, the second is the best."""
    rights = iter((1, 2, 1, 2, 0, 1))
    targets = np.zeros(3, dtype=np.int64)

    def evaluation(*_):
        right = next(rights)
        return Evaluation(np.eye(3, dtype=np.float32)[[0] * right + [1] * (3 - right)], targets)

    monkeypatch.setattr("mmsent_cli.training.loop.evaluate", evaluation)
    results = train(make_trainer(epochs=6, patience=patience))
    assert len(results) == trained
    assert [result.epoch for result in results if result.is_best] == [1, 2]


def test_an_evaluation_covers_every_pair_in_order_and_averages_the_gates_over_pairs():
    """Three batches of 64, 64 and 2 pairs: a gate's mean counts pairs, not batches."""
    table, model = tiny_table(train=4, val=130), tiny_model()
    model.fusion = FUSIONS["gmu"].build(OUT_DIM, OUT_DIM)
    model.head = build_head(model.fusion.out_dim, (), (), 3)
    with torch.no_grad():
        model.fusion.gate.weight.normal_(mean=1.0)  # gates that differ from pair to pair
    loader = make_loader(table, EpochBatches(table, 64, 0, is_training=False), 0)
    told = evaluate(model.train(), loader, make_accelerator(Compute("cpu", "fp32"), 1))
    whole = model.eval()(table.batch(table.val))
    np.testing.assert_allclose(told.logits, whole.main.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert told.targets.tolist() == table.targets[list(table.val)].tolist()
    assert told.gates == {name: pytest.approx(float(gate.mean())) for name, gate in whole.gates.items()}
    assert set(told.gates) == {"text", "image"} and float(whole.gates["text"].std()) > 0.01


def test_the_loss_of_an_evaluation_by_hand():
    """Log-odds of ln 3 give 3/4 to the first class."""
    evaluation = Evaluation(np.log(np.array([[3.0, 1.0], [3.0, 1.0]], dtype=np.float32)), np.array([0, 1]))
    assert evaluation.losses() == pytest.approx([-np.log(0.75), -np.log(0.25)])
    assert evaluation.metrics(("a", "b")).loss == pytest.approx(-np.log(0.75 * 0.25) / 2)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_rows_of_all_processes_are_joined_in_the_order_of_the_pairs(processes):
    """Batches of 7 and 4 rows, of which each process has every n-th."""
    rows = torch.arange(33.0).reshape(11, 3)
    parts = [[batch[number::processes] for batch in (rows[:7], rows[7:])] for number in range(processes)]
    assert _in_order(parts).tolist() == rows.tolist()
    assert _in_order([[part[:, 0] for part in own] for own in parts]).tolist() == rows[:, 0].tolist()
