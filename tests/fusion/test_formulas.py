"""Each layer against its formula in plain algebra (numpy, float64), and against numbers worked out by hand."""

import numpy as np
import pytest
import torch

from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.fusion import FUSIONS
from tests.fusion.inputs import build, encoded

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
"""float32 against float64: a few hundred products summed in another order differ by up to 4e-5, by processor."""


def shaken(name):
    """A fusion whose norms and biases are random too, so that leaving one out shows, and its weights as numpy."""
    fusion = build(name)
    draws = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draws))
    return fusion, {key: value.double().numpy() for key, value in fusion.state_dict().items()}


def arrays(name):
    """Pooled text and image features [4, D], float64."""
    return [side.pooled.double().numpy() for side in encoded(name)]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(x, weights, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    return (
        centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * weights[f"{name}.weight"]
        + weights[f"{name}.bias"]
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gate(x, weights, name):
    return sigmoid(norm(linear(x, weights, f"{name}.linear"), weights, f"{name}.norm"))


def attend(queries, keys, weights, name, heads=4):
    """Multi-head attention of one pair: [Q, D] over [K, D] to [Q, D], and the weights [Q, K], mean over heads."""
    width = queries.shape[1]
    projections = zip(
        (queries, keys, keys),
        np.split(weights[f"{name}.in_proj_weight"], 3),
        np.split(weights[f"{name}.in_proj_bias"], 3),
        strict=True,
    )
    q, k, v = (x @ matrix.T + bias for x, matrix, bias in projections)
    outputs, shares = [], []
    for part in np.split(np.arange(width), heads):
        scores = np.exp(q[:, part] @ k[:, part].T / np.sqrt(width / heads))
        share = scores / scores.sum(axis=1, keepdims=True)
        outputs.append(share @ v[:, part])
        shares.append(share)
    return linear(np.concatenate(outputs, axis=1), weights, f"{name}.out_proj"), np.mean(shares, axis=0)


def check(name, expected):
    fused = shaken(name)[0](*encoded(name))
    np.testing.assert_allclose(fused.detach().numpy(), expected, **CLOSE)


def check_gates(name, expected):
    gates = shaken(name)[0].gates(*encoded(name))
    assert gates.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(gates[key].detach().numpy(), values, **CLOSE)


def test_concat():
    check("concat", np.concatenate(arrays("concat"), axis=1))


def test_weighted():
    text, image = arrays("weighted")
    _, weights = shaken("weighted")
    a, b = sigmoid(weights["text_weight"]), sigmoid(weights["image_weight"])
    check("weighted", np.concatenate([a * text, b * image], axis=1))
    check_gates("weighted", {"text": np.full(4, a), "image": np.full(4, b)})


def test_weighted_starts_at_the_published_weights():
    fused = build("weighted")(Encoded(torch.tensor([[1.0, -2.0]])), Encoded(torch.tensor([[4.0]])))
    torch.testing.assert_close(fused, torch.tensor([[0.6224593, -1.2449187, 2.4898373]]))


def test_self_attention():
    text, image = arrays("self-attention")
    _, weights = shaken("self-attention")
    tokens = np.stack(
        [linear(text, weights, "text_projection"), linear(image, weights, "image_projection")], axis=1
    )  # [4, 2, 512]
    normed = norm(tokens, weights, "norm_before")
    attended, shares = zip(*(attend(pair, pair, weights, "attention") for pair in normed), strict=True)
    check("self-attention", norm(tokens + np.stack(attended), weights, "norm_after").reshape(4, 1024))
    check_gates("self-attention", dict(zip(("text", "image"), np.stack(shares).mean(axis=1).T, strict=True)))


def test_early():
    text, image = arrays("early")
    _, weights = shaken("early")
    both = np.concatenate([norm(text, weights, "text_norm"), norm(image, weights, "image_norm")], axis=1)
    hidden = norm(np.maximum(0, linear(both, weights, "joint.0")), weights, "joint.3")
    check("early", norm(np.maximum(0, linear(hidden, weights, "joint.4")), weights, "joint.7"))


def test_early_drops_out_as_published():
    drops = [module.p for module in build("early").modules() if isinstance(module, torch.nn.Dropout)]
    assert drops == [0.4, 0.3]


def test_clip():
    text, image = arrays("clip")
    _, weights = shaken("clip")
    points = linear(text, weights, "text_projection"), linear(image, weights, "image_projection")
    check("clip", np.concatenate([x / np.linalg.norm(x, axis=1, keepdims=True) for x in points], axis=1))


def test_clip_by_hand():
    fusion = FUSIONS["clip"].build(2, 1)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.zero_()
        fusion.text_projection.weight[:2] = torch.eye(2)
        fusion.image_projection.bias[7] = 3.0
    fused = fusion(Encoded(torch.tensor([[3.0, 4.0]])), Encoded(torch.tensor([[5.0]])))[0]
    expected = torch.zeros(1024)
    expected[0], expected[1], expected[512 + 7] = 0.6, 0.8, 1.0
    torch.testing.assert_close(fused, expected)


def test_blip():
    text, image = arrays("blip")
    _, weights = shaken("blip")
    opened = gate(image, weights, "text_gate")
    both = np.concatenate([text * opened, image], axis=1)
    check("blip", norm(linear(both, weights, "projection"), weights, "norm"))
    check_gates("blip", {"text": opened.mean(axis=1)})


def test_blip_advanced():
    text, image = arrays("blip-advanced")
    _, weights = shaken("blip-advanced")
    for_text, for_image = gate(image, weights, "text_gate"), gate(text, weights, "image_gate")
    both = np.concatenate([text * for_text, image * for_image], axis=1)
    check("blip-advanced", norm(linear(both, weights, "projection"), weights, "norm"))
    check_gates("blip-advanced", {"text": for_text.mean(axis=1), "image": for_image.mean(axis=1)})


def test_gmu():
    text, image = arrays("gmu")
    _, weights = shaken("gmu")
    share = sigmoid(linear(np.concatenate([text, image], axis=1), weights, "gate"))
    hidden_text = np.tanh(linear(text, weights, "text_projection"))
    hidden_image = np.tanh(linear(image, weights, "image_projection"))
    check("gmu", share * hidden_text + (1 - share) * hidden_image)
    check_gates("gmu", {"text": share.mean(axis=1), "image": 1 - share.mean(axis=1)})


def test_gmu_by_hand():
    fusion = FUSIONS["gmu"].build(1, 1)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.zero_()
        fusion.text_projection.weight.fill_(1.0)
        fusion.image_projection.weight.fill_(-1.0)
        fusion.gate.bias.fill_(np.log(3))  # σ = 3/4
    fused = fusion(Encoded(torch.tensor([[0.5]])), Encoded(torch.tensor([[1.0]])))
    torch.testing.assert_close(fused, torch.full((1, 512), 0.75 * 0.46211716 - 0.25 * 0.76159416))


def test_cross_attention():
    """Pair by pair, without padding or masks: only what is real takes part."""
    _, weights = shaken("cross-attention")
    expected, on_words, on_regions = [], [], []
    for row in range(4):
        sides = []
        for side, name in zip(encoded("cross-attention"), ("text_tokens", "image_tokens"), strict=True):
            tokens = side.tokens[row][side.mask[row]].double().numpy()
            pooled = linear(side.pooled[row : row + 1].double().numpy(), weights, f"{name}.pooled")
            sequence = np.concatenate([pooled, linear(tokens, weights, f"{name}.tokens")])
            sides.append(norm(sequence, weights, f"{name}.norm"))
        words, regions = sides
        to_words, from_regions = attend(words, regions, weights, "text_queries")
        to_regions, from_words = attend(regions, words, weights, "image_queries")
        text_side = norm(words + to_words, weights, "text_norm").mean(axis=0)
        image_side = norm(regions + to_regions, weights, "image_norm").mean(axis=0)
        expected.append(np.concatenate([text_side, image_side]))
        on_words.append(from_words[:, 1:].sum(axis=1).mean())
        on_regions.append(from_regions[:, 1:].sum(axis=1).mean())
    check("cross-attention", np.stack(expected))
    check_gates("cross-attention", {"text_tokens": on_words, "image_tokens": on_regions})


def test_logit_ensemble():
    fusion, weights = shaken("logit-ensemble")
    logits = [
        linear(x, weights, f"{side}_head") for side, x in zip(("text", "image"), arrays("logit-ensemble"), strict=True)
    ]
    a, b = np.exp(weights["text_log_scale"]), np.exp(weights["image_log_scale"])
    text, image = (x - np.log(np.exp(x).sum(axis=1, keepdims=True)) for x in logits)
    scores = fusion(*encoded("logit-ensemble"))
    for found, expected in zip(scores, (a * text + b * image + weights["bias"], *logits), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, **CLOSE)
    check_gates("logit-ensemble", {"text": np.full(4, a / (a + b)), "image": np.full(4, b / (a + b))})


def test_logit_ensemble_begins_as_the_geometric_mean():
    fusion = build("logit-ensemble")
    text, image = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.08, 0.9, 0.02]])
    shares = fusion.combine(text.log(), image.log()).softmax(dim=1)
    mean = torch.tensor([[0.2, 0.4743416, 0.0707107]])  # roots of .04, .225, .005
    torch.testing.assert_close(shares, mean / mean.sum())


@pytest.mark.parametrize("name", ["text-only", "image-only"])
def test_unimodal(name):
    check(name, arrays(name)[("text-only", "image-only").index(name)])
