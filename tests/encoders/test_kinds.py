"""What the model behind the name of a probe reads, and where it lies."""

import json
import shutil

import pytest

from mmsent_cli.encoders.registry import full_probe_name
from mmsent_cli.encoders.weights.source import WeightSource, model_type_of
from mmsent_cli.errors import ConfigError, WeightsUnavailable


@pytest.fixture
def source(weights_dir):
    return WeightSource(weights_dir, offline=True)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("clip", "clip"),
        ("mpnet", "mpnet"),
        ("bert", "text:bert"),
        ("timm:test_vit", "image:timm:test_vit"),
        ("hf:small-roberta", "text:hf:small-roberta"),
        ("hf:small-vit", "image:hf:small-vit"),
        ("image:hf:clip-vit-base-patch32", "image:hf:clip-vit-base-patch32"),
        ("{w}/small-albert", "text:hf:{w}/small-albert"),
        ("{w}/small-vit", "image:hf:{w}/small-vit"),
        ("{w}/test_resnet", "image:timm:{w}/test_resnet"),
        ("image:{w}/clip-vit-base-patch32", "image:hf:{w}/clip-vit-base-patch32"),
        ("hf:{w}/small-roberta", "text:hf:{w}/small-roberta"),
    ],
)
def test_a_name_gets_its_modality(name, full, source, weights_dir):
    assert full_probe_name(name.format(w=weights_dir), source) == full.format(w=weights_dir)


def test_a_folder_is_recorded_by_its_whole_path(source, weights_dir, monkeypatch):
    monkeypatch.chdir(weights_dir)
    whole = f"image:timm:{weights_dir}/test_vit"
    assert full_probe_name("./test_vit", source) == full_probe_name("timm:test_vit", source) == whole


def test_a_model_that_reads_both_must_be_named_with_its_modality(source):
    with pytest.raises(ConfigError) as caught:
        full_probe_name("hf:clip-vit-base-patch32", source)
    assert "text:hf:clip-vit-base-patch32" in caught.value.hint


@pytest.mark.parametrize("name", ["./nothing", "hf:no-such", "text:hf:no-such"])
def test_a_model_that_is_nowhere_is_missing(name, source):
    with pytest.raises(WeightsUnavailable):
        model_type_of(full_probe_name(name, source).removeprefix("text:hf:"), source, "text")


@pytest.mark.parametrize(
    ("model_type", "side", "reported"),
    [("vit", "text", "reads images"), ("roberta", "image", "reads texts"), ("siglip", "text", "together with images")],
)
def test_a_model_of_the_other_modality_is_refused(model_type, side, reported, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ConfigError, match=reported):
        model_type_of("model", WeightSource(tmp_path, offline=True), side)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_description_counts_as_missing(content, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(content)
    with pytest.raises(WeightsUnavailable):
        full_probe_name("hf:model", WeightSource(tmp_path, offline=True))


def test_an_unknown_type_must_be_named_with_its_modality(tmp_path, weights_dir):
    shutil.copytree(weights_dir / "small-vit", tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "of-tomorrow"}))
    with pytest.raises(ConfigError, match="of-tomorrow"):
        full_probe_name("hf:model", WeightSource(tmp_path, offline=True))
