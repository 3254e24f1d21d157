"""Dropout: the share of dropped values, the scale, the gradient, and the identity in eval mode."""

import pytest
import torch

from mmsent_cli.encoders.stages import Dropout
from mmsent_cli.encoders.text.minilm import Attention

CONFIG = {
    "hidden_size": 8,
    "num_attention_heads": 2,
    "attention_probs_dropout_prob": 0.25,
    "hidden_dropout_prob": 0.0,
    "layer_norm_eps": 1e-12,
}


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_share_is_dropped_and_the_rest_is_scaled(p, dtype):
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.full((997, 101), 3.0, dtype=dtype))  # a number of values that 4 does not divide
    kept = dropped[dropped != 0]
    assert dropped.shape == (997, 101) and dropped.dtype == dtype
    torch.testing.assert_close(kept, torch.full_like(kept, 3 / (1 - p)))
    share = 1 - len(kept) / dropped.numel()
    assert abs(share - p) < 4 * (p * (1 - p) / dropped.numel()) ** 0.5
    assert dropped.float().mean() == pytest.approx(3, abs=0.05)


def test_values_are_dropped_one_by_one():
    """Neighbours, which share a random number, are dropped as often together as chance has it."""
    torch.manual_seed(0)
    dropped = Dropout(0.5)(torch.ones(100_000, 4)) == 0
    for one in range(4):
        for other in range(one):
            together = (dropped[:, one] & dropped[:, other]).float().mean()
            assert together == pytest.approx(0.25, abs=0.006)


def test_the_gradient_goes_where_values_went():
    torch.manual_seed(0)
    values = torch.randn(50, 7, requires_grad=True)
    dropped = Dropout(0.2)(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, torch.where(dropped == 0, 0.0, 1 / 0.8))


def test_the_seed_decides_what_is_dropped():
    values, masks = torch.ones(40, 40), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.3)(values))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("dropout", [Dropout(0.0), Dropout(0.5).eval()])
def test_nothing_is_dropped_in_eval_mode_or_with_probability_zero(dropout):
    values = torch.randn(5, 3)
    assert torch.equal(dropout(values), values)


def test_attention_in_training_is_that_of_eval_mode_on_average():
    """4,000 passes of one sentence with a masked end; without dropout the two ways agree to rounding."""
    torch.manual_seed(0)
    attention = Attention(CONFIG)
    values = torch.randn(1, 5, 8)
    mask = torch.tensor([0.0, 0.0, 0.0, 0.0, float("-inf")]).reshape(1, 1, 1, 5)
    query, key, value = torch.randn(3, 1, 2, 5, 4).unbind()
    with torch.no_grad():
        whole = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask)
        many = [each.expand(4000, -1, -1, -1) for each in (query, key, value)]
        torch.testing.assert_close(attention._attend(*many, mask).mean(dim=0, keepdim=True), whole, rtol=0, atol=0.05)
        attention.dropout.p = 0.0
        torch.testing.assert_close(attention.train()(values, mask), attention.eval()(values, mask))
