"""The model: modalities switched off and dropped, auxiliary heads, what is trained and kept. See test_model_fusions.py
for what holds under every fusion."""

import pytest
import torch

from mmsent_cli.config import ENCODERS
from mmsent_cli.encoders.contract import Activations, Encoded, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import Plain
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError
from mmsent_cli.features.batching import raw_pad, stack
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import (
    MODALITIES,
    Batch,
    SentimentModel,
    build_head,
    build_model,
    copy_model,
    count_parameters,
    replace_feature,
)
from tests.configs import resolved_model
from tests.encoders.cases import VOCABULARY, raw_arrays
from tests.training.builders import OUT_DIM, tiny_batch, tiny_encoder, tiny_model

SMALL = {
    "clip": {},
    "light": {"image_size_px": 64},
    "compact": {"image_size_px": 64},
    "bert-resnet18": {"image_size_px": 64},
}
FROZEN = {"bert-resnet18": {"freeze_text": "2"}, "compact": {"freeze_text": "6"}}


def resolved(weights_dir, **settings):
    source = WeightSource(weights_dir, offline=True)
    return resolved_model(**settings), source


def raw_batch(model):
    """Four pairs through the frozen stages."""
    sides = ((model.text, "text"), (model.image, "image"))
    values = [e.prefix(stack(raw_arrays(e, side), raw_pad(e)), e.cut) for e, side in sides]
    return Batch(*values, torch.ones(4, 2, dtype=torch.bool), torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize("name", ENCODERS)
def test_each_encoder_pair_trains_what_is_not_frozen(name, weights_dir):
    assert set(ENCODERS) == set(SMALL)
    config, source = resolved(weights_dir, encoders=name, **SMALL[name], **FROZEN.get(name, {}))
    model = build_model(config, 3, source, VOCABULARY).train()
    logits = model(raw_batch(model))
    assert logits.main.shape == (4, 3)
    sum(part.sum() for part in logits if part is not None).backward()
    frozen = [p for e in (model.text, model.image) for stage in e.stages[: e.frozen] for p in stage.parameters()]
    assert all(p.grad is None and not p.requires_grad for p in frozen)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert [key for key, p in trained.items() if p.grad is None] == []
    total = sum(p.numel() for p in model.parameters())
    assert count_parameters(model) == (total - sum(p.numel() for p in frozen), total)
    assert set(model.trained_state()) >= set(trained)
    kept = {key for key in model.state_dict() if key not in model.trained_state()}
    assert {key.split(".")[1] for key in kept} <= {"stages"}


def test_modality_dropout_drops_either_but_never_both_and_only_in_training():
    model = tiny_model(modality_dropout=0.4)
    torch.manual_seed(0)
    present = torch.tensor([[True, True]] * 4000 + [[True, False]] * 500 + [[False, True]] * 500)
    kept = model._drop_modalities(present)
    assert kept.any(dim=1).all()
    assert torch.equal(kept[4000:], present[4000:])
    dropped = (~kept[:4000]).float().mean(dim=0)
    assert dropped.tolist() == pytest.approx([0.2, 0.2], abs=0.03)
    batch = tiny_batch(present=((True, True),) * 4)
    assert torch.equal(model.eval()(batch).main, model(batch).main)
    outputs = {tuple(model.train()(batch).main.flatten().tolist()) for _ in range(20)}
    assert len(outputs) > 1


def test_auxiliary_heads_see_one_modality_each():
    model = tiny_model(auxiliary_classes=3).eval()
    batch = tiny_batch()
    before = model(batch)
    after = model(batch._replace(image=Activations(batch.image.values + 1)))
    assert torch.equal(after.text, before.text)
    assert not torch.equal(after.image, before.image)
    assert tiny_model()(batch).text is None


@pytest.mark.parametrize(("weight", "has_heads"), [(0.0, False), (0.5, True)])
def test_there_are_auxiliary_heads_where_they_have_a_weight(weight, has_heads, weights_dir):
    config, source = resolved(weights_dir, encoders="light", image_size_px=32, auxiliary_weight=weight)
    model = build_model(config, 3, source, VOCABULARY)
    assert (model.text_head is not None, model.image_head is not None) == (has_heads, has_heads)


@pytest.mark.parametrize("side", ["text", "image"])
def test_auxiliary_heads_see_the_modality_and_never_its_stand_in(side):
    """A pair that lacks a modality does not count for its head; what it says there is still not of the stand-in."""
    model, number = tiny_model(auxiliary_classes=3).eval(), MODALITIES.index(side)
    batch = tiny_batch()
    pooled = model.encode(batch)[number].pooled
    expected = getattr(model, f"{side}_head")(pooled)
    with torch.no_grad():
        getattr(model, f"missing_{side}").fill_(100.0)
    assert not batch.present[:, number].all()
    torch.testing.assert_close(getattr(model(batch), side), expected)


def test_a_replaced_feature_has_the_type_of_the_others():
    encoded = Encoded(torch.ones(2, 3, dtype=torch.bfloat16))
    pooled = replace_feature(encoded, torch.tensor([True, False]), torch.tensor([2.0, 3.0, 4.0])).pooled
    assert (pooled.dtype, pooled.tolist()) == (torch.bfloat16, [[1, 1, 1], [2, 3, 4]])


@pytest.mark.parametrize(("frozen", "left_out"), [(0, ()), (1, (0,)), (2, (0, 1)), (11, range(11)), (12, range(12))])
def test_the_trained_state_leaves_out_frozen_stages_and_no_other(frozen, left_out):
    """Stage 1 frozen is not stage 10 or 11."""
    stages = [Plain(torch.nn.Linear(4, 4)) for _ in range(11)]
    text = Encoder(name="deep", inputs=ImageInputs(32), stages=stages, pool=Plain(torch.nn.Linear(4, 4)), out_dim=4)
    fusion = FUSIONS["concat"].build(4, OUT_DIM)
    model = SentimentModel(text.freeze(frozen), tiny_encoder("flat"), fusion, build_head(fusion.out_dim, (), (), 3))
    kept = {name for name in model.state_dict() if name not in model.trained_state()}
    assert {int(name.split(".")[2]) for name in kept} == set(left_out)
    assert all(name.startswith("text.stages.") for name in kept)
    assert len(kept) == 2 * len(tuple(left_out))


@pytest.mark.parametrize("shares_tensors", [False, True])
def test_a_copy_shares_what_is_frozen_and_its_parameters_only_on_request(shares_tensors):
    model = tiny_model()
    model.image.freeze(1)
    copied = copy_model(model, shares_tensors)
    assert copied.image.stages[0] is model.image.stages[0] and copied.text.inputs is model.text.inputs
    assert copied.text.stages[0] is not model.text.stages[0] and copied.head is not model.head
    for name, parameter in model.named_parameters():
        own = copied.get_parameter(name)
        assert torch.equal(own, parameter)
        assert (own is parameter) is (shares_tensors or name.startswith("image.stages.0.")), name


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_model_drops_modalities_as_often_as_its_settings_say(fusion, weights_dir):
    config, source = resolved(weights_dir, encoders="light", fusion=fusion, modality_dropout=0.3)
    assert build_model(config, 3, source, VOCABULARY).modality_dropout == config.modality_dropout


def test_the_head_has_the_widths_and_dropout_asked_for():
    head = build_head(10, (8, 4), (0.4, 0.3), 3)
    widths = [(layer.in_features, layer.out_features) for layer in head if isinstance(layer, torch.nn.Linear)]
    assert widths == [(10, 8), (8, 4), (4, 3)]
    assert [layer.p for layer in head if isinstance(layer, torch.nn.Dropout)] == [0.4, 0.3]
    assert len(build_head(10, (), (), 3)) == 1


def test_unknown_names_answer_with_the_nearest(weights_dir):
    for setting, wrong, near in (
        ({"fusion": "wieghted"}, "wieghted", "weighted"),
        ({"encoders": "compct"}, "compct", "compact"),
        ({"text_encoder": "mini-lm"}, "mini-lm", "minilm"),
        ({"image_encoder": "hf:"}, "hf:", "hf:NAME"),
    ):
        with pytest.raises(ConfigError) as caught:
            config, source = resolved(weights_dir, **{"encoders": "light", **setting})
            build_model(config, 3, source, VOCABULARY)
        assert wrong in caught.value.message
        assert near in caught.value.message + caught.value.hint
