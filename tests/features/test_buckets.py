"""Lengths in few buckets and features on a device, as on a GPU: the same values as without, forced on a CPU."""

import numpy as np
import pytest
import torch

from mmsent_cli.compute.device import Compute
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.features import batching
from mmsent_cli.features.batching import PackedArrays, pack_if_small
from mmsent_cli.features.column import Column, SkippedModality, text_key
from mmsent_cli.features.pipeline import PairPipeline, encode_texts, rows_by_length
from mmsent_cli.features.resident import ResidentColumn, on_device
from mmsent_cli.features.table import EpochBatches, Table, make_loader
from tests.encoders.cases import fresh
from tests.features.test_pipeline import FP32, TEXTS, pairs
from tests.training.builders import tiny_table

CPU = torch.device("cpu")
assert pairs  # a fixture


@pytest.fixture
def forced(monkeypatch):
    """Switch the treatment of a GPU on."""

    def switch():
        monkeypatch.setattr(Compute, "length_multiple", property(lambda self: 16))
        monkeypatch.setattr(Compute, "batches_ahead", property(lambda self: 2))

    return switch


@pytest.mark.parametrize(("longest", "expected"), [(None, 16), (40, 16), (14, 14), (3, 9)])
def test_sequences_are_padded_to_a_multiple_and_the_padding_is_masked(longest, expected):
    arrays = [np.arange(1, length + 1, dtype=np.int32) for length in (3, 9, 5)]
    batch = PackedArrays(arrays, 0, 16, longest).batch([1, 0])
    assert batch.values.shape == batch.mask.shape == (2, expected)
    assert batch.mask.sum(dim=1).tolist() == [9, 3]
    assert batch.values.sum().item() == 45 + 6
    plain = pack_if_small(arrays.__getitem__, 3, 100, 0)
    assert plain is not None and plain.batch([0]).values.tolist() == [[1, 2, 3]]
    assert pack_if_small(arrays.__getitem__, 3, 67, 0) is None  # 17 numbers of four bytes


def test_a_column_is_padded_alike_whether_it_fits_into_memory(weights_dir, tmp_path, forced, monkeypatch):
    forced()
    encoder, texts, found = fresh("text", "light", weights_dir).freeze(1).eval(), ["good day", "sun"], []
    for limit in (10**6, 0):
        monkeypatch.setattr(Compute, "column_bytes", property(lambda self, limit=limit: limit))
        column = Column(encoder, [text_key(text) for text in texts], tmp_path, FP32)
        column.fill(texts, (), lambda *_: None)
        assert (column.load() is None) is (limit == 0)
        found.append(column.batch([0, 1]))
    assert found[0].values.shape[:2] == (2, 16)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("multiple", [1, 4, 16])
def test_groups_hold_lengths_of_one_bucket(multiple):
    arrays = [np.zeros(length) for length in (3, 9, 5, 16, 17, 4, 1)]
    groups = list(rows_by_length(arrays, 2, multiple))
    assert sorted(row for rows in groups for row in rows) == list(range(7))
    for rows in groups:
        assert len(rows) <= 2 and len({-(-len(arrays[row]) // multiple) for row in rows}) == 1


@pytest.mark.parametrize("name", ["bert", "light", "clip"])
@pytest.mark.parametrize("cut", [0, 1, "all"])
def test_features_of_texts_are_the_same_in_buckets(name, cut, weights_dir, forced):
    encoder = fresh("text", name, weights_dir)
    encoder.freeze(encoder.n_stages if cut == "all" else cut).eval()
    texts = [text or "" for text in TEXTS]

    def features():
        found = {}
        for rows, values in encode_texts(encoder, FP32, texts):
            found.update(zip(rows, values, strict=False))
        return [found[row] for row in range(len(texts))]

    plain = features()
    forced()
    for one, other in zip(plain, features(), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_predictions_are_encoded_the_same_in_buckets(pairs, weights_dir, forced):
    text, image = fresh("text", "bert", weights_dir).freeze(2).eval(), fresh("image", "light", weights_dir).freeze(2)
    pipeline = PairPipeline(text, image.eval(), FP32, {})

    @torch.inference_mode()
    def pooled():
        found = {}
        for _, batches in pipeline.chunks(pairs):
            for each in batches:
                found.update(zip(each.rows, text(each.batch.text).pooled, strict=True))
        return torch.stack([found[row] for row in range(len(pairs))])

    plain = pooled()
    forced()
    torch.testing.assert_close(pooled(), plain, rtol=0, atol=1e-6)


def test_resident_features_are_those_of_the_column(weights_dir, tmp_path):
    encoder = fresh("text", "bert", weights_dir).freeze(1).eval()
    texts = [text or "" for text in TEXTS]
    column = Column(encoder, [text_key(text) for text in texts], tmp_path, FP32)
    column.fill(texts, (), lambda *_: None)
    resident = on_device(column, CPU)
    assert isinstance(resident, ResidentColumn) and resident.keys == column.keys
    assert on_device(resident, CPU) is resident
    for rows in ([3, 1, 2], [0]):
        for one, other in zip(column.batch(rows), resident.batch(rows), strict=True):
            assert torch.equal(one, other)
    skipped = SkippedModality(["a"])
    assert on_device(skipped, CPU) is skipped


def test_augmented_views_come_from_the_column_and_the_rest_from_the_device():
    class Views:
        keys = ("a", "b")
        augmentation = Augmentation

        def batch(self, rows, epoch=None):
            return "views", rows, epoch

        def load(self):
            return PackedArrays([np.zeros(2), np.ones(2)], None)

    resident = on_device(Views(), CPU)
    assert resident.batch([1], 3) == ("views", [1], 3)
    assert resident.batch([1]).values.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(("device", "workers"), [("cpu", 0), ("cpu", 2), ("cuda", 2)])
def test_only_a_gpu_gets_pinned_memory(device, workers):
    table: Table = tiny_table()
    loader = make_loader(table, EpochBatches(table, 4, 0, is_training=False), workers, torch.device(device))
    assert loader.pin_memory is (device == "cuda")
    assert loader.dataset.table is table
    batch = object()
    assert loader.collate_fn(batch) is batch


@pytest.mark.parametrize("pad", [None, 0])
def test_features_on_a_device_are_there_once_and_looked_up_without_waiting(monkeypatch, pad):
    """Numbers of rows, lengths and places go from pinned memory; a plain copy would wait for the steps before it."""
    arrays = [np.arange(4, dtype=np.float32).reshape(4, 1)] * 3
    packed, moved = PackedArrays(arrays, pad), []
    monkeypatch.setattr(batching, "to_device", lambda tensor, place: moved.append(place) or tensor.to(place))
    there = packed.on(torch.device("meta"))
    assert packed.on(torch.device("meta")) is there and packed.batch([0]).values.device.type == "cpu"
    moved.clear()
    assert there.batch([2, 0]).values.device.type == "meta"
    assert moved == ["meta"] * (1 if pad is None else 2)
