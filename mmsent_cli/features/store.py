"""The feature store keeps the output of frozen encoder stages on disk. So it is computed once per text or image.

A *feature set* contains the output of the first k stages of an encoder, for given weights, preprocessing and precision.
Its folder has a description, `features.json`, and shards that are never changed. A shard has a data file `.bin` and an
index `.npy` with a checksum per entry. The last four bytes of the index are its own checksum. The index is written last
and atomically. Two processes that fill a feature set at the same time write two shards. If a key has two entries, the
newer one is used, so that a damaged entry can be replaced.

Chosen: reads at a position (`os.pread`). Rejected: memory maps, since a truncated file would kill the process and
mapped pages count as its memory; SQLite and LMDB, whose locks and write path are not needed to append.
"""

import contextlib
import hashlib
import json
import os
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from mmsent_cli.files import NO_SPACE, atomic_write, cannot_write
from mmsent_cli.interrupts import on_interrupt

DESCRIPTION = "features.json"
KIND = "mmsent feature set"
"""This mark is in the description of each feature set. `mmsent cache --clear` does not delete a folder without it."""
SHARD_BYTES = 256 * 2**20
MAX_DIMS = 4
CHECKSUM_BYTES = 4
ABANDONED_SECONDS = 24 * 3600
"""An unfinished shard that nothing was written to for this time was left by a killed process."""
INDEX = np.dtype(
    [("key", "S64"), ("offset", "<u8"), ("size", "<u8"), ("shape", "<u4", (MAX_DIMS,)), ("dtype", "S8"), ("crc", "<u4")]
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An array in a data file: its position, size, shape and type, and its CRC-32 checksum."""

    shard: Path
    offset: int
    size: int
    shape: tuple[int, ...]
    dtype: str
    crc: int


class FeatureSet:
    """Stored features. The key of an entry is the content digest of its text or image.

    Args:
        root: folder of the feature store.
        description: everything that affects the features; its digest is the name of the folder.

    Attributes:
        damaged: number of damaged entries and shards found so far. They count as missing.
    """

    def __init__(self, root: Path, description: dict[str, object]) -> None:
        self.folder = root / _digest(description)
        self.damaged = 0
        self._entries: dict[str, Entry] = {}
        self._open: dict[Path, int] = {}
        self._verified: set[str] = set()
        self.folder.mkdir(parents=True, exist_ok=True)
        described = json.dumps({"kind": KIND, **description}, indent=1, sort_keys=True)
        atomic_write(self.folder / DESCRIPTION, described.encode())
        _remove_abandoned(self.folder)
        for index in shard_indexes(self.folder):
            self._load_shard(index)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return the keys that have no valid entry, in order, without duplicates. Each entry is checked only once."""
        wanted = dict.fromkeys(keys)
        return [key for key in wanted if not self._is_sound(key)]

    def read(self, key: str) -> np.ndarray:
        """Return the array of `key`, which must not be missing."""
        entry = self._entries[key]
        return np.frombuffer(self._bytes(entry), dtype=entry.dtype).reshape(entry.shape)

    def add(self, entries: Iterable[tuple[str, np.ndarray]]) -> None:
        """Write arrays with their keys to new shards. A shard can be read only when it is complete."""
        writer = _ShardWriter(self.folder)
        with on_interrupt(lambda: writer.discard()):  # the writer at the time of the interrupt
            try:
                for key, array in entries:
                    writer.append(key, array)
                    if writer.size >= SHARD_BYTES:
                        self._load_shard(writer.finish())
                        writer = _ShardWriter(self.folder)
                if not writer.is_empty:
                    self._load_shard(writer.finish())
            finally:
                writer.discard()

    def _load_shard(self, index: Path) -> None:
        data = index.with_suffix(".bin")
        try:
            rows = read_index(index)
        except ValueError:
            # Without its index the shard cannot be used.
            self.damaged += 1
            index.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
            return
        for row in rows:
            shape = tuple(int(n) - 1 for n in row["shape"] if n)
            entry = Entry(data, int(row["offset"]), int(row["size"]), shape, row["dtype"].decode(), int(row["crc"]))
            self._entries[row["key"].decode()] = entry

    def _is_sound(self, key: str) -> bool:
        if key in self._verified:
            return True
        entry = self._entries.get(key)
        if entry is None:
            return False
        if not self._is_whole(entry):
            self.damaged += 1
            del self._entries[key]
            return False
        self._verified.add(key)
        return True

    def _is_whole(self, entry: Entry) -> bool:
        try:
            content = self._bytes(entry)
        except OSError:
            return False
        return len(content) == entry.size and zlib.crc32(content) == entry.crc

    def _bytes(self, entry: Entry) -> bytes:
        if entry.shard not in self._open:
            self._open[entry.shard] = os.open(entry.shard, os.O_RDONLY)
        return os.pread(self._open[entry.shard], entry.size, entry.offset)

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)


