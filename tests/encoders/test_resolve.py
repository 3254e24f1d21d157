"""Defaults belong to the encoder pair; what the user gave stays."""

from dataclasses import fields, replace

import pytest

from mmsent_cli.config import FitConfig, ModelConfig
from mmsent_cli.encoders.registry import ENCODERS, IMAGE_ENCODERS, TEXT_ENCODERS, parse_name, resolve
from mmsent_cli.encoders.weights.source import WeightSource

OFFLINE = WeightSource(offline=True)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ENCODERS)
def test_no_gap_is_left_but_the_native_image_size(name, device):
    model, fit, note = resolve(ModelConfig(encoders=name), FitConfig(), device, OFFLINE)
    gaps = [f.name for config in (model, fit) for f in fields(config) if getattr(config, f.name) is None]
    assert gaps in ([], ["image_size_px"])
    assert note == ""
    again = resolve(model, fit, device, OFFLINE)
    assert again[:2] == (model, fit)


def test_what_was_given_wins():
    model = ModelConfig(
        encoders="clip", freeze_text="none", text_encoder="minilm", head_hidden=(7,), head_dropout=(0.0,)
    )
    fit = FitConfig(epochs=1, head_lr=0.5, patience=0)
    resolved_model, resolved_fit, _ = resolve(model, fit, "cuda", OFFLINE)
    assert (resolved_model.text_encoder, resolved_model.image_encoder) == ("minilm", "clip")
    assert (resolved_model.freeze_text, resolved_model.head_hidden) == ("none", (7,))
    assert (resolved_fit.epochs, resolved_fit.head_lr, resolved_fit.patience) == (1, 0.5, 0)


def test_the_sources_settings_are_theirs():
    a, fit_a, _ = resolve(ModelConfig(encoders="bert-resnet18"), FitConfig(), "cpu", OFFLINE)
    assert (a.freeze_text, a.freeze_image, a.head_hidden, a.head_dropout) == ("10", "3", (512, 256), (0.4, 0.3))
    assert (fit_a.batch_size, fit_a.accumulation_steps, fit_a.epochs) == (16, 2, 10)
    assert (fit_a.encoder_lr, fit_a.weight_decay, fit_a.label_smoothing, fit_a.monitor) == (5e-5, 3e-4, 0.1, "accuracy")
    b, fit_b, _ = resolve(ModelConfig(encoders="clip"), FitConfig(), "cpu", OFFLINE)
    cuda, fit_cuda, _ = resolve(ModelConfig(encoders="clip"), FitConfig(), "cuda", OFFLINE)
    assert (b.freeze_text, fit_b.head_lr, fit_b.epochs, fit_b.batch_size) == ("all", 1e-3, 6, 16)
    assert (cuda.freeze_image, fit_cuda.encoder_lr, fit_cuda.batch_size, fit_cuda.epochs) == ("none", 1e-5, 32, 10)
    assert (fit_b.class_weights, fit_b.patience, fit_b.monitor, fit_b.weight_decay) == ("balanced", 3, "macro_f1", 1e-4)


def test_auto_says_what_it_chose():
    model, _, note = resolve(ModelConfig(), FitConfig(), "cpu", OFFLINE)
    assert model.encoders == "compact"
    assert "compact" in note
    assert resolve(replace(model, encoders="auto"), FitConfig(), "cpu", OFFLINE)[0] == model


def test_names_carry_an_argument_where_they_need_one():
    assert parse_name("text_encoder", "hf:some/model:v2", TEXT_ENCODERS) == ("hf", "some/model:v2")
    assert parse_name("image_encoder", "resnet18", IMAGE_ENCODERS) == ("resnet18", "")


def test_compact_trains_in_larger_batches_where_there_are_many_pairs():
    """Larger still where the head trains alone."""
    tuned, frozen = (ModelConfig(encoders="compact", freeze_text=text, freeze_image="all") for text in (None, "all"))
    found = []
    for model, pairs in ((frozen, 4000), (frozen, 300), (frozen, 0), (tuned, 4000), (tuned, 300)):
        _, fit, _ = resolve(model, FitConfig(), "cpu", OFFLINE, pairs)
        found.append((fit.batch_size, fit.head_lr, fit.encoder_lr))
    few = (16, 1e-3, 5e-5)
    assert found == [(64, 2e-3, 5e-5), few, few, (32, 1e-3, 1e-4), few]
    _, asked, _ = resolve(frozen, FitConfig(batch_size=8, head_lr=0.1), "cpu", OFFLINE, 4000)
    assert (asked.batch_size, asked.head_lr) == (8, 0.1)
