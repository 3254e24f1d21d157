"""The loss: class weights, smoothing, auxiliary heads."""

from dataclasses import replace
from math import log
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from mmsent_cli.model import Logits
from mmsent_cli.training.loss import Loss, class_weights
from tests.training.builders import ONE_PROCESS, QUICK, make_trainer, tiny_batch, tiny_table

TARGETS = [0] * 10 + [1] * 40 + [2] * 50


def loss(auxiliary_weight=0.0, **changes):
    return Loss(replace(QUICK, **changes), TARGETS, 3, auxiliary_weight, ONE_PROCESS)


def logits(seed=0):
    draws = torch.Generator().manual_seed(seed)
    return Logits(*(torch.randn(4, 3, generator=draws) for _ in range(3)))


def test_class_weights_are_inverse_frequencies_of_mean_one():
    """10, 40 and 50 pairs: 1/10, 1/40, 1/50 over their mean 0.145/3; of the roots, over their mean 0.615763/3."""
    assert class_weights(TARGETS, 3, "none") is None
    assert class_weights(TARGETS, 3, "balanced").tolist() == pytest.approx([2.068966, 0.517241, 0.413793], abs=1e-5)
    assert class_weights(TARGETS, 3, "sqrt").tolist() == pytest.approx([1.540663, 0.770331, 0.689005], abs=1e-5)
    absent = class_weights([0, 0, 1], 3, "balanced").tolist()
    assert absent == pytest.approx([0.6, 1.2, 1.2]), "a class without training pairs counts as one pair"


def test_class_weights_come_from_the_training_pairs_alone():
    """12, 8 and 4 training pairs: 1/12, 1/8, 1/4 over their mean 11/72. The validation pairs are all of class 2."""
    table = replace(tiny_table(), targets=np.array([0] * 12 + [1] * 8 + [2] * 4 + [2] * 12))
    trainer = make_trainer(table=table, class_weights="balanced")
    assert trainer.loss.weights.tolist() == pytest.approx([6 / 11, 9 / 11, 18 / 11])
    assert make_trainer(table=table).loss.weights is None


def test_the_loss_is_weighted_and_smoothed_cross_entropy():
    batch, scores = tiny_batch(), logits()._replace(text=None, image=None)
    assert loss()(scores, batch).item() == pytest.approx(functional.cross_entropy(scores.main, batch.target).item())
    expected = functional.cross_entropy(
        scores.main, batch.target, weight=class_weights(TARGETS, 3, "balanced"), label_smoothing=0.1
    )
    assert loss(class_weights="balanced", label_smoothing=0.1)(scores, batch).item() == pytest.approx(expected.item())


def smoothed(probability, smoothing=0.2):
    """Cross-entropy of two classes by hand: most of the target on the true class, half the smoothing on each."""
    right, wrong = -log(probability), -log(1 - probability)
    return (1 - smoothing) * right + smoothing / 2 * (right + wrong)


def test_every_head_is_smoothed_and_weighted():
    """Main, text and image head give the true classes 3/4, 2/3 and 1/4. Of two classes with weights 1.5 and 0.5 the
    weights sum to 2 over both pairs, and each class is the truth once."""
    shares = (3 / 4, 2 / 3, 1 / 4)
    heads = [torch.tensor([[log(p), log(1 - p)], [log(1 - p), log(p)]]) for p in shares]
    batch = tiny_batch(present=((True, True), (True, True)))
    plain = Loss(replace(QUICK, label_smoothing=0.2), [0, 1], 2, 0.5, ONE_PROCESS)
    expected = smoothed(3 / 4) + 0.5 * (smoothed(2 / 3) + smoothed(1 / 4))
    assert plain(Logits(*heads), batch).item() == pytest.approx(expected, rel=1e-6)
    balanced = Loss(replace(QUICK, class_weights="balanced"), [0, 1, 1, 1], 2, 0.5, ONE_PROCESS)
    assert balanced.weights.tolist() == pytest.approx([1.5, 0.5])
    unequal = [torch.tensor([[log(p), log(1 - p)], [0.0, 0.0]]) for p in shares]  # the second pair gives 1/2
    parts = [(1.5 * -log(p) + 0.5 * log(2)) / 2 for p in shares]
    assert balanced(Logits(*unequal), batch).item() == pytest.approx(parts[0] + 0.5 * (parts[1] + parts[2]), rel=1e-6)


def test_an_auxiliary_head_does_not_count_pairs_without_its_modality():
    batch, scores = tiny_batch(), logits()
    main = functional.cross_entropy(scores.main, batch.target)
    text = functional.cross_entropy(scores.text[[0, 1, 3]], batch.target[[0, 1, 3]])
    image = functional.cross_entropy(scores.image[[0, 2, 3]], batch.target[[0, 2, 3]])
    assert loss(0.3)(scores, batch).item() == pytest.approx((main + 0.3 * (text + image)).item())
    nobody = tiny_batch(present=((True, False), (True, False), (True, False), (True, False)))
    assert loss(0.3)(scores, nobody).isfinite()


class Waits(TorchDispatchMode):
    """Collects the operations for which a GPU would be waited for: values, or sizes that depend on values."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_choice = func.overloadpacket is torch.ops.aten.index and any(i.dtype == torch.bool for i in args[1])
        if is_choice or func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            self.seen.append(func)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_on_a_gpu_the_loss_is_the_same_and_waits_for_nothing(kind):
    batch, scores = tiny_batch(), logits()
    here = loss(0.3, class_weights=kind, label_smoothing=0.1)
    there = loss(0.3, class_weights=kind, label_smoothing=0.1)
    there.accelerator = SimpleNamespace(num_processes=1, device=torch.device("cuda"), reduce=lambda own, _: own)
    with Waits() as waits:
        answer = there(scores, batch)
    assert waits.seen == []
    torch.testing.assert_close(answer, here(scores, batch))
    with waits:
        here(scores, batch)
    assert waits.seen, "on a CPU, the pairs of a modality are selected"


def test_the_mean_of_the_losses_of_two_processes_is_the_loss_of_all_their_pairs():
    """A third of the pairs are here. So their mean counts a third, and twice that in the mean of two processes."""
    batch, scores, here, two = tiny_batch(), logits(), loss(0.3), loss(0.3)
    two.accelerator = SimpleNamespace(num_processes=2, device=torch.device("cpu"), reduce=lambda own, _: 3 * own)
    torch.testing.assert_close(two(scores, batch), here(scores, batch) * 2 / 3)
