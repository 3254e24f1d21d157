"""Open outputs that the user names: a plain file, a pipe, a device, or `-` for standard output."""

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mmsent_cli.errors import MmsentError
from mmsent_cli.files import atomic_path, cannot_write, kind_of, not_replaced

STANDARD_OUTPUT = Path("-")


@contextmanager
def open_output(path: Path) -> Iterator[TextIO]:
    """Open an output for text in UTF-8.

    A file is written atomically. A pipe or a device is written to directly.

    Raises:
        MmsentError: the output cannot be written.
    """
    if path == STANDARD_OUTPUT:
        yield sys.stdout
        sys.stdout.flush()
    elif is_stream(path):
        try:
            with _open_stream(path) as stream:
                yield stream
        except BrokenPipeError as error:
            raise MmsentError(
                f"cannot write {path}: the program that reads it has ended", "start that program again"
            ) from error
    else:
        with (
            atomic_path(path) as hidden,
            hidden.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
        ):
            yield stream


def is_stream(path: Path) -> bool:
    """Return True for a pipe or a character device, or for a link to a pipe or device, such as `/dev/stdout`."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def require_writable(path: Path, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Check that an output can be written, before any work is done. Nothing is created.

    Args:
        path: the path of the output; `-` is standard output.
        force: a file that exists may be overwritten.
        inputs: files that are read. The output must not be one of them, even under another name.

    Raises:
        MmsentError: the output exists and `force` is not given, it is not a plain file, it is an input, or its folder
            cannot be created or written to.
    """
    if path == STANDARD_OUTPUT or is_stream(path):
        return
    try:
        kind, is_there = kind_of(path), path.exists()
        base = next((parent for parent in path.absolute().parents if parent.exists()), path)
    except OSError as error:
        raise cannot_write(path, error) from error
    if kind:
        raise not_replaced(path, kind)
    if is_there and not force:
        raise MmsentError(f"{path} exists already", "choose another name, or overwrite it with --force")
    require_no_input(path, inputs)
    if not base.is_dir():
        raise MmsentError(f"cannot write {path}: {base} is a file, not a folder", "choose another place")
    if not os.access(base, os.W_OK | os.X_OK):
        raise MmsentError(f"cannot write {path}: no permission to write in {base}", "choose another place")


def require_no_input(path: Path, inputs: Iterable[Path]) -> None:
    """Check that an output is not one of the input files, not even under another name.

    Raises:
        MmsentError: the output is an input file.
    """
    try:
        written = path.stat()
    except OSError:
        return
    for each in inputs:
        try:
            is_same = os.path.samestat(each.stat(), written)
        except OSError:
            continue
        if is_same:
            raise MmsentError(f"cannot write to {path}: it is an input of this command", "choose another name")


def _open_stream(path: Path) -> TextIO:
    """Open a pipe or a device for writing, without waiting for a reader.

    Raises:
        MmsentError: nothing reads the pipe, or the pipe or device cannot be written to.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise MmsentError(f"nothing reads the pipe {path}", "first start the program that reads it") from error
        raise cannot_write(path, error) from error
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="")
