"""The feature store: what goes in comes out, damage is found, and nothing half-written is ever read."""

import errno
import io
import multiprocessing
import os
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mmsent_cli.errors import MmsentError
from mmsent_cli.features import store as features
from mmsent_cli.features.store import FeatureSet

DESCRIPTION = {"encoder": "bert", "stages": "3 of 14"}
ARRAYS = {
    "ids": np.arange(7, dtype=np.int32),
    "ids longer": np.arange(30, dtype=np.int32),
    "pixels": np.arange(48, dtype=np.uint8).reshape(3, 4, 4),
    "hidden": np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4),
    "pooled": np.array([np.pi, -0.0, np.inf], dtype=np.float32),
}


def filled(root, entries=ARRAYS):
    stored = FeatureSet(root, DESCRIPTION)
    stored.add(entries.items())
    return stored


def same(one, other):
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def files(root, suffix):
    return [path for path in root.rglob(f"*{suffix}") if not path.name.startswith(".")]


def hidden(root):
    return list(root.rglob(".*"))


def test_arrays_of_all_shapes_come_back(tmp_path):
    filled(tmp_path)
    stored = FeatureSet(tmp_path, DESCRIPTION)
    assert stored.missing([*ARRAYS, "unknown", "unknown"]) == ["unknown"]
    assert all(same(stored.read(key), array) for key, array in ARRAYS.items())
    assert stored.read("pixels").shape == (3, 4, 4)
    assert stored.damaged == 0
    assert hidden(tmp_path) == []


def test_feature_sets_never_mix(tmp_path):
    filled(tmp_path)
    other = FeatureSet(tmp_path, {**DESCRIPTION, "stages": "4 of 14"})
    assert other.missing(ARRAYS) == list(ARRAYS)
    other.add([("ids", np.zeros(2, dtype=np.int32))])
    assert same(FeatureSet(tmp_path, DESCRIPTION).read("ids"), ARRAYS["ids"])


