"""What frozen layers compute is computed once, from one decoding, without padding.

Fault 9 of the published course systems.
"""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmsent_cli.compute import device
from mmsent_cli.compute.device import Compute
from mmsent_cli.compute.openvino.engine import Engine, choose_engine
from mmsent_cli.data import images
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.encoders import inputs
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.stages import NoPool, Plain
from mmsent_cli.features.batching import PackedArrays, pack_if_small, stack
from mmsent_cli.features.column import Column, describe_features, text_key
from mmsent_cli.features.pipeline import rows_by_length
from tests.data.builders import image_bytes
from tests.encoders.cases import fresh

FP32 = Compute("cpu", "fp32")
TEXTS = ["good day", "a", "the sun is warm and so is this good day", "no sun", "a b", "", "good day today"]


def silent(*_):
    pass


@pytest.fixture
def text_encoder(weights_dir):
    return fresh("text", "bert", weights_dir).freeze(2)


@pytest.fixture
def image_encoder(weights_dir):
    return fresh("image", "light", weights_dir).freeze(2)


@pytest.fixture
def pictures(tmp_path):
    """Eleven image files, with their digests."""
    paths = [tmp_path / f"{number}.jpg" for number in range(11)]
    for number, path in enumerate(paths):
        path.write_bytes(image_bytes(number, (70, 50)))
    return paths, [hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in paths]


@pytest.fixture
def decoded(monkeypatch):
    """Collects every image that is decoded."""
    seen = []

    def count(source, size_px):
        seen.append(source)
        return images.decode_image(source, size_px)

    monkeypatch.setattr(inputs, "decode_image", count)
    return seen


def fill(column, sources, rows=()):
    return column.fill(sources, rows, silent)


@pytest.fixture
def with_engine(tmp_path):
    """The compute of a CPU that has the engine."""
    engine, _ = choose_engine("openvino", "cpu", "auto", tmp_path)
    return Compute("cpu", "fp32", engine)


def text_column(encoder, store, texts=TEXTS, compute=FP32):
    column = Column(encoder, [text_key(text) for text in texts], store, compute)
    fill(column, texts)
    return column


def test_a_stage_without_weights_makes_other_features():
    """Two stages of one set of weights: its digest is the same whether the second is stored or not."""
    stages = [Plain(torch.nn.Linear(6, 8)), Plain(torch.nn.Tanh()), Plain(torch.nn.Tanh())]
    encoder = Encoder(name="tiny", inputs=inputs.ImageInputs(32), stages=stages, pool=NoPool(), out_dim=8)
    first, second = (describe_features(encoder.freeze(stages), FP32) for stages in (1, 2))
    assert first["weights"] == second["weights"] and first != second
    raw = describe_features(encoder.freeze(0), FP32, Augmentation("flip", 0, 2))
    assert (raw["encoder"], raw["stages"], raw["compute"]) == ("tiny", f"0 of {encoder.n_stages}", "none")
    assert (raw["inputs"], raw["augmentation"]) == (encoder.inputs.settings(), Augmentation("flip", 0, 2).describe())
    assert "augmentation" not in first and first["compute"] == FP32.describe(encoder)


def count_rows(encoder):
    """Counts the rows that each stage of an encoder computes."""
    counts = [0] * encoder.n_stages
    for index, stage in enumerate(encoder.stages):

        def note(module, arguments, index=index):
            counts[index] += len(arguments[0])

        stage.register_forward_pre_hook(note)
    return counts


def test_images_are_decoded_and_encoded_once(image_encoder, pictures, decoded, tmp_path):
    paths, digests = pictures
    counts = count_rows(image_encoder)
    column = Column(image_encoder, digests, tmp_path / "store", FP32)
    assert fill(column, paths) == 11
    assert len(decoded) == 11
    assert counts == [11, 11, 0, 0, 0]
    column.batch([3, 1])
    again = Column(image_encoder, digests, tmp_path / "store", FP32)
    assert fill(again, paths) == 0
    assert torch.equal(again.batch(range(11)).values, column.batch(range(11)).values)
    assert len(decoded) == 11
    assert counts[:2] == [11, 11]


def test_equal_images_are_computed_once(image_encoder, pictures, tmp_path):
    paths, digests = pictures
    column = Column(image_encoder, [digests[0], digests[1], digests[0], ""], tmp_path / "store", FP32)
    assert fill(column, [paths[0], paths[1], paths[0], None]) == 2
    values = column.batch([0, 2, 3]).values
    assert torch.equal(values[0], values[1])
    assert not values[2].any()


