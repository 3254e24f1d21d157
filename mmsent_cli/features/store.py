"""The feature store: what frozen layers compute is computed once per pair and kept on disk.

A *space* is one kind of feature: an encoder's first k stages with their weights, preprocessing settings and
compute. Its folder holds immutable shards, each a packed `.bin` and an index `.npy` with a checksum per entry and
one of its own as its last four bytes. The index appears by rename after its data is whole, so a shard either exists
or does not, and two processes that fill one space at once write two shards. Of two entries for one key the newer
counts, so what was damaged and computed anew stays mended.

Chosen: positioned reads (`os.pread`) instead of a memory map. The page cache serves both alike, but a map of a file
that was cut short kills the process, and touched pages count as the process's own memory.
Rejected: SQLite and LMDB, which bring locks and a write path for a store that only ever appends.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from mmsent_cli.errors import MmsentError
from mmsent_cli.files import atomic_write, reason
from mmsent_cli.results import StoredFeatures, StoreResult

SHARD_BYTES = 256 * 2**20
MAX_DIMS = 4
CHECKSUM_BYTES = 4
ABANDONED_SECONDS = 24 * 3600
"""An unfinished shard that nobody wrote to for so long was left by a process that was killed."""
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
        atomic_write(self.folder / "space.json", json.dumps(description, indent=1, sort_keys=True).encode())
        _remove_abandoned(self.folder)
        for index in sorted(self.folder.glob("[!.]*.npy"), key=_age):
            self._load_shard(index)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys, each once and in order, that have no sound entry. Reads and checks each entry the first time."""
        wanted = dict.fromkeys(keys)
        return [key for key in wanted if not self._is_sound(key)]

    def read(self, key: str) -> np.ndarray:
        """The array stored under `key`, which `missing` did not name."""
        entry = self._entries[key]
        return np.frombuffer(self._bytes(entry), dtype=entry.dtype).reshape(entry.shape)

    def add(self, entries: Iterable[tuple[str, np.ndarray]]) -> None:
        """Write arrays as new shards; each shard appears whole or not at all."""
        writer = _ShardWriter(self.folder)
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
            rows = _read_index(index)
        except ValueError:
            # Without its index the shard is of no use to anyone.
            self.corrupt += 1
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
            self.corrupt += 1
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


def _read_index(path: Path) -> np.ndarray:
    """The rows of an index.

    Raises:
        ValueError: it is damaged.
    """
    raw = path.read_bytes()
    content, checksum = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    if _checksum(content) != checksum:
        raise ValueError(f"{path} is damaged")
    return np.load(BytesIO(content), allow_pickle=False)


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "little")


def _age(index: Path) -> tuple[int, str]:
    """Sorts the oldest index first; one that has just been cleared away sorts anywhere."""
    with contextlib.suppress(FileNotFoundError):
        return index.stat().st_mtime_ns, index.name
    return 0, index.name


def _remove_abandoned(folder: Path) -> None:
    """Delete what killed processes left: hidden files, and data whose index never came."""
    for path in folder.iterdir():
        is_unfinished = path.name.startswith(".") or (path.suffix == ".bin" and not path.with_suffix(".npy").exists())
        with contextlib.suppress(FileNotFoundError):
            if is_unfinished and path.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                path.unlink()


def _digest(description: dict[str, object]) -> str:
    """BLAKE2b-128 hex digest of plain settings."""
    return hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16).hexdigest()


class _ShardWriter:
    """Appends arrays to a hidden file; `finish` gives it its name and its index."""

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
        # Each side is stored plus one, so that 0 can mean "no such dimension".
        shape = [side + 1 for side in array.shape] + [0] * (MAX_DIMS - array.ndim)
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
        """Remove what is unfinished."""
        with contextlib.suppress(OSError):  # closing writes the rest, which fails again on a full disk
            self._stream.close()
        self._hidden.unlink(missing_ok=True)
        if not self._index.exists():
            self._final.unlink(missing_ok=True)


def store_report(root: Path, networks: Path, weights: Path) -> StoreResult:
    """What the store holds, one row per space, and the size of translated networks and unpacked weights beside it."""
    spaces = [_describe_space(folder) for folder in _space_folders(root)]
    return StoreResult(
        folder=str(root),
        spaces=tuple(spaces),
        bytes=sum(space.bytes for space in spaces),
        compiled_models_bytes=_size(networks),
        weights_bytes=_size(weights),
    )


def clear_store(root: Path, *beside: Path) -> None:
    """Delete every space, and folders beside the store. Runs that read them right now keep their open files."""
    for folder in _space_folders(root):
        shutil.rmtree(folder)
    for folder in beside:
        try:
            if folder.exists():
                shutil.rmtree(folder.resolve())
        except OSError as error:
            raise MmsentError(f"cannot clear {folder}: {reason(error)}", "delete the folder by hand") from error


def _size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a run renames its file just now
            total += path.stat().st_size if path.is_file() else 0
    return total


def _space_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/space.json"))


def _describe_space(folder: Path) -> StoredFeatures:
    try:
        described = json.loads((folder / "space.json").read_text(encoding="utf-8"))
    except ValueError:
        described = {"encoder": "unknown (space.json is damaged)", "stages": "?"}
    entries = sum(_count_entries(path) for path in folder.glob("[!.]*.npy"))
    size = sum(path.stat().st_size for path in folder.iterdir())
    encoder, stages = described["encoder"], described["stages"]
    return StoredFeatures(space=folder.name, encoder=encoder, stages=stages, entries=entries, bytes=size)


def _count_entries(index: Path) -> int:
    try:
        return len(_read_index(index))
    except ValueError:
        return 0
