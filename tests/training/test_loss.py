"""The loss: class weights, smoothing, auxiliary heads; and the groups of parameters it trains."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from mmsent_cli.model import Logits
from mmsent_cli.training.loss import Loss, class_weights
from mmsent_cli.training.optimizer import build_optimizer, steps_per_epoch
from tests.training.builders import QUICK, tiny_batch, tiny_model

TARGETS = [0] * 10 + [1] * 40 + [2] * 50


def loss(auxiliary_weight=0.0, **changes):
    return Loss(replace(QUICK, **changes), TARGETS, 3, auxiliary_weight, torch.device("cpu"))


def logits(seed=0):
    draws = torch.Generator().manual_seed(seed)
    return Logits(*(torch.randn(4, 3, generator=draws) for _ in range(3)))


def test_class_weights_are_inverse_frequencies_of_mean_one():
    assert class_weights(TARGETS, 3, "none") is None
    balanced, root = class_weights(TARGETS, 3, "balanced"), class_weights(TARGETS, 3, "sqrt")
    assert balanced.mean().item() == pytest.approx(1)
    assert root.mean().item() == pytest.approx(1)
    assert (balanced[0] / balanced[2]).item() == pytest.approx(5)
    assert (root[0] / root[2]).item() == pytest.approx(5**0.5)
    assert class_weights([0, 0, 1], 3, "balanced").isfinite().all(), "a class without training pairs"


def test_the_loss_is_weighted_and_smoothed_cross_entropy():
    batch, scores = tiny_batch(), logits()._replace(text=None, image=None)
    assert loss()(scores, batch).item() == pytest.approx(functional.cross_entropy(scores.main, batch.target).item())
    expected = functional.cross_entropy(
        scores.main, batch.target, weight=class_weights(TARGETS, 3, "balanced"), label_smoothing=0.1
    )
    assert loss(class_weights="balanced", label_smoothing=0.1)(scores, batch).item() == pytest.approx(expected.item())


def test_an_auxiliary_head_does_not_count_pairs_without_its_modality():
    batch, scores = tiny_batch(), logits()
    main = functional.cross_entropy(scores.main, batch.target)
    text = functional.cross_entropy(scores.text[[0, 1, 3]], batch.target[[0, 1, 3]])
    image = functional.cross_entropy(scores.image[[0, 2, 3]], batch.target[[0, 2, 3]])
    assert loss(0.3)(scores, batch).item() == pytest.approx((main + 0.3 * (text + image)).item())
    nobody = tiny_batch(present=((True, False), (True, False), (True, False), (True, False)))
    assert loss(0.3)(scores, nobody).isfinite()


def test_encoders_and_head_have_their_own_rates_and_norms_and_biases_do_not_decay():
    model = tiny_model(auxiliary_classes=3)
    model.text.freeze(2)
    optimizer = build_optimizer(model, QUICK)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {names[id(p)]: group for group in optimizer.param_groups for p in group["params"]}
    assert set(groups) == {name for name, p in model.named_parameters() if p.requires_grad}
    for name, group in groups.items():
        assert group["lr"] == (0.01 if name.startswith("image.") else 0.02), name
        decays = name.endswith("weight") and model.get_parameter(name).dim() > 1
        assert group["weight_decay"] == (0.01 if decays else 0.0), name


@pytest.mark.parametrize(("batches", "accumulation", "steps"), [(10, 1, 10), (10, 2, 5), (11, 2, 6), (1, 8, 1)])
def test_steps_are_counted_by_groups(batches, accumulation, steps):
    assert steps_per_epoch(batches, accumulation) == steps
