"""Defaults belong to the encoder pair; what the user gave stays."""

from dataclasses import fields

import pytest

from mmsent_cli.config import ENCODERS, Facts, FitConfig, ModelConfig, resolve
from mmsent_cli.config.defaults import COMMON
from mmsent_cli.encoders.registry import IMAGE_ENCODERS, TEXT_ENCODERS, choose, parse_name
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError

CUDA = Facts(device_type="cuda")


def gaps_of(*configs):
    return [f.name for config in configs for f in fields(config) if getattr(config, f.name) is None]


@pytest.mark.parametrize("facts", [Facts(), CUDA, Facts(pairs=4000)])
@pytest.mark.parametrize("name", ENCODERS)
def test_no_gap_is_left_but_the_native_image_size(name, facts):
    model, fit = resolve(ModelConfig(encoders=name), FitConfig(), facts)
    assert gaps_of(model, fit) in ([], ["image_size_px"])
    assert resolve(model, fit, facts) == (model, fit)


def test_every_default_fills_a_gap():
    """A default of a setting that has one of its own, or of none, would be ignored."""
    gaps = {"image_size_px", *gaps_of(ModelConfig(), FitConfig())}
    pairs = [part for pair in ENCODERS.values() for part in (pair.defaults, pair.cuda_defaults)]
    assert [name for part in (COMMON, *pairs) for name in part if name not in gaps] == []


def test_what_was_given_wins():
    model = ModelConfig(
        encoders="clip", freeze_text="none", text_encoder="minilm", head_hidden=(7,), head_dropout=(0.0,)
    )
    fit = FitConfig(epochs=1, head_lr=0.5, patience=0)
    resolved_model, resolved_fit = resolve(model, fit, CUDA)
    assert (resolved_model.text_encoder, resolved_model.image_encoder) == ("minilm", "clip")
    assert (resolved_model.freeze_text, resolved_model.head_hidden) == ("none", (7,))
    assert (resolved_fit.epochs, resolved_fit.head_lr, resolved_fit.patience) == (1, 0.5, 0)


def test_the_sources_settings_are_theirs():
    a, fit_a = resolve(ModelConfig(encoders="bert-resnet18"), FitConfig(), Facts())
    assert (a.freeze_text, a.freeze_image, a.head_hidden, a.head_dropout) == ("10", "3", (512, 256), (0.4, 0.3))
    assert (fit_a.batch_size, fit_a.accumulation_steps, fit_a.epochs) == (16, 2, 10)
    assert (fit_a.encoder_lr, fit_a.weight_decay, fit_a.label_smoothing, fit_a.monitor) == (5e-5, 3e-4, 0.1, "accuracy")
    b, fit_b = resolve(ModelConfig(encoders="clip"), FitConfig(), Facts())
    cuda, fit_cuda = resolve(ModelConfig(encoders="clip"), FitConfig(), CUDA)
    assert (b.freeze_text, fit_b.head_lr, fit_b.epochs, fit_b.batch_size) == ("all", 1e-3, 6, 16)
    assert (cuda.freeze_image, fit_cuda.encoder_lr, fit_cuda.batch_size, fit_cuda.epochs) == ("none", 1e-5, 32, 10)
    assert (fit_b.class_weights, fit_b.patience, fit_b.monitor, fit_b.weight_decay) == ("balanced", 3, "macro_f1", 1e-4)


def test_auto_is_what_the_machine_can_run():
    name, note = choose("cpu", WeightSource(offline=True))
    assert name == "compact"
    assert "compact" in note
    model, _ = resolve(ModelConfig(), FitConfig(), Facts(auto=name))
    assert model == resolve(ModelConfig(encoders="compact"), FitConfig(), Facts())[0]


def test_an_unknown_encoder_pair_is_refused():
    with pytest.raises(ConfigError) as caught:
        resolve(ModelConfig(encoders="compcat"), FitConfig(), Facts())
    assert "compact" in caught.value.message


def test_names_carry_an_argument_where_they_need_one():
    assert parse_name("text_encoder", "hf:some/model:v2", TEXT_ENCODERS) == ("hf", "some/model:v2")
    assert parse_name("image_encoder", "resnet18", IMAGE_ENCODERS) == ("resnet18", "")


def test_compact_trains_in_larger_batches_where_there_are_many_pairs():
    """Larger still where the head trains alone."""
    tuned, frozen = (ModelConfig(encoders="compact", freeze_text=text, freeze_image="all") for text in (None, "all"))
    found = []
    for model, pairs in ((frozen, 4000), (frozen, 300), (frozen, 0), (tuned, 4000), (tuned, 300)):
        _, fit = resolve(model, FitConfig(), Facts(pairs=pairs))
        found.append((fit.batch_size, fit.head_lr, fit.encoder_lr))
    few = (16, 1e-3, 5e-5)
    assert found == [(64, 2e-3, 5e-5), few, few, (32, 1e-3, 1e-4), few]
    _, asked = resolve(frozen, FitConfig(batch_size=8, head_lr=0.1), Facts(pairs=4000))
    assert (asked.batch_size, asked.head_lr) == (8, 0.1)


def test_a_cross_validation_never_stops_early():
    _, fit = resolve(ModelConfig(encoders="clip"), FitConfig(patience=2), Facts(has_folds=True))
    assert fit.patience == 0
