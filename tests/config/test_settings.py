"""Settings: what is accepted, what is refused and how, and that they survive their file."""

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsent_cli.config import (
    PROBES,
    DataConfig,
    FitConfig,
    ModelConfig,
    RuntimeConfig,
    SplitConfig,
    TrainConfig,
    build,
    read_train_config,
    to_dict,
    train_config,
)
from mmsent_cli.config.command_settings import AugmentSettings
from mmsent_cli.errors import ConfigError

SECTIONS = (DataConfig, SplitConfig, ModelConfig, FitConfig, RuntimeConfig)

FULL = TrainConfig(
    data=DataConfig(data="some where", labels=("so, so", "fine"), encoding="cp1252", on_bad="blank", limit=9),
    split=SplitConfig(strategy="plain-90-10", val_size=0.1, split_seed=1, split="s.json", fold=2),
    model=ModelConfig(encoders="light", head_hidden=(8, 4), head_dropout=(0.5, 0.0), text_cleaning=("urls",)),
    fit=FitConfig(epochs=3, encoder_lr=1e-5, schedule="constant", class_weights="sqrt", seed=7),
    runtime=RuntimeConfig(device="cpu", offline=True, weights_dir="w", save_all=True),
)


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_setting_has_help_and_the_defaults_are_allowed(kind):
    assert all(setting.metadata["help"] for setting in fields(kind))
    assert build(kind, {}) == kind()


@pytest.mark.parametrize("config", [TrainConfig(), FULL])
def test_a_configuration_survives_its_file(tmp_path, config):
    path = tmp_path / "config.json"
    for text in (json.dumps(to_dict(config)), "\ufeff" + json.dumps(to_dict(config), indent=1)):
        path.write_text(text, encoding="utf-8")
        assert read_train_config(path) == read_train_config(tmp_path) == config


def test_a_file_may_leave_settings_and_sections_out():
    assert train_config({"fit": {"epochs": 2}}) == TrainConfig(fit=FitConfig(epochs=2))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (DataConfig, {"data": 5}),
        (DataConfig, {"labels": ["a", 5]}),
        (DataConfig, {"labels": ["a", "a"]}),
        (DataConfig, {"labels": 5}),
        (DataConfig, {"limit": 1}),
        (DataConfig, {"on_bad": "ignore"}),
        (SplitConfig, {"val_size": 0}),
        (SplitConfig, {"val_size": 1}),
        (SplitConfig, {"fold": 1}),
        (ModelConfig, {"head_hidden": "8,x"}),
        (ModelConfig, {"head_hidden": [8.5]}),
        (ModelConfig, {"head_hidden": [0]}),
        (ModelConfig, {"head_hidden": [8], "head_dropout": [0.1, 0.1]}),
        (ModelConfig, {"head_dropout": [1.1]}),
        (ModelConfig, {"freeze_text": "some"}),
        (ModelConfig, {"freeze_image": "-1"}),
        (ModelConfig, {"modality_dropout": 1.1}),
        (ModelConfig, {"auxiliary_weight": -0.1}),
        (ModelConfig, {"max_length_tokens": 3}),
        (ModelConfig, {"image_size_px": 31}),
        (ModelConfig, {"text_cleaning": ["polish"]}),
        (FitConfig, {"epochs": 0}),
        (FitConfig, {"epochs": 2.5}),
        (FitConfig, {"epochs": True}),
        (FitConfig, {"epochs": "three"}),
        (FitConfig, {"batch_size": 0}),
        (FitConfig, {"head_lr": -1.0}),
        (FitConfig, {"head_lr": math.nan}),
        (FitConfig, {"head_lr": math.inf}),
        (FitConfig, {"warmup": 1.1}),
        (FitConfig, {"label_smoothing": 1.0}),
        (FitConfig, {"schedule": ["cosine"]}),
        *((RuntimeConfig, {"device": name}) for name in ("tpu", "cpu:1", "cuda:", "cuda:x", "cuda:-1", "mps:0", "")),
        (RuntimeConfig, {"offline": 1}),
        (RuntimeConfig, {"offline": "yes"}),
        (RuntimeConfig, {"workers": -1}),
        (RuntimeConfig, {"workers": None}),
        (DataConfig, {"on_bad": None}),
        (FitConfig, {"seed": None}),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(kind, values):
    with pytest.raises(ConfigError) as caught:
        build(kind, values)
    assert any(name.replace("_", "-") in caught.value.message for name in values)
    assert caught.value.hint


