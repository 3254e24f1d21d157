"""Prepare the standard streams for any encoding and width, and for closed or full outputs."""

import os
import sys
from typing import TextIO

SIZES = {"COLUMNS": range(20, 10_000), "TERMINAL_WIDTH": range(20, 10_000), "LINES": range(2, 10_000)}
"""Environment variables with the terminal's size, and their usable values."""


def prepare() -> None:
    """Open closed standard streams, and ignore impossible sizes of the terminal.

    Characters that a stream cannot encode are written as escapes.
    """
    for number in (0, 1, 2):
        _open_if_closed(number)
    sys.stdout, sys.stderr = _usable(sys.stdout, 1), _usable(sys.stderr, 2)
    for name, values in SIZES.items():
        given = os.environ.get(name, "")
        if not (given.isascii() and given.isdigit() and len(given) < 6 and int(given) in values):
            os.environ.pop(name, None)


def finish() -> None:
    """Flush standard output, so that a full disk is reported before Python ends.

    Raises:
        SystemExit: standard output cannot be written.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard(1)
        if not isinstance(error, BrokenPipeError):  # a reader such as `head` may stop early
            print(f"error: cannot write to standard output: {(error.strerror or '').lower()}", file=sys.stderr)
            print("hint: free some space, or write to another place", file=sys.stderr)
        raise SystemExit(1) from None


def _open_if_closed(number: int) -> None:
    """Connect a closed standard stream to the null device. `number` is the number of its file descriptor.

    Otherwise, a data file could get this number, and libraries would write to the data file.
    """
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _usable(stream: TextIO | None, number: int) -> TextIO:
    """Make a stream escape the characters that it cannot encode. A stream that is None is replaced by a new stream."""
    if stream is None:
        stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream


def _discard(number: int) -> None:
    """Redirect a descriptor to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