def test_a_changed_byte_recomputes_that_pair_alone(text_encoder, tmp_path):
    text_column(text_encoder, tmp_path)
    for text in ("good day!", "Good day", "good  day", "good day\n"):
        changed = [text, *TEXTS[1:]]
        column = Column(text_encoder, [text_key(text) for text in changed], tmp_path, FP32)
        assert fill(column, changed) == 1, text


def test_half_of_a_surrogate_pair_has_a_key_too():
    """JSON may escape such a half. U+D800 in three bytes by the rule of UTF-8: 1110'1101 10'100000 10'000000."""
    assert text_key("\ud800") == hashlib.blake2b(b"\xed\xa0\x80", digest_size=16).hexdigest()


@pytest.mark.parametrize("change", ["weights", "cut", "length", "precision"])
def test_nothing_stale_is_served(change, text_encoder, tmp_path):
    text_column(text_encoder, tmp_path)
    precision = "bf16" if change == "precision" else "fp32"
    if change == "weights":
        with torch.no_grad():
            next(text_encoder.stages[1].parameters()).add_(0.1)
    elif change == "cut":
        text_encoder.freeze(3)
    elif change == "length":
        text_encoder.inputs = inputs.TextInputs(text_encoder.inputs.tokenizer, 0, 5, ())
    column = Column(text_encoder, [text_key(text) for text in TEXTS], tmp_path, Compute("cpu", precision))
    assert fill(column, TEXTS) == len(TEXTS)


def test_trained_layers_may_change_without_recomputing(text_encoder, tmp_path):
    text_column(text_encoder, tmp_path)
    with torch.no_grad():
        next(text_encoder.stages[3].parameters()).add_(0.1)
    assert fill(Column(text_encoder, [text_key(text) for text in TEXTS], tmp_path, FP32), TEXTS) == 0


def test_batches_are_padded_to_their_longest_text(text_encoder, tmp_path):
    column = text_column(text_encoder, tmp_path)
    lengths = [len(ids) for ids in text_encoder.inputs.arrays(TEXTS)]
    for rows in ([1, 4], [0, 2], [5]):
        activations = column.batch(rows)
        assert activations.values.shape[1] == max(lengths[row] for row in rows)
        assert activations.mask.sum(dim=1).tolist() == [lengths[row] for row in rows]


@pytest.mark.parametrize("frozen", range(6))
def test_a_column_gives_what_the_encoder_gives(frozen, text_encoder, tmp_path):
    text_encoder.freeze(frozen).eval()
    column = text_column(text_encoder, tmp_path)
    raw = stack(text_encoder.inputs.arrays(TEXTS), text_encoder.inputs.pad_id)
    with torch.no_grad():
        expected = text_encoder.suffix(raw, 0).pooled
        actual = text_encoder(column.batch(range(len(TEXTS)))).pooled
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_features_of_one_engine_are_not_served_to_another(with_engine, text_encoder, tmp_path):
    column, engine = text_column(text_encoder, tmp_path, compute=with_engine), with_engine.engine
    other = "fp32" if engine.text == "bf16" else "bf16"
    computed = [
        fill(Column(text_encoder, column.keys, tmp_path, replace(FP32, engine=each)), TEXTS)
        for each in (engine, None, replace(engine, version="0"), replace(engine, text=other))
    ]
    assert computed == [0, len(TEXTS), len(TEXTS), len(TEXTS)]