def test_all_problems_are_told_together():
    with pytest.raises(ConfigError) as caught:
        build(FitConfig, {"epochs": 0, "batch_size": 0, "warmup": 2})
    assert all(name in caught.value.message for name in ("--epochs 0", "--batch-size 0", "--warmup 2"))


@pytest.mark.parametrize("parts", [{"fit": {"epoch": 1}}, {"fits": {}}])
def test_an_unknown_name_answers_with_the_known_ones(parts):
    with pytest.raises(ConfigError) as caught:
        train_config(parts)
    assert "epochs" in caught.value.hint or "fit" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "values", "now"),
    [
        (ModelConfig, {"networks": 2}, "models_per_fold"),
        (ModelConfig, {"experts": ["image"]}, "probes"),
        (ModelConfig, {"probes": ["writing"]}, "ocr"),
        (ModelConfig, {"probes": "image,writing-characters"}, "ocr-characters"),
    ],
)
def test_an_earlier_name_answers_with_the_new_one(kind, values, now):
    with pytest.raises(ConfigError) as caught:
        build(kind, values)
    assert caught.value.message.endswith(f"is now called {now}")


def test_colour_is_another_spelling_of_color():
    assert build(FitConfig, {"augmentation": "colour"}).augmentation == "color"
    assert build(AugmentSettings, {"policies": "flip,colour"}).policies == ("flip", "color")
    assert build(AugmentSettings, {"policies": ["colour"]}).policies == ("color",)


def test_lists_may_be_spelt_as_text():
    config = build(ModelConfig, {"head_hidden": " 8, 4 ", "head_dropout": "0.5,0", "text_cleaning": ""})
    assert (config.head_hidden, config.head_dropout, config.text_cleaning) == ((8, 4), (0.5, 0.0), ())


def test_a_whole_number_may_stand_for_a_fraction():
    assert build(FitConfig, {"max_grad_norm": 1}) == FitConfig(max_grad_norm=1.0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SETTINGS = [(kind, setting.name) for kind in SECTIONS for setting in fields(kind)]


@given(st.sampled_from(SETTINGS), json_values)
def test_any_value_is_taken_or_refused_and_what_is_taken_stays_itself(setting, value):
    kind, name = setting
    try:
        config = build(kind, {name: value})
    except ConfigError:
        return
    assert build(kind, to_dict(config)) == config
    assert replace(config) == config


@given(json_values)
def test_any_file_is_taken_or_refused(value):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(value))
        try:
            assert isinstance(read_train_config(path), TrainConfig)
        except ConfigError as error:
            assert str(path) in error.message


@pytest.mark.parametrize(
    "name",
    [
        *(*PROBES, "bert", "text:bert", "text:hf:a/b", "image:hf:a/b", "hf:a/b", "timm:resnet18", "image:timm:a"),
        *("./folder", "/some/folder", "image:../folder", "text:clip", "image:clip", "twitter-roberta"),
    ],
)
def test_a_probe_may_be_any_encoder(name):
    other = "lexicon" if name != "lexicon" else "mpnet"
    for setting in ("probes", "optional_probes"):
        assert getattr(build(ModelConfig, {setting: f"{other},{name}"}), setting)[-1] == name


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("clp", "did you mean clip?"),
        ("clip-txt", "did you mean clip-text?"),
        ("mpent", "did you mean mpnet?"),
        ("brt", "did you mean bert?"),
        ("text:brt", "did you mean text:bert?"),
        ("image:resnet", "did you mean image:resnet18?"),
        ("hf", "hf:NAME"),
        ("tim:resnet18", "did you mean timm:NAME?"),
        ("text:timm:resnet18", "did you mean timm:NAME?"),
        ("image:bert", "unknown probe image:bert"),
        ("text:light", "unknown probe text:light"),
        ("clip:vit-b-32", "unknown probe clip:vit-b-32"),
        ("text:", "did you mean text?"),
    ],
)
def test_a_mistyped_probe_is_refused_with_a_guess(name, near):
    for setting in ("probes", "optional_probes"):
        with pytest.raises(ConfigError) as caught:
            build(ModelConfig, {setting: name})
        assert near in caught.value.message


def test_a_probe_is_named_once():
    for names in ("clip,clip", "bert,lexicon,text:bert"):
        with pytest.raises(ConfigError, match="twice"):
            build(ModelConfig, {"probes": names})