@contextlib.contextmanager
def disk_full_as_error(store: Path) -> Iterator[None]:
    """Raise an MmsentError that names the store if the disk is full while the feature store is written."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise cannot_write(store, error) from error


def shard_indexes(folder: Path) -> list[Path]:
    """Return the index files of a feature set, the oldest first."""
    return sorted(folder.glob("[!.]*.npy"), key=_age)


def read_index(path: Path) -> np.ndarray:
    """Read the rows of an index.

    Raises:
        ValueError: the index is damaged.
    """
    raw = path.read_bytes()
    content, checksum = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    if _checksum(content) != checksum:
        raise ValueError(f"{path} is damaged")
    return np.load(BytesIO(content), allow_pickle=False)


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "little")


def _age(index: Path) -> tuple[int, str]:
    """Return a key that sorts index files by age. The file may have been deleted by another process."""
    with contextlib.suppress(FileNotFoundError):
        return index.stat().st_mtime_ns, index.name
    return 0, index.name


def _remove_abandoned(folder: Path) -> None:
    """Delete files that killed processes left: hidden files, and data files without an index."""
    for path in folder.iterdir():
        is_unfinished = path.name.startswith(".") or (path.suffix == ".bin" and not path.with_suffix(".npy").exists())
        with contextlib.suppress(FileNotFoundError):
            if is_unfinished and path.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                path.unlink()


def _digest(description: dict[str, object]) -> str:
    """Return the BLAKE2b-128 digest of a description, as 32 hexadecimal digits."""
    return hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16).hexdigest()


class _ShardWriter:
    """Appends arrays to a hidden file; `finish` renames it and writes its index."""

    def __init__(self, folder: Path) -> None:
        name = uuid.uuid4().hex
        self.size = 0
        self._final = folder / f"{name}.bin"
        self._index = folder / f"{name}.npy"
        self._hidden = folder / f".{name}.bin"
        self._stream = self._hidden.open("wb")
        self._rows: list[tuple[object, ...]] = []

    @property
    def is_empty(self) -> bool:
        return not self._rows

    def append(self, key: str, array: np.ndarray) -> None:
        raw = np.ascontiguousarray(array).tobytes()
        # Each size is stored plus one, so that 0 can mean "no such dimension".
        shape = [size + 1 for size in array.shape] + [0] * (MAX_DIMS - array.ndim)
        self._stream.write(raw)
        self._rows.append((key.encode(), self.size, len(raw), shape, array.dtype.str.encode(), zlib.crc32(raw)))
        self.size += len(raw)

    def finish(self) -> Path:
        self._stream.close()
        self._hidden.replace(self._final)
        rows = BytesIO()
        np.save(rows, np.array(self._rows, dtype=INDEX))
        atomic_write(self._index, rows.getvalue() + _checksum(rows.getvalue()))
        return self._index

    def discard(self) -> None:
        """Remove an unfinished shard."""
        with contextlib.suppress(OSError):  # closing writes the rest, which fails again on a full disk
            self._stream.close()
        self._hidden.unlink(missing_ok=True)
        if not self._index.exists():
            self._final.unlink(missing_ok=True)
