"""The nine faults of the published course systems, each kept out by a test.

1, 2 Frozen layers that train, or stay in training mode: tests/encoders/test_freezing.py sweeps every encoder.
3    Accumulation, schedule, clipping, master weights: here.
4    Self-attention over one token: here.
5    An ablation of an untrained network: tests/experiments/test_ablate.py, tests/commands/test_ablate.py.
6    A fallback that hides bugs: here for `auto`, and tests/encoders/test_weights.py.
7    The last epoch reported as the best: here, and with the saved model in test_run.py.
8    Figures without their uncertainty, ranks out of noise: the interval of one run in test_metrics.py, comparisons in
     tests/stats and tests/experiments/test_comparison.py.
9    Padding to a fixed length, decoding and encoding again and again: test_columns.py.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer

from mmsent_cli.config import ModelConfig, build
from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.encoders.registry import choose, minilm
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.training import loop
from mmsent_cli.training.loss import current_lr
from mmsent_cli.training.metrics import Evaluation
from tests.training.builders import (
    LABELS,
    OUT_DIM,
    assert_close,
    assert_equal,
    make_trainer,
    tiny_model,
    tiny_table,
    train,
    weights,
)


def gradient_norms(trainer):
    """Collects the norm of all gradients as the optimizer sees it at each of its steps."""
    norms = []

    def note(optimizer, *_):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norms.append(torch.cat([gradient.flatten() for gradient in gradients]).norm().item())

    trainer.optimizer.optimizer.register_step_pre_hook(note)
    return norms


def rates_after_each_batch(trainer, group):
    rates = []
    train(trainer, lambda step: rates.append(current_lr(trainer.optimizer, group)))
    return rates


def add_scaler(trainer):
    """Give a trainer the gradient scaler that fp16 needs on a GPU."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
    trainer.accelerator.scaler = scaler
    trainer.optimizer = AcceleratedOptimizer(trainer.optimizer.optimizer, device_placement=False, scaler=scaler)
    trainer.accelerator._optimizers = [trainer.optimizer]
    trainer.accelerator.native_amp, trainer.accelerator.state._mixed_precision = True, "fp16"
    return scaler


def test_accumulation_steps_only_when_a_group_is_full():
    trainer = make_trainer(accumulation_steps=3, warmup=0.0, epochs=1)  # 6 batches
    seen = [weights(trainer)]
    train(trainer, lambda step: seen.append(weights(trainer)))
    moved = [any(not torch.equal(after[name], before[name]) for name in before) for before, after in pairwise(seen)]
    assert moved == [False, False, True, False, False, True]


@pytest.mark.parametrize("steps", [2, 4])
def test_an_accumulated_group_gives_the_update_of_one_big_batch(steps):
    """With 4 steps the epoch's two batches are a group that is never filled."""
    outcomes = []
    for how in ({"batch_size": 4, "accumulation_steps": steps}, {"batch_size": 8}):
        for max_grad_norm in (0.01, 0.0):
            trainer = make_trainer(table=tiny_table(train=8), max_grad_norm=max_grad_norm, **how)
            norms = gradient_norms(trainer)
            train(trainer)
            outcomes.append((weights(trainer), norms))
    assert_close(outcomes[:2], outcomes[2:], rtol=1e-4, atol=1e-6)
    assert not torch.equal(outcomes[0][0]["head.0.weight"], outcomes[1][0]["head.0.weight"])


