"""The model with every fusion: what is trained, and what happens without a modality."""

import pytest
import torch

from mmsent_cli.compute.device import Compute
from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError
from mmsent_cli.features.batching import raw_pad, stack
from mmsent_cli.features.column import Column, text_key
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import Batch, assemble, build_encoders, build_head, build_model, count_parameters
from mmsent_cli.training.loss import Loss, build_optimizer
from tests.configs import resolved_fit, resolved_model
from tests.encoders.cases import TEXTS, VOCABULARY, raw_arrays
from tests.training.builders import ONE_PROCESS

TOKEN_FUSION = "cross-attention"
SIDES = ("text", "image")
REFERENCES = {"text-only": "text", "image-only": "image"}
every_fusion = pytest.mark.parametrize("name", FUSIONS)


def make(name, seed=0, weights_dir=None, n_classes=3, **settings):
    """A model of small light encoders, or of others, in training mode."""
    torch.manual_seed(seed)
    source = WeightSource(weights_dir, offline=True)
    config = resolved_model(**{"encoders": "light", "image_size_px": 64, "fusion": name, **settings})
    return build_model(config, n_classes, source, VOCABULARY).train()


def raw_batch(model, present=((True, True),) * 4):
    """Four pairs through the stored stages."""
    values = []
    for encoder, side in zip((model.text, model.image), SIDES, strict=True):
        values.append(encoder.prefix(stack(raw_arrays(encoder, side), raw_pad(encoder)), encoder.cut))
    return Batch(*values, torch.tensor(present), torch.tensor([0, 1, 2, 0]))


def loss_of(model, batch, auxiliary_weight=1.0):
    logits = model(batch)
    return Loss(resolved_fit(), [0, 1, 2], 3, auxiliary_weight, ONE_PROCESS)(logits, batch)


def other_side(side):
    return SIDES[1 - SIDES.index(side)]


def with_nan(side):
    """The features, with NaN for pairs 1 and 2."""
    pooled = side.pooled.clone()
    pooled[1:3] = torch.nan
    tokens = None if side.tokens is None else side.tokens.clone()
    if tokens is not None:
        tokens[1:3] = torch.nan
    return Encoded(pooled, tokens, side.mask)


@every_fusion
def test_logits_have_a_column_per_class(name):
    model = make(name, n_classes=5)
    assert model(raw_batch(model)).main.shape == (4, 5)
    if not FUSIONS[name].has_heads:
        assert model.head[0].in_features == model.fusion.out_dim


@every_fusion
def test_a_gradient_reaches_whatever_is_trained(name):
    model = make(name, modality_dropout=0.0)
    present = ((True, True), (True, False), (False, True), (True, True))
    model.eval()  # without dropout every unit takes part
    loss_of(model, raw_batch(model, present)).backward()
    trained = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
    assert [key for key, gradient in trained.items() if gradient is None] == []
    assert [key for key, gradient in trained.items() if not gradient.isfinite().all()] == []
    if not FUSIONS[name].has_heads:  # whose heads get no gradient from a pair without their modality
        assert [key for key, gradient in trained.items() if not gradient.any()] == []


@every_fusion
def test_a_missing_modality_changes_nothing_and_may_be_nan(name):
    model = make(name).eval()
    text, image = model.encode(raw_batch(model))
    for number, side in enumerate(SIDES):
        present = torch.ones(4, 2, dtype=torch.bool)
        present[1:3, number] = False
        broken = (with_nan(text), image) if side == "text" else (text, with_nan(image))
        whole, without = model.classify(text, image, present).main, model.classify(*broken, present).main
        assert torch.equal(whole, without)
        assert whole.isfinite().all()
        everything = model.classify(text, image, torch.ones(4, 2, dtype=torch.bool)).main
        differs = (everything != whole).any(dim=1).tolist()
        assert differs == [False, *[side in model.modalities] * 2, False]


