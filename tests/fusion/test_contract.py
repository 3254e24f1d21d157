"""What every fusion of the table must do."""

import copy

import pytest
import torch

from mmsent_cli.encoders.staged import Encoded
from mmsent_cli.fusion import FUSIONS

TEXT_DIM, IMAGE_DIM = 12, 20
every_fusion = pytest.mark.parametrize("name", FUSIONS)


def build(name, seed=0):
    torch.manual_seed(seed)
    return FUSIONS[name].build(TEXT_DIM, IMAGE_DIM)


def encoded(seed=1, padding=0, rows=4):
    """Both modalities of some pairs: five text tokens (the last of pair 0 is padding), nine image positions."""
    draws = torch.Generator().manual_seed(seed)
    text_mask = torch.ones(rows, 5 + padding, dtype=torch.bool)
    text_mask[0, 4] = False
    text_mask[:, 5:] = False
    text_tokens, image_tokens = (torch.randn(rows, n, d, generator=draws) for n, d in ((5, TEXT_DIM), (9, IMAGE_DIM)))
    filler = torch.full((rows, padding, TEXT_DIM), 7.0)
    text = Encoded(torch.randn(rows, TEXT_DIM, generator=draws), torch.cat([text_tokens, filler], dim=1), text_mask)
    image_mask = torch.ones(rows, 9, dtype=torch.bool)
    return text, Encoded(torch.randn(rows, IMAGE_DIM, generator=draws), image_tokens, image_mask)


def test_the_sweep_covers_the_table():
    assert len(FUSIONS) == 2
    assert all(spec.summary and spec.source for spec in FUSIONS.values())


@every_fusion
def test_the_output_is_finite_and_as_wide_as_stated(name):
    fusion = build(name).eval()
    fused = fusion(*encoded())
    assert fused.shape == (4, fusion.out_dim)
    assert fused.isfinite().all()


@every_fusion
def test_both_modalities_matter_and_pooled_features_are_enough(name):
    fusion = build(name).eval()
    text, image = (Encoded(part.pooled) for part in encoded())
    other_text, other_image = (Encoded(part.pooled) for part in encoded(seed=2))
    fused = fusion(text, image)
    assert not torch.allclose(fusion(other_text, image), fused)
    assert not torch.allclose(fusion(text, other_image), fused)


@every_fusion
def test_a_gradient_reaches_each_parameter_and_both_inputs(name):
    fusion = build(name).eval()
    text, image = encoded()
    text.pooled.requires_grad_()
    image.pooled.requires_grad_()
    fused = fusion(text, image)
    (fused * torch.randn(fused.shape, generator=torch.Generator().manual_seed(3))).sum().backward()
    for tensor in (*fusion.parameters(), text.pooled, image.pooled):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.any()


@every_fusion
def test_padding_and_neighbours_cannot_change_the_output(name):
    fusion = build(name).eval()
    fused = fusion(*encoded())
    torch.testing.assert_close(fusion(*encoded(padding=3)), fused)
    for row in range(4):
        alone = fusion(*(Encoded(*(part[row : row + 1] for part in side)) for side in encoded()))
        torch.testing.assert_close(alone[0], fused[row])


@every_fusion
def test_seed_and_state_decide_the_output(name):
    first, again, other = build(name), build(name), build(name, seed=9)
    inputs = encoded()
    assert torch.equal(first.eval()(*inputs), again.eval()(*inputs))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    other.load_state_dict(first.state_dict())
    assert torch.equal(other.eval()(*inputs), first(*inputs))
    assert copy.deepcopy(first).out_dim == first.out_dim


def test_weighted_starts_at_the_published_weights():
    text, image = encoded()
    half = torch.sigmoid(torch.tensor(0.5))
    assert torch.equal(build("weighted")(text, image), torch.cat([half * text.pooled, half * image.pooled], dim=1))


def test_concat_is_text_then_image():
    text, image = encoded()
    assert torch.equal(build("concat")(text, image), torch.cat([text.pooled, image.pooled], dim=1))