@pytest.mark.parametrize("accumulation_steps", [1, 2, 4])
def test_the_schedule_moves_with_each_step_and_reaches_its_end(accumulation_steps):
    trainer = make_trainer(accumulation_steps=accumulation_steps, warmup=0.25, epochs=4)
    steps_an_epoch = -(-6 // accumulation_steps)
    rates, counts = [], []
    for _ in trainer.fit(lambda step: rates.append(current_lr(trainer.optimizer, "head"))):
        counts.append(trainer.schedule.last_epoch)
    assert counts == [steps_an_epoch * epoch for epoch in (1, 2, 3, 4)]
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert max(rates) == pytest.approx(0.02)
    assert rates.index(max(rates)) < len(rates) / 2
    assert len({round(rate, 9) for rate in rates}) > 4
    assert current_lr(trainer.optimizer, "encoder") == pytest.approx(0.0, abs=1e-12)


def test_constant_and_linear_schedules():
    rates = {}
    for schedule in ("constant", "linear"):
        trainer = make_trainer(schedule=schedule, warmup=0.0)
        rates[schedule] = rates_after_each_batch(trainer, "encoder")
    assert set(rates["constant"]) == {0.01}
    assert rates["linear"][-1] == pytest.approx(0.0, abs=1e-12)
    assert rates["linear"] == sorted(rates["linear"], reverse=True)


@pytest.mark.parametrize("accumulation_steps", [1, 3])
def test_the_optimiser_sees_clipped_gradients_of_the_whole_group(accumulation_steps):
    trainer = make_trainer(accumulation_steps=accumulation_steps, max_grad_norm=0.003)
    norms = gradient_norms(trainer)
    train(trainer)
    assert norms == pytest.approx([0.003] * (18 // accumulation_steps), rel=1e-3)
    free = make_trainer(max_grad_norm=0.0)
    norms = gradient_norms(free)
    train(free)
    assert min(norms) > 0.01


def test_clipping_comes_after_unscaling():
    """With a gradient scaler, as fp16 needs it, the update is that without one."""
    plain = make_trainer(max_grad_norm=0.01)
    train(plain)
    scaled = make_trainer(max_grad_norm=0.01)
    add_scaler(scaled)
    norms = gradient_norms(scaled)
    train(scaled)
    assert max(norms) == pytest.approx(0.01, rel=1e-3)
    assert_close(weights(scaled), weights(plain), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("has_scaler", [False, True])
def test_a_step_that_is_not_finite_is_skipped_and_counted(has_scaler):
    table = tiny_table()
    table.text.values[5] = torch.inf
    trainer = make_trainer(table=table, epochs=2)
    scaler = add_scaler(trainer) if has_scaler else None
    results = train(trainer)
    assert [result.skipped_steps for result in results] == [1, 1]
    assert trainer.schedule.last_epoch == 10
    assert all(tensor.isfinite().all() for tensor in weights(trainer).values())
    assert np.isfinite([result.train_loss for result in results]).all()
    assert scaler is None or scaler.get_scale() == 2.0**12
    assert trainer.state().scaler == (scaler.state_dict() if scaler else {})


def test_master_weights_stay_fp32_under_bf16():
    trainer = make_trainer(precision="bf16")
    computed = []
    head = trainer.accelerator.unwrap_model(trainer.model).head
    head[0].register_forward_hook(lambda module, inputs, output: computed.append(output.dtype))
    results = train(trainer)
    assert set(computed) == {torch.bfloat16}
    assert {tensor.dtype for tensor in weights(trainer).values()} == {torch.float32}
    moments = [value for state in trainer.optimizer.state.values() for value in state.values()]
    assert {value.dtype for value in moments} == {torch.float32}
    assert trainer.best.logits.dtype == np.float32
    assert results[-1].train_loss < results[0].train_loss


def curvature(attention, first, second):
    """How far attention over tokens [B, T, D] is from a linear map: |f(a) + f(b) - f(a + b) - f(0)|, at its largest."""
    parts = (first, second, first + second, torch.zeros_like(first))
    one, other, both, nothing = (attention(tokens, tokens, tokens)[0] for tokens in parts)
    return (one + other - both - nothing).abs().max().item()


@torch.no_grad()
def test_self_attention_has_something_to_attend_to():
    """Over one token the softmax has one entry, and the layer is a linear map, as it was in the source."""
    torch.manual_seed(0)
    fusion = FUSIONS["self-attention"].build(OUT_DIM, OUT_DIM).eval()
    seen = []
    fusion.attention.register_forward_pre_hook(lambda module, arguments: seen.append(arguments))
    text, image = (Encoded(torch.randn(5, OUT_DIM)) for _ in range(2))
    fusion(text, image)
    ((queries, keys, values),) = seen
    assert queries.shape == keys.shape == values.shape == (5, 2, fusion.attention.embed_dim)
    other = torch.randn(queries.shape)
    assert curvature(fusion.attention, queries, other) > 0.1
    assert curvature(fusion.attention, queries[:, :1], other[:, :1]) < 1e-4
    shares = fusion.gates(text, image)["text"]
    assert shares.std() > 0.001
    assert ((shares > 0.01) & (shares < 0.99)).all()


def test_auto_passes_a_bug_on(monkeypatch):
    def has_a_bug(*_):
        raise RuntimeError("a bug, not a missing file")

    monkeypatch.setattr(minilm, "wheel_file", has_a_bug)
    with pytest.raises(RuntimeError):
        choose("cpu", WeightSource(offline=True))


@pytest.mark.parametrize(
    ("monitor", "best"), [("accuracy", [True, True, False, False]), ("loss", [True, False, False, True])]
)
def test_the_best_epochs_figures_are_those_of_the_best_epoch(monitor, best, monkeypatch):
    targets = np.array([0, 1, 2, 0])
    predicted = ([0, 0, 0, 0], [0, 1, 2, 0], [0, 1, 2, 0], [0, 1, 0, 0])
    sureness = (1.0, 9.0, 8.0, 0.4)  # sure and wrong costs more than unsure
    evaluations = [
        Evaluation(np.eye(3, dtype=np.float32)[rows] * sure, targets)
        for rows, sure in zip(predicted, sureness, strict=True)
    ]
    if monitor == "loss":
        evaluations = [evaluations[3], evaluations[0], evaluations[0], evaluations[1]]
    waiting = iter(evaluations)
    monkeypatch.setattr(loop, "evaluate", lambda *_: next(waiting))
    trainer = make_trainer(epochs=4, monitor=monitor)
    results = train(trainer)
    assert [result.is_best for result in results] == best
    number = max(result.epoch for result in results if result.is_best)
    assert trainer.best is evaluations[number - 1]
    assert trainer.last is evaluations[-1]
    assert trainer.best.metrics(LABELS).accuracy == results[number - 1].accuracy


def test_the_same_seed_trains_the_same_weights_and_another_does_not():
    outcomes = []
    for seed in (0, 0, 1):
        trainer = make_trainer(model=tiny_model(dropout=0.3, modality_dropout=0.3), seed=seed)
        train(trainer)
        outcomes.append(weights(trainer))
    first, again, other = outcomes
    assert_equal(first, again)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_dropout_of_one_trains_what_is_left():
    """Behind a head dropout of 1 only the last bias learns; a modality dropout of 1 shows one modality at a time."""
    build(ModelConfig, {"head_hidden": [8], "head_dropout": [1.0], "modality_dropout": 1.0})
    model = tiny_model(dropout=1.0, modality_dropout=1.0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trainer = make_trainer(model=model, weight_decay=0.0)
    assert all(np.isfinite(result.train_loss) and result.skipped_steps == 0 for result in train(trainer))
    assert [name for name, tensor in weights(trainer).items() if not torch.equal(tensor, before[name])] == [
        "head.3.bias"
    ]


def test_training_and_validation_loss_are_the_same_quantity():
    """Both are the main head's plain cross-entropy. With a rate of 0 the weights stay, so both can be checked."""
    table, model = tiny_table(train=12, val=12), tiny_model(auxiliary_classes=3)
    changes = {"label_smoothing": 0.3, "class_weights": "balanced", "encoder_lr": 0.0, "head_lr": 0.0}
    trainer = make_trainer(model=model, table=table, auxiliary_weight=0.5, epochs=1, batch_size=5, **changes)
    (result,) = train(trainer)
    model.eval()
    batch = table.batch(table.train)
    expected = torch.nn.functional.cross_entropy(model(batch).main, batch.target)
    assert result.train_loss == pytest.approx(expected.item(), rel=1e-5), "mean over pairs, whatever the batches"
    assert result.train_objective > result.train_loss + 0.2
    batch = table.batch(table.val)
    expected = torch.nn.functional.cross_entropy(model(batch).main, batch.target)
    assert result.val_loss == pytest.approx(expected.item(), rel=1e-5)