@pytest.mark.parametrize("name", ["concat", TOKEN_FUSION, "logit-ensemble", "text-only"])
def test_the_feature_of_a_missing_modality_learns_from_modality_dropout(name):
    model = make(name, modality_dropout=0.9)
    torch.manual_seed(1)
    loss_of(model, raw_batch(model)).backward()
    for side in SIDES:
        learned = getattr(model, f"missing_{side}")
        if name in REFERENCES:
            assert learned.grad is None or not learned.grad.any()
        else:
            assert learned.grad.any()


@pytest.mark.parametrize("name", ["concat", "gmu", TOKEN_FUSION, "logit-ensemble"])
def test_gates_are_computed_in_eval_mode_only(name):
    model = make(name)
    batch = raw_batch(model, ((True, True), (True, False), (False, True), (True, True)))
    assert model(batch).gates is None
    gates = model.eval()(batch).gates
    assert (gates != {}) == hasattr(model.fusion, "gates")
    for values in gates.values():
        assert values.shape == (4,)
        assert ((values >= 0) & (values <= 1)).all()
        assert not values.requires_grad


def test_a_pair_without_tokens_attends_to_none():
    model = make(TOKEN_FUSION).eval()
    gates = model(raw_batch(model, ((True, True), (True, False), (False, True), (True, True)))).gates
    assert [value > 1e-6 for value in gates["text_tokens"].tolist()] == [True, True, False, True]
    assert [value > 1e-6 for value in gates["image_tokens"].tolist()] == [True, False, True, True]


@every_fusion
def test_the_trained_state_carries_the_model(name):
    model, other = make(name, auxiliary_weight=0.3).eval(), make(name, seed=9, auxiliary_weight=0.3).eval()
    batch = raw_batch(model)
    assert not torch.equal(other(batch).main, model(batch).main)
    outcome = other.load_state_dict(model.trained_state(), strict=False)
    assert outcome.unexpected_keys == []
    assert torch.equal(other(batch).main, model(batch).main)


@pytest.mark.parametrize(("name", "side"), REFERENCES.items())
def test_a_modality_that_is_not_read_is_neither_run_nor_trained(name, side):
    model = make(name, auxiliary_weight=0.5, modality_dropout=0.5)
    unread = getattr(model, other_side(side))
    unread.register_forward_pre_hook(lambda *_: pytest.fail("the other encoder ran"))
    batch = raw_batch(model)
    loss_of(model, batch).backward()
    assert not any(p.requires_grad for p in unread.parameters())
    assert getattr(model, f"{other_side(side)}_head") is None
    assert getattr(model, f"{side}_head") is not None
    optimised = {id(p) for group in build_optimizer(model, resolved_fit()).param_groups for p in group["params"]}
    assert optimised == {id(p) for p in model.parameters() if p.grad is not None}
    parts = (getattr(model, side), model.head, getattr(model, f"{side}_head"))
    expected = sum(p.numel() for part in parts for p in part.parameters()) + getattr(model, f"missing_{side}").numel()
    assert count_parameters(model)[0] == expected
    assert not any(key.startswith(f"{other_side(side)}.") for key in model.trained_state())


def test_modality_dropout_leaves_a_single_modality_alone():
    model = make("text-only", modality_dropout=0.9)
    present = torch.ones(200, 2, dtype=torch.bool)
    assert torch.equal(model._drop_modalities(present), present)
    assert not torch.equal(make("concat", modality_dropout=0.9)._drop_modalities(present), present)


