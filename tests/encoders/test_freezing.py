"""Frozen means: no gradient, eval mode, nothing moves. Faults 1 and 2 of the published course systems."""

import pytest
import torch
from torch import nn

from mmsent_cli.encoders.contract import frozen_stages
from mmsent_cli.errors import ConfigError
from mmsent_cli.model import count_parameters
from tests.encoders.cases import CASES, built, fresh, sample

WHOLE = (
    "minilm-layers",
    "mpnet-layers",
    "twitter-roberta",
    "efficientnet-lite0-stages",
    "hf:small-albert",
    "hf:small-vit",
    "timm:test_vit",
)
"""One stage and the pooling: nothing to train after a cut."""

every_encoder = pytest.mark.parametrize(("side", "name"), CASES)


@pytest.mark.parametrize(("side", "name"), [case for case in CASES if case[1] not in WHOLE])
def test_frozen_stages_stay_as_they_are_and_the_rest_learns(side, name, weights_dir):
    encoder = fresh(side, name, weights_dir)
    cut = encoder.n_stages // 2
    encoder.freeze(cut).train()
    before = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.01, weight_decay=0.1)
    inputs = sample(encoder, side)
    encoder(encoder.prefix(inputs, cut)).pooled.pow(2).mean().backward()
    assert all(p.grad is None for stage in encoder.stages[:cut] for p in stage.parameters())
    optimizer.step()
    moved = {key for key, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[key])}
    frozen = {key for key in before if int(key.split(".")[1]) < cut}
    assert not moved & frozen
    assert {key for key, _ in encoder.named_parameters()} - frozen <= moved


@every_encoder
def test_a_frozen_stage_computes_as_in_eval_mode_inside_train(side, name, weights_dir):
    encoder = fresh(side, name, weights_dir)
    inputs = sample(encoder, side)
    expected = built(side, name, weights_dir)(inputs).pooled
    encoder.freeze(encoder.n_stages).train()
    assert torch.equal(encoder.encode(inputs).pooled, expected)
    assert not any(module.training for stage in encoder.stages for module in stage.modules())


@every_encoder
def test_frozen_stages_after_the_cut_stay_frozen(side, name, weights_dir):
    """With tokens kept, the last frozen stage runs in every batch: in eval mode, and without a gradient."""
    encoder = fresh(side, name, weights_dir)
    inputs = sample(encoder, side)
    expected = built(side, name, weights_dir)(inputs).pooled
    digest = encoder.digest(encoder.n_stages)
    encoder.freeze(encoder.n_stages).keep_tokens().train()
    encoded = encoder(encoder.prefix(inputs, encoder.cut))
    assert torch.equal(encoded.pooled, expected)
    assert not encoded.pooled.requires_grad
    assert count_parameters(encoder)[0] == 0
    assert encoder.digest(encoder.frozen) == digest
    assert not any(module.training for stage in encoder.stages for module in stage.modules())


@pytest.mark.parametrize("name", ["light", "resnet18", "efficientnet-lite0"])
def test_batch_norm_statistics_of_frozen_stages_do_not_move(name, weights_dir):
    encoder = fresh("image", name, weights_dir)
    encoder.freeze(2).train()
    norms = [[m for m in stage.modules() if isinstance(m, nn.BatchNorm2d)] for stage in encoder.stages]
    before = [[m.running_mean.clone() for m in part] for part in norms]
    inputs = sample(encoder, "image")
    # The whole network, as if the frozen stages were part of the forward pass.
    values = inputs.values
    for stage in encoder.stages:
        values = stage(values, None)
    same = [
        [torch.equal(m.running_mean, old) for m, old in zip(*part, strict=True)]
        for part in zip(norms, before, strict=True)
    ]
    assert all(all(part) for part in same[:2])
    assert not any(any(part) for part in same[2:])


def test_dropout_of_trained_stages_is_active(weights_dir):
    encoder = fresh("text", "bert", weights_dir)
    inputs = sample(encoder, "text")
    encoder.freeze(2).train()
    first, second = (encoder(encoder.prefix(inputs, 2)).pooled for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(encoder.prefix(inputs, 2).values, encoder.prefix(inputs, 2).values)


@every_encoder
def test_parameters_are_counted_as_they_train(side, name, weights_dir):
    encoder = fresh(side, name, weights_dir)
    total = sum(p.numel() for p in encoder.parameters())
    assert count_parameters(encoder) == (total, total)
    for cut in range(1, encoder.n_stages + 1):
        frozen = sum(p.numel() for stage in encoder.stages[:cut] for p in stage.parameters())
        assert count_parameters(encoder.freeze(cut)) == (total - frozen, total)
    assert count_parameters(encoder.freeze(0)) == (total, total)


def test_settings_name_the_first_stage_and_layers_after_it(weights_dir):
    encoder = built("text", "bert", weights_dir)  # embeddings, 3 layers, pooling
    settings = ("none", "0", "1", "3", "all")
    assert [frozen_stages(encoder, setting, "--freeze-text") for setting in settings] == [0, 1, 2, 4, 5]
    with pytest.raises(ConfigError) as caught:
        frozen_stages(encoder, "4", "--freeze-text")
    assert "--freeze-text 4" in caught.value.message
    with pytest.raises(ValueError, match="5 stages"):
        encoder.freeze(6)
