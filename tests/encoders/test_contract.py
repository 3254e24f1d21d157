"""What every encoder of the tables must do."""

import pytest
import torch

from mmsent_cli.encoders.contract import Activations
from mmsent_cli.encoders.registry import IMAGE_ENCODERS, TEXT_ENCODERS
from mmsent_cli.features.batching import raw_pad, stack
from tests.encoders.cases import CASES, IMAGE_NAMES, TEXT_NAMES, build, built, fresh, raw_arrays, sample

every_encoder = pytest.mark.parametrize(("side", "name"), CASES)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def test_the_sweep_covers_each_row_of_both_tables():
    assert {name.partition(":")[0] for name in TEXT_NAMES} == set(TEXT_ENCODERS)
    assert {name.partition(":")[0] for name in IMAGE_NAMES} == set(IMAGE_ENCODERS)
    assert (len(TEXT_ENCODERS), len(IMAGE_ENCODERS), len(CASES)) == (9, 7, 22)


@every_encoder
@torch.no_grad()
def test_features_are_finite_and_as_wide_as_stated(side, name, weights_dir):
    encoder = built(side, name, weights_dir)
    encoded = encoder(sample(encoder, side))
    assert encoded.pooled.shape == (4, encoder.out_dim)
    assert encoded.pooled.isfinite().all()
    if encoded.tokens is not None:
        assert encoded.tokens.shape[:2] == encoded.mask.shape
        assert encoded.tokens.isfinite().all()
    assert not torch.allclose(encoded.pooled[0], encoded.pooled[2], atol=1e-6), "different inputs, equal features"


@every_encoder
@torch.no_grad()
def test_cutting_anywhere_changes_nothing(side, name, weights_dir):
    encoder = built(side, name, weights_dir)
    inputs = sample(encoder, side)
    whole = encoder(inputs)
    for cut in range(encoder.n_stages + 1):
        parts = encoder.suffix(encoder.prefix(inputs, cut), cut)
        assert torch.equal(parts.pooled, whole.pooled), cut
        if cut < encoder.n_stages:
            assert (parts.tokens is None) == (whole.tokens is None)
            assert whole.tokens is None or torch.equal(parts.tokens, whole.tokens), cut


@every_encoder
@torch.no_grad()
def test_every_stored_part_goes_on_to_the_same_features(side, name, weights_dir):
    """What is stored ends at the cut, which lies in the frozen part or at its end."""
    encoder = fresh(side, name, weights_dir)
    inputs = sample(encoder, side)
    whole = built(side, name, weights_dir)(inputs)
    for frozen in range(encoder.n_stages + 1):
        encoder.freeze(frozen)
        assert encoder.cut == frozen
        assert torch.equal(encoder(encoder.prefix(inputs, encoder.cut)).pooled, whole.pooled)
        encoder.keep_tokens()
        assert encoder.cut == min(frozen, encoder.n_stages - 1)
        assert encoder.frozen == frozen
        encoded = encoder(encoder.prefix(inputs, encoder.cut))
        assert torch.equal(encoded.pooled, whole.pooled)
        assert torch.equal(encoder.encode(inputs).pooled, whole.pooled)
        assert (encoded.tokens is None) == (whole.tokens is None)
        assert whole.tokens is None or torch.equal(encoded.tokens, whole.tokens)


@every_encoder
def test_the_width_of_tokens_is_known_before_any_is_seen(side, name, weights_dir):
    encoder = fresh(side, name, weights_dir).train()
    before = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
    random_state = torch.get_rng_state()
    width = encoder.token_dim()
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(module.training for module in encoder.modules())
    assert all(torch.equal(tensor, before[key]) for key, tensor in encoder.state_dict().items())
    with torch.no_grad():
        tokens = encoder.eval()(sample(encoder, side)).tokens
    assert width == (None if tokens is None else tokens.shape[2])


@every_encoder
def test_a_gradient_reaches_each_parameter(side, name, weights_dir):
    encoder = fresh(side, name, weights_dir)
    pooled = encoder(sample(encoder, side)).pooled
    (pooled * torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    parameters = dict(encoder.named_parameters())
    assert [key for key, p in parameters.items() if p.grad is None] == []
    assert [key for key, p in parameters.items() if not p.grad.isfinite().all() or not p.grad.any()] == []


@pytest.mark.parametrize("name", TEXT_NAMES)
@torch.no_grad()
def test_padding_cannot_change_a_feature(name, weights_dir):
    encoder = built("text", name, weights_dir)
    ids, mask = sample(encoder, "text")
    extra = torch.full((4, 5), encoder.inputs.pad_id)
    longer = Activations(torch.cat([ids, extra], 1), torch.cat([mask, torch.zeros(4, 5, dtype=torch.bool)], 1))
    torch.testing.assert_close(encoder(longer).pooled, encoder(Activations(ids, mask)).pooled, **CLOSE)
    rubbish = torch.where(longer.mask, longer.values, 3)
    torch.testing.assert_close(
        encoder(Activations(rubbish, longer.mask)).pooled,
        encoder(longer).pooled,
        **CLOSE,
    )


@every_encoder
@torch.no_grad()
def test_a_pair_cannot_change_its_neighbour(side, name, weights_dir):
    encoder = built(side, name, weights_dir)
    together = encoder(sample(encoder, side)).pooled
    for row, array in enumerate(raw_arrays(encoder, side)):
        alone = encoder(stack([array], raw_pad(encoder))).pooled
        torch.testing.assert_close(alone[0], together[row], **CLOSE)


@every_encoder
@torch.no_grad()
def test_the_same_seed_builds_the_same_encoder(side, name, weights_dir):
    again = build(side, name, weights_dir).eval()
    encoder = built(side, name, weights_dir)
    assert again.digest(again.n_stages) == encoder.digest(encoder.n_stages)
    inputs = sample(encoder, side)
    assert torch.equal(again(inputs).pooled, encoder(inputs).pooled)


@every_encoder
@torch.no_grad()
def test_the_state_carries_the_whole_encoder(side, name, weights_dir):
    encoder, other = built(side, name, weights_dir), fresh(side, name, weights_dir)
    for tensor in other.state_dict().values():
        tensor.zero_()
    other.load_state_dict(encoder.state_dict())
    inputs = sample(encoder, side)
    assert torch.equal(other(inputs).pooled, encoder(inputs).pooled)


@every_encoder
@torch.no_grad()
def test_the_digest_depends_on_each_weight_of_the_frozen_stages_only(side, name, weights_dir):
    encoder = fresh(side, name, weights_dir)
    before = [encoder.digest(cut) for cut in range(encoder.n_stages + 1)]
    assert len(set(before)) >= encoder.n_stages
    for index, stage in enumerate(encoder.stages):
        changed = next((t for t in stage.state_dict().values() if t.is_floating_point()), None)
        if changed is not None:
            kept = changed.clone()
            changed[(-1,) * changed.dim()] += 1  # in place, whatever its layout
            assert encoder.digest(index) == before[index]
            assert encoder.digest(index + 1) != before[index + 1]
            changed.copy_(kept)