def test_each_head_of_an_ensemble_learns_from_its_own_loss_alone():
    model = make("logit-ensemble")
    heads = {"text": ("text.", "fusion.text_head."), "image": ("image.", "fusion.image_head."), "main": ("fusion.",)}
    batch = raw_batch(model)
    for part, own in heads.items():
        model.zero_grad()
        logits = model(batch)
        torch.nn.functional.cross_entropy(getattr(logits, part), batch.target).backward()
        reached = {key for key, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert reached
        assert all(key.startswith((*own, "missing_")) for key in reached)


def test_an_ensemble_has_heads_as_configured_and_combines_their_predictions():
    model = make("logit-ensemble", head_hidden=(7,), head_dropout=(0.1,)).eval()
    assert model.fusion.text_head[0].out_features == model.fusion.image_head[0].out_features == 7
    logits = model(raw_batch(model))
    pooled = logits.text.log_softmax(dim=1) / 2 + logits.image.log_softmax(dim=1) / 2
    torch.testing.assert_close(logits.main, pooled)


def test_frozen_encoders_still_give_tokens(weights_dir, tmp_path):
    frozen = {"encoders": "bert-resnet18", "freeze_text": "all", "freeze_image": "all"}
    plain = make("concat", weights_dir=weights_dir, **frozen)
    model = make(TOKEN_FUSION, weights_dir=weights_dir, **frozen)
    for encoder, other in ((model.text, plain.text), (model.image, plain.image)):
        assert (encoder.cut, encoder.frozen) == (encoder.n_stages - 1, encoder.n_stages)
        assert other.cut == other.frozen == other.n_stages
        assert not any(module.training for module in encoder.stages.modules() if module is not encoder.stages)
        assert not any(p.requires_grad for p in encoder.parameters())
    column = Column(model.text, [text_key(text) for text in TEXTS], tmp_path, Compute("cpu", "fp32"))
    column.fill(TEXTS, (), lambda *_: None)
    encoded = model.text(column.batch(range(4)))
    assert encoded.tokens.shape[1] == max(len(ids) for ids in model.text.inputs.arrays(TEXTS[:4])) > 1
    assert not encoded.pooled.requires_grad
    raw = stack(raw_arrays(plain.text, "text"), raw_pad(plain.text))
    torch.testing.assert_close(encoded.pooled, plain.text.encode(raw).pooled, rtol=1e-4, atol=1e-5)
    kept = {key for key in model.trained_state() if key.startswith(("text.", "image."))}
    assert kept == set()


def test_encoders_can_be_used_with_one_fusion_after_the_other(weights_dir):
    source = WeightSource(weights_dir, offline=True)
    config = resolved_model(encoders="bert-resnet18", image_size_px=64, freeze_text="all", freeze_image="2")
    encoders = build_encoders(config, source, None)
    states = []
    for name in ("concat", TOKEN_FUSION, "text-only", "concat"):
        model = assemble(resolved_model(encoders="light", fusion=name, head_hidden=(), head_dropout=()), 3, *encoders)
        trained = [key for key, p in model.named_parameters() if p.requires_grad]
        states.append((model.text.cut, model.image.cut, trained))
    assert states[0] == states[3]
    assert states[1][:2] == (model.text.n_stages - 1, states[0][1])
    assert [key for key in states[2][2] if key.startswith("image")] == []


def test_an_encoder_without_tokens_is_refused_where_tokens_are_read(weights_dir):
    with pytest.raises(ConfigError) as caught:
        make(TOKEN_FUSION, weights_dir=weights_dir, image_encoder="timm:test_vit", image_size_px=None)
    assert "timm:test_vit" in caught.value.message


def test_fusion_and_head_start_the_same_whatever_the_encoders_drew():
    source = WeightSource(None, offline=True)
    config = resolved_model(encoders="light", fusion="gmu")
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        encoders = build_encoders(config, source, VOCABULARY)
        torch.manual_seed(0)
        states.append(assemble(config, 3, *encoders).state_dict())
    same = {key.split(".")[0]: torch.equal(states[0][key], states[1][key]) for key in states[0]}
    assert same["fusion"]
    assert same["head"]
    assert not same["text"]


def test_head_of_a_fusion_is_the_common_one():
    model = make("early")
    expected = build_head(512, (256,), (0.3,), 3)
    assert [type(layer) for layer in model.head] == [type(layer) for layer in expected]
    assert [p.shape for p in model.head.parameters()] == [p.shape for p in expected.parameters()]
    assert model.head[2].p == 0.3