def test_what_the_engine_refuses_shares_the_store_with_torch(with_engine, text_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(Engine, "refusal", lambda self, encoder: "no")
    monkeypatch.setattr(Engine, "run", lambda self, encoder, inputs: None)
    refused = text_column(text_encoder, tmp_path, compute=with_engine)
    torch_column = Column(text_encoder, refused.keys, tmp_path, FP32)
    assert fill(torch_column, TEXTS) == 0


def test_images_are_encoded_in_streams_without_mixing_them_up(with_engine, image_encoder, pictures, tmp_path):
    paths, digests = pictures
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        column = Column(image_encoder, digests, tmp_path / "store", with_engine)
        assert fill(column, paths) == 11
    finally:
        torch.set_num_threads(before)
    wanted = Column(image_encoder, digests, tmp_path / "store", FP32)
    assert fill(wanted, paths) == 11
    torch.testing.assert_close(column.batch(range(11)).values, wanted.batch(range(11)).values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("uses_engine", [False, True])
@pytest.mark.parametrize("name", ["bert", "minilm", "light"])
def test_a_text_feature_does_not_depend_on_its_company(name, uses_engine, with_engine, weights_dir, tmp_path):
    compute = with_engine if uses_engine else FP32
    encoder = fresh("text", name, weights_dir)
    encoder.freeze(3)
    together = [" ".join(["sun"] * (1 + number % 2) + [letter]) for number, letter in enumerate("abcdefghijklm" * 3)]
    together = [f"{text} {number}" for number, text in enumerate(together)]
    whole = text_column(encoder, tmp_path / "whole", together, compute)
    parts = tmp_path / "parts"
    for start, end in ((0, 1), (1, 4), (4, 39)):
        text_column(encoder, parts, together[start:end], compute)
    piecewise = Column(encoder, whole.keys, parts, compute)
    assert fill(piecewise, together) == 0
    assert torch.equal(piecewise.batch(range(39)).values, whole.batch(range(39)).values)


def test_damaged_entries_are_counted_and_computed_anew(text_encoder, tmp_path):
    before = text_column(text_encoder, tmp_path).batch(range(len(TEXTS))).values
    (data,) = tmp_path.rglob("*.bin")
    content = bytearray(data.read_bytes())
    content[40] ^= 255
    data.write_bytes(content)
    column = Column(text_encoder, [text_key(text) for text in TEXTS], tmp_path, FP32)
    assert fill(column, TEXTS) == 1
    assert column.damaged == 1
    assert torch.equal(column.batch(range(len(TEXTS))).values, before)


@pytest.mark.parametrize("frozen", [0, 2])
def test_augmented_views_are_decided_by_seed_and_epoch(frozen, image_encoder, pictures, decoded, tmp_path):
    paths, digests = pictures
    image_encoder.freeze(frozen)

    def column(seed):
        made = Column(image_encoder, digests, tmp_path / "store", FP32, augmentation=Augmentation("standard", seed, 2))
        fill(made, paths, rows=range(6))
        return made

    first, again, other = column(0), column(0), column(1)
    plain = first.batch(range(6)).values
    views = [first.batch(range(6), epoch=epoch).values for epoch in (1, 2, 3)]
    assert torch.equal(again.batch(range(6), epoch=1).values, views[0])
    assert not torch.equal(other.batch(range(6), epoch=1).values, views[0])
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(views[0], plain)
    assert torch.equal(views[0], views[2]) == (frozen > 0), "a frozen encoder sees a few kept views, in turn"
    assert plain.isfinite().all()
    seen = len(decoded)
    column(0)
    assert len(decoded) == seen


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12), data=st.data(), width=st.sampled_from([None, 3]))
def test_rows_in_memory_make_the_batches_that_stacking_makes(lengths, data, width):
    shapes = [(length,) if width is None else (length, width) for length in lengths]
    dtype, pad = (np.int32, 7) if width is None else (np.float32, 0)
    arrays = [np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype) + row for row, shape in enumerate(shapes)]
    rows = data.draw(st.lists(st.integers(0, len(arrays) - 1), min_size=1, max_size=8))
    expected, got = stack([arrays[row] for row in rows], pad), PackedArrays(arrays, pad).batch(rows)
    assert torch.equal(got.values, expected.values)
    assert got.values.dtype == expected.values.dtype
    assert torch.equal(got.mask, expected.mask)


def test_a_column_too_large_for_memory_gives_the_same_batches_from_the_store(text_encoder, tmp_path, monkeypatch):
    in_memory, from_store = text_column(text_encoder, tmp_path), text_column(text_encoder, tmp_path)
    rows = [4, 0, 2]
    one = in_memory.batch(rows)
    assert in_memory.load() is not None
    monkeypatch.setattr(device, "COLUMN_BYTES", 100)
    other = from_store.batch(rows)
    assert from_store.load() is None
    assert torch.equal(one.values, other.values)
    assert torch.equal(one.mask, other.mask)


def test_equal_arrays_that_would_not_fit_are_not_read_to_find_out():
    read = []
    assert pack_if_small(lambda row: read.append(row) or np.zeros(4, dtype=np.float32), 100, 100, None) is None
    assert read == [0]


@given(st.lists(st.integers(1, 9), max_size=200))
def test_texts_go_by_length_the_longest_first(lengths):
    groups = list(rows_by_length([np.zeros(length) for length in lengths], 32))
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    assert all(len({lengths[row] for row in group}) == 1 and len(group) <= 32 for group in groups)
    firsts = [lengths[group[0]] for group in groups]
    assert firsts == sorted(firsts, reverse=True)
