"""Standard streams as a terminal, pipe or container may leave them: any encoding, any width, closed, or full."""

import os
import sys
from typing import TextIO

SIZES = {"COLUMNS": range(20, 10_000), "TERMINAL_WIDTH": range(20, 10_000), "LINES": range(2, 10_000)}
"""Variables of the terminal's size, and the values that can be used."""


def prepare() -> None:
    """Make the standard streams usable: none closed, no character refused, no impossible width."""
    for number in (0, 1, 2):
        _open_if_closed(number)
    sys.stdout, sys.stderr = _usable(sys.stdout, 1), _usable(sys.stderr, 2)
    for name, values in SIZES.items():
        given = os.environ.get(name, "")
        if not (given.isascii() and given.isdigit() and len(given) < 6 and int(given) in values):
            os.environ.pop(name, None)


def finish() -> None:
    """Write out what is buffered, so that a full disk is reported instead of being raised while Python ends.

    Raises:
        SystemExit: standard output cannot be written.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard(1)
        if not isinstance(error, BrokenPipeError):  # a reader like `head` has what it wanted
            print(f"error: cannot write to standard output: {(error.strerror or '').lower()}", file=sys.stderr)
            print("hint: free some space, or write somewhere else", file=sys.stderr)
        raise SystemExit(1) from None


def _open_if_closed(number: int) -> None:
    """Open a closed descriptor, so that no data file gets its number and with it what libraries print."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _usable(stream: TextIO | None, number: int) -> TextIO:
    """The stream, with an escape for each character that its encoding lacks; Python leaves out a closed one."""
    if stream is None:
        stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream


def _discard(number: int) -> None:
    """Send what is written to a descriptor nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