kinds = st.sampled_from([np.int32, np.uint8, np.float32, np.float64])
any_array = kinds.flatmap(lambda kind: arrays(kind, array_shapes(max_dims=4, min_side=0, max_side=5)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.dictionaries(st.text("0123456789abcdef-view", min_size=1, max_size=40), any_array, max_size=5),
    second=st.dictionaries(st.text("0123456789abcdef-view", min_size=1, max_size=40), any_array, max_size=5),
)
def test_whatever_is_added_is_read_back(first, second, tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    filled(root, first).add(second.items())
    stored = FeatureSet(root, DESCRIPTION)
    assert stored.missing([*first, *second]) == []
    assert all(same(stored.read(key), array) for key, array in second.items())
    assert all(same(stored.read(key), array) for key, array in first.items() if key not in second)


def test_a_wrong_byte_costs_that_entry_alone(tmp_path):
    filled(tmp_path)
    (data,) = files(tmp_path, ".bin")
    content = bytearray(data.read_bytes())
    content[ARRAYS["ids"].nbytes + 5] ^= 1
    data.write_bytes(content)
    os.utime(files(tmp_path, ".npy")[0], (time.time() - 10,) * 2)  # clocks of file systems tick slowly
    stored = FeatureSet(tmp_path, DESCRIPTION)
    assert stored.missing(ARRAYS) == ["ids longer"]
    assert stored.damaged == 1
    stored.add([("ids longer", ARRAYS["ids longer"])])
    assert stored.missing(ARRAYS) == []
    again = FeatureSet(tmp_path, DESCRIPTION)
    assert again.missing(ARRAYS) == []
    assert same(again.read("ids longer"), ARRAYS["ids longer"])


def test_a_shard_cut_short_keeps_what_is_whole(tmp_path):
    filled(tmp_path)
    (data,) = files(tmp_path, ".bin")
    os.truncate(data, ARRAYS["ids"].nbytes + 3)
    stored = FeatureSet(tmp_path, DESCRIPTION)
    assert stored.missing(ARRAYS) == ["ids longer", "pixels", "hidden", "pooled"]
    assert stored.damaged == 4


def test_a_shard_cut_short_while_it_is_open_is_noticed(tmp_path):
    filled(tmp_path)
    stored = FeatureSet(tmp_path, DESCRIPTION)
    os.truncate(files(tmp_path, ".bin")[0], 3)
    assert stored.missing(ARRAYS) == list(ARRAYS)


@pytest.mark.parametrize("content", [b"", b"garbage" * 50, None])
def test_an_index_that_cannot_be_read_counts_as_missing(content, tmp_path):
    filled(tmp_path)
    (index,) = files(tmp_path, ".npy")
    index.write_bytes(index.read_bytes()[:-20] if content is None else content)
    stored = FeatureSet(tmp_path, DESCRIPTION)
    assert stored.missing(ARRAYS) == list(ARRAYS)
    assert stored.damaged == 1
    stored.add(ARRAYS.items())
    assert FeatureSet(tmp_path, DESCRIPTION).missing(ARRAYS) == []


@pytest.mark.parametrize("value", [0x00, 0x2F, 0xFF])
def test_no_byte_of_the_index_can_serve_something_else(value, tmp_path):
    filled(tmp_path)
    (index,) = files(tmp_path, ".npy")
    good = index.read_bytes()
    for position in range(0, len(good), 5):
        index.write_bytes(good[:position] + bytes([value]) + good[position + 1 :])
        stored = FeatureSet(tmp_path, DESCRIPTION)
        sound = [key for key in ARRAYS if key not in stored.missing(ARRAYS)]
        assert all(same(stored.read(key), ARRAYS[key]) for key in sound), position


def test_a_missing_data_file_counts_as_missing(tmp_path):
    filled(tmp_path)
    files(tmp_path, ".bin")[0].unlink()
    stored = FeatureSet(tmp_path, DESCRIPTION)
    assert stored.missing(ARRAYS) == list(ARRAYS)
    assert stored.damaged == len(ARRAYS)


def test_what_a_killed_process_left_is_not_read_and_goes_away_in_time(tmp_path):
    stored = filled(tmp_path)
    left = [stored.folder / ".abc.bin", stored.folder / "def.bin", stored.folder / ".abc.npy"]
    for path in left:
        path.write_bytes(b"half of a shard")
    assert FeatureSet(tmp_path, DESCRIPTION).missing(ARRAYS) == []
    assert all(path.exists() for path in left), "another process may be writing them right now"
    for path in left:
        os.utime(path, (time.time() - 10**6,) * 2)
    stored = FeatureSet(tmp_path, DESCRIPTION)
    assert not any(path.exists() for path in left)
    assert stored.missing(ARRAYS) == []


class FullDisk(io.FileIO):
    """A file on a disk with no space left after `room` bytes."""

    room = 0

    def write(self, data):
        if FullDisk.room < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        FullDisk.room -= len(data)
        return super().write(data)


@pytest.mark.parametrize("room", [0, 100, 10_000])
def test_no_space_left_leaves_nothing_behind(room, tmp_path, monkeypatch):
    stored = FeatureSet(tmp_path, DESCRIPTION)
    before = sorted(stored.folder.iterdir())
    original = features.Path.open

    def on_full_disk(path, mode="r", **options):
        return FullDisk(path, "wb") if "w" in mode else original(path, mode, **options)

    monkeypatch.setattr(FullDisk, "room", room)
    monkeypatch.setattr(features.Path, "open", on_full_disk)
    with pytest.raises((OSError, MmsentError), match=r"(?i)no space"):
        stored.add((str(number), np.zeros(100, dtype=np.uint8)) for number in range(100))
    monkeypatch.undo()
    assert sorted(stored.folder.iterdir()) == before
    assert FeatureSet(tmp_path, DESCRIPTION).missing(["0"]) == ["0"]


def fill_slowly(root, start, barrier):
    barrier.wait()
    stored = FeatureSet(root, DESCRIPTION)
    for number in range(start, start + 20):
        stored.add([(str(number), np.full(50, number, dtype=np.int32))])


def test_two_processes_fill_one_feature_set_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    workers = [context.Process(target=fill_slowly, args=(tmp_path, start, barrier)) for start in (0, 10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    stored = FeatureSet(tmp_path, DESCRIPTION)
    assert stored.missing(map(str, range(30))) == []
    assert all((stored.read(str(number)) == number).all() for number in range(30))
    assert stored.damaged == 0
    assert hidden(tmp_path) == []


def test_memory_stays_bounded_however_much_is_added(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "SHARD_BYTES", 2**20)
    stored = FeatureSet(tmp_path, DESCRIPTION)
    tracemalloc.start()
    stored.add((str(number), np.full(2**16, number, dtype=np.uint8)) for number in range(160))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 2**20 < 160 * 2**16
    assert len(files(tmp_path, ".bin")) == 10
    assert stored.missing(map(str, range(160))) == []
