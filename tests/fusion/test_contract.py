"""What every fusion of the table must do."""

import pytest
import torch

from mmsent_cli.config.defaults import FUSION_DEFAULTS
from mmsent_cli.errors import ConfigError
from mmsent_cli.fusion import FUSIONS, require_fusion
from tests.configs import resolved_model
from tests.fusion.inputs import build, encoded, output, padded, pairs

every_fusion = pytest.mark.parametrize("name", FUSIONS)
SEVEN = ["concat", "weighted", "self-attention", "early", "clip", "blip", "blip-advanced"]
GATES = {
    "weighted": {"text", "image"},
    "self-attention": {"text", "image"},
    "blip": {"text"},
    "blip-advanced": {"text", "image"},
    "gmu": {"text", "image"},
    "cross-attention": {"text_tokens", "image_tokens"},
    "logit-ensemble": {"text", "image"},
}


def read_tensors(name, text, image):
    """The inputs whose values a fusion reads."""
    sides = [side for side, modality in ((text, "text"), (image, "image")) if modality in FUSIONS[name].modalities]
    return [tensor for side in sides for tensor in (side.pooled, side.tokens) if tensor is not None]


def test_the_sweep_covers_the_table():
    assert len(FUSIONS) == 12
    assert all(spec.summary and spec.source for spec in FUSIONS.values())
    assert [name for name, spec in FUSIONS.items() if spec.is_published] == SEVEN
    assert [name for name, spec in FUSIONS.items() if spec.is_reference] == ["text-only", "image-only"]
    assert [name for name, spec in FUSIONS.items() if spec.reads == "tokens"] == ["cross-attention"]
    assert [name for name, spec in FUSIONS.items() if spec.has_heads] == ["logit-ensemble"]


@every_fusion
def test_the_output_is_finite_and_as_wide_as_stated(name):
    fusion = build(name)
    fused = output(fusion, *encoded(name))
    assert fused.shape == (4, fusion.out_dim * (3 if FUSIONS[name].has_heads else 1))
    assert fused.isfinite().all()


@every_fusion
def test_the_modalities_it_reads_matter_and_no_other(name):
    fusion = build(name)
    text, image = encoded(name)
    other_text, other_image = encoded(name, seed=2)
    fused = output(fusion, text, image)
    modalities = FUSIONS[name].modalities
    assert torch.allclose(output(fusion, other_text, image), fused) == ("text" not in modalities)
    assert torch.allclose(output(fusion, text, other_image), fused) == ("image" not in modalities)


@every_fusion
def test_a_gradient_reaches_each_parameter_and_each_input(name):
    fusion = build(name)
    text, image = encoded(name)
    inputs = read_tensors(name, text, image)
    for tensor in inputs:
        tensor.requires_grad_()
    fused = output(fusion, text, image)
    (fused * torch.randn(fused.shape, generator=torch.Generator().manual_seed(3))).sum().backward()
    gradients = {key: parameter.grad for key, parameter in fusion.named_parameters()}
    gradients |= {f"input {number}": tensor.grad for number, tensor in enumerate(inputs)}
    assert [key for key, gradient in gradients.items() if gradient is None] == []
    assert [key for key, gradient in gradients.items() if not gradient.isfinite().all() or not gradient.any()] == []


@every_fusion
def test_padding_and_neighbours_cannot_change_the_output(name):
    fusion = build(name)
    text, image = encoded(name)
    fused = output(fusion, text, image)
    torch.testing.assert_close(output(fusion, padded(text), image), fused)
    torch.testing.assert_close(output(fusion, text, padded(image)), fused)
    for row in range(4):
        alone = output(fusion, pairs(text, [row]), pairs(image, [row]))
        torch.testing.assert_close(alone[0], fused[row])


@every_fusion
def test_seed_and_state_decide_the_output(name):
    first, again, other = build(name), build(name), build(name, seed=9)
    inputs = encoded(name)
    assert torch.equal(output(first, *inputs), output(again, *inputs))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    other.load_state_dict(first.state_dict())
    assert torch.equal(output(other, *inputs), output(first, *inputs))


@every_fusion
def test_gates_are_shares_of_each_pair(name):
    fusion = build(name)
    gates = fusion.gates(*encoded(name)) if hasattr(fusion, "gates") else {}
    assert set(gates) == GATES.get(name, set())
    for values in gates.values():
        assert values.shape == (4,)
        assert ((values > 0) & (values < 1)).all()


@every_fusion
def test_gates_do_not_depend_on_padding_or_neighbours(name):
    fusion = build(name)
    if not hasattr(fusion, "gates"):
        return
    text, image = encoded(name)
    gates = fusion.gates(text, image)
    for key, values in fusion.gates(padded(text), padded(image)).items():
        torch.testing.assert_close(values, gates[key])
    for key, values in fusion.gates(pairs(text, [2]), pairs(image, [2])).items():
        torch.testing.assert_close(values[0], gates[key][2])


def test_a_fusion_brings_the_settings_that_belong_to_it():
    assert set(FUSION_DEFAULTS) <= set(FUSIONS)
    early = resolved_model(encoders="bert-resnet18", fusion="early")
    assert (early.head_hidden, early.head_dropout) == ((256,), (0.3,))
    given = resolved_model(encoders="bert-resnet18", fusion="early", head_hidden=(8,))
    assert (given.head_hidden, given.head_dropout) == ((8,), (0.3,))
    assert resolved_model(encoders="light", fusion="logit-ensemble").auxiliary_weight == 1.0


def test_settings_that_a_fusion_cannot_work_with_are_refused():
    with pytest.raises(ConfigError) as caught:
        require_fusion(resolved_model(encoders="light", fusion="blip-advnced"))
    assert "blip-advanced" in caught.value.message
    with pytest.raises(ConfigError) as caught:
        require_fusion(resolved_model(encoders="light", fusion="logit-ensemble", auxiliary_weight=0.0))
    assert "logit-ensemble" in caught.value.message
