"""The feature store: what frozen layers compute is computed once per pair and kept on disk.

A *space* is one kind of feature: an encoder's first k stages with their weights, preprocessing settings and
arithmetic. Its folder holds immutable shards, each a packed `.bin` and an index `.npy` with a checksum per entry.
The index appears by rename after its data is whole, so a shard either exists or does not, and two processes that
fill one space at once write two shards.

Chosen: positioned reads (`os.pread`) instead of a memory map. The page cache serves both alike, but a map of a file
that was cut short kills the process, and touched pages count as the process's own memory.
Rejected: SQLite and LMDB, which bring locks and a write path for a store that only ever appends.
"""

import hashlib
import json
import os
import shutil
import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsent_cli.files import write_whole
from mmsent_cli.results import StoredSpace, StoreResult

SHARD_BYTES = 256 * 2**20
MAX_DIMS = 4
INDEX = np.dtype(
    [("key", "S64"), ("offset", "<u8"), ("size", "<u8"), ("shape", "<u4", (MAX_DIMS,)), ("dtype", "S8"), ("crc", "<u4")]
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one array lies."""

    shard: Path
    offset: int
    size: int
    shape: tuple[int, ...]
    dtype: str
    crc: int


class Space:
    """All stored features of one kind.

    Args:
        root: folder of the feature store.
        description: everything that decides the features' values; its digest names the space's folder.

    Attributes:
        corrupt: entries and shards found damaged so far; they count as missing and are computed anew.
    """

    def __init__(self, root: Path, description: dict[str, object]) -> None:
        self.folder = root / _digest(description)
        self.corrupt = 0
        self._entries: dict[str, Entry] = {}
        self._open: dict[Path, int] = {}
        self._verified: set[str] = set()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "space.json", json.dumps(description, indent=1, sort_keys=True).encode())
        for index in sorted(self.folder.glob("*.npy")):
            self._load_shard(index)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys, each once and in order, that have no sound entry. Reads and checks each entry the first time."""
        wanted = dict.fromkeys(keys)
        return [key for key in wanted if not self._is_sound(key)]

    def read(self, key: str) -> np.ndarray:
        """The array stored under `key`, which `missing` did not name."""
        entry = self._entries[key]
        return np.frombuffer(self._bytes(entry), dtype=entry.dtype).reshape(entry.shape)

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of the array stored under `key`."""
        return self._entries[key].shape

    def add(self, entries: Iterable[tuple[str, np.ndarray]]) -> None:
        """Write arrays as new shards; each shard appears whole or not at all."""
        writer = _ShardWriter(self.folder)
        try:
            for key, array in entries:
                writer.append(key, array)
                if writer.size >= SHARD_BYTES:
                    self._load_shard(writer.finish())
                    writer = _ShardWriter(self.folder)
            if writer.size:
                self._load_shard(writer.finish())
        finally:
            writer.discard()

    def _load_shard(self, index: Path) -> None:
        data = index.with_suffix(".bin")
        try:
            rows = np.load(index, allow_pickle=False)
            size = data.stat().st_size
        except (OSError, ValueError, EOFError):
            self.corrupt += 1
            return
        if rows.dtype != INDEX:
            self.corrupt += 1
            return
        for row in rows:
            key, offset, length = row["key"].decode(), int(row["offset"]), int(row["size"])
            if offset + length > size:
                self.corrupt += 1
                continue
            shape = tuple(int(n) - 1 for n in row["shape"] if n)
            self._entries[key] = Entry(data, offset, length, shape, row["dtype"].decode(), int(row["crc"]))

    def _is_sound(self, key: str) -> bool:
        if key in self._verified:
            return True
        entry = self._entries.get(key)
        if entry is None:
            return False
        if zlib.crc32(self._bytes(entry)) != entry.crc:
            self.corrupt += 1
            del self._entries[key]
            return False
        self._verified.add(key)
        return True

    def _bytes(self, entry: Entry) -> bytes:
        if entry.shard not in self._open:
            self._open[entry.shard] = os.open(entry.shard, os.O_RDONLY)
        return os.pread(self._open[entry.shard], entry.size, entry.offset)

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)


def _digest(description: dict[str, object]) -> str:
    """BLAKE2b-128 hex digest of plain settings."""
    return hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16).hexdigest()


class _ShardWriter:
    """Appends arrays to a hidden file; `finish` gives it its name and its index."""

    def __init__(self, folder: Path) -> None:
        name = uuid.uuid4().hex
        self.size = 0
        self._final = folder / f"{name}.bin"
        self._hidden = folder / f".{name}.bin"
        self._stream = self._hidden.open("wb")
        self._rows: list[tuple[object, ...]] = []

    def append(self, key: str, array: np.ndarray) -> None:
        raw = np.ascontiguousarray(array).tobytes()
        # Each side is stored plus one, so that 0 can mean "no such dimension".
        shape = [side + 1 for side in array.shape] + [0] * (MAX_DIMS - array.ndim)
        self._stream.write(raw)
        self._rows.append((key.encode(), self.size, len(raw), shape, array.dtype.str.encode(), zlib.crc32(raw)))
        self.size += len(raw)

    def finish(self) -> Path:
        self._stream.close()
        self._hidden.replace(self._final)
        index = self._final.with_suffix(".npy")
        hidden = index.with_name(f".{index.name}")
        with hidden.open("wb") as stream:
            np.save(stream, np.array(self._rows, dtype=INDEX))
        hidden.replace(index)
        return index

    def discard(self) -> None:
        self._stream.close()
        self._hidden.unlink(missing_ok=True)


def store_report(root: Path) -> StoreResult:
    """What the store holds, one row per space."""
    spaces = [_describe_space(folder) for folder in _space_folders(root)]
    return StoreResult(folder=str(root), spaces=tuple(spaces), bytes=sum(space.bytes for space in spaces))


def clear_store(root: Path) -> None:
    """Delete every space. Runs that read the store right now keep their open files."""
    for folder in _space_folders(root):
        shutil.rmtree(folder)


def _space_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/space.json"))


def _describe_space(folder: Path) -> StoredSpace:
    described = json.loads((folder / "space.json").read_text(encoding="utf-8"))
    entries = sum(path.stat().st_size for path in folder.glob("*.npy")) // INDEX.itemsize
    size = sum(path.stat().st_size for path in folder.iterdir())
    encoder, stages = described["encoder"], described["stages"]
    return StoredSpace(space=folder.name, encoder=encoder, stages=stages, entries=entries, bytes=size)
