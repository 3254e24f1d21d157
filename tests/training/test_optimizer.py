"""The optimizer's groups and the schedule, step by step, against the formulas."""

import math

import pytest
import torch

from mmsent_cli.training.loss import build_optimizer, build_schedule, current_lr, steps_per_epoch
from tests.configs import resolved_fit
from tests.training.builders import QUICK, make_trainer, tiny_model, train

FALLS = {
    "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "linear": lambda share: 1 - share,
    "constant": lambda share: 1.0,
}


def rates(schedule, warmup, steps):
    """The rate at which each optimizer step is made, of a full rate of 1, and the rate after the last step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build_schedule(optimizer, resolved_fit(schedule=schedule, warmup=warmup), steps)
    told = []
    for _ in range(steps + 1):
        told.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return told


@pytest.mark.parametrize("schedule", FALLS)
@pytest.mark.parametrize(("warmup", "steps", "risen"), [(0.2, 20, 4), (0.1, 30, 3), (0.0, 16, 0), (0.25, 10, 2)])
def test_the_rate_rises_evenly_and_then_falls_by_the_formula(schedule, warmup, steps, risen):
    rise = [step / risen for step in range(risen)]
    fall = [FALLS[schedule]((step - risen) / (steps - risen)) for step in range(risen, steps + 1)]
    assert rates(schedule, warmup, steps) == pytest.approx(rise + fall, abs=1e-9)


def test_the_three_schedules_at_half_and_three_quarters_of_their_fall():
    """cos(π/2) = 0 and cos(3π/4) = -0.7071: half of the rate, then 0.1464."""
    told = {schedule: rates(schedule, 0.2, 20) for schedule in FALLS}
    assert {name: (each[2], each[12]) for name, each in told.items()} == {
        "cosine": (0.5, pytest.approx(0.5)),
        "linear": (0.5, pytest.approx(0.5)),
        "constant": (0.5, 1.0),
    }
    assert [told[name][16] for name in FALLS] == pytest.approx([0.146447, 0.25, 1.0], abs=1e-6)


@pytest.mark.parametrize(("accumulation", "steps"), [(1, 6), (4, 2)])
def test_an_epoch_reports_both_rates_of_its_last_step(accumulation, steps):
    """24 pairs in batches of 4: six batches; four of them make a step, and the last two another."""
    results = train(make_trainer(schedule="linear", warmup=0.0, accumulation_steps=accumulation))
    shares = [1 - (steps * epoch - 1) / (3 * steps) for epoch in (1, 2, 3)]
    assert [result.encoder_lr for result in results] == pytest.approx([0.01 * share for share in shares])
    assert [result.head_lr for result in results] == pytest.approx([0.02 * share for share in shares])


def test_encoders_and_head_have_their_own_rates_and_norms_and_biases_do_not_decay():
    model = tiny_model(auxiliary_classes=3)
    model.text.freeze(2)
    optimizer = build_optimizer(model, QUICK)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {names[id(p)]: group for group in optimizer.param_groups for p in group["params"]}
    assert optimizer.defaults["fused"] is True
    assert set(groups) == {name for name, p in model.named_parameters() if p.requires_grad}
    for name, group in groups.items():
        assert group["lr"] == (0.01 if name.startswith("image.") else 0.02), name
        decays = name.endswith("weight") and model.get_parameter(name).dim() > 1
        assert group["weight_decay"] == (0.01 if decays else 0.0), name
        side = "encoder" if name.startswith("image.") else "head"
        assert group["name"] == side + ("" if decays else " (no decay)")
    model.image.freeze(2)
    frozen = build_optimizer(model, QUICK)
    assert (current_lr(frozen, "encoder"), current_lr(frozen, "head")) == (0.0, 0.02)


@pytest.mark.parametrize(("batches", "accumulation", "steps"), [(10, 1, 10), (10, 2, 5), (11, 2, 6), (1, 8, 1)])
def test_steps_are_counted_by_groups(batches, accumulation, steps):
    assert steps_per_epoch(batches, accumulation) == steps
