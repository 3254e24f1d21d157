"""The one place that makes consoles: results go to stdout, progress and warnings to stderr.

A console is made afresh each time, so that it writes to the stream that is current (tests and pipes replace it).
Rich itself leaves out colour and cursor movement off a terminal, and colour where `NO_COLOR` is set.
"""

import codecs
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from rich.console import Console

UNLIMITED = 100_000
"""Columns of a stream that is no terminal, unless `COLUMNS` sets a width: other programs need unbroken values."""
PLAIN = {"✔": "+", "⚠": "!", "✘": "x"}
"""Marks for a terminal of another code page that lacks these characters."""

IS_QUIET: ContextVar[bool] = ContextVar("is_quiet", default=False)


@contextmanager
def without_messages() -> Iterator[None]:
    """Print no progress and no notices on stderr meanwhile. Errors are printed."""
    token = IS_QUIET.set(True)
    try:
        yield
    finally:
        IS_QUIET.reset(token)


class PlainConsole(Console):
    """A console that writes no blanks at the ends of lines, unless it is a terminal."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as Rich does."""
        if self.quiet:
            return
        if self.is_terminal:
            super().print(*objects, **how)
            return
        with self.capture() as captured:
            super().print(*objects, **how)
        self.file.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))


def out() -> Console:
    """Return the Rich console for results, which writes to stdout."""
    return _console(sys.stdout)


def err() -> Console:
    """Return the Rich console for progress and warnings, which writes to stderr."""
    return _console(sys.stderr, is_quiet=IS_QUIET.get())


def print_json(result: Any) -> None:
    """Write a result, a dataclass or a mapping, as JSON on stdout; a number that is not finite becomes null."""
    plain = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(_finite(plain), indent=2, ensure_ascii=not is_unicode)
    out().print(text, soft_wrap=True, markup=False)


def notice(text: str) -> None:
    """Print one plain line on stderr, such as a default that was chosen."""
    err().print(text, soft_wrap=True, markup=False)


def _console(stream: TextIO, is_quiet: bool = False) -> Console:
    # A terminal of another code page shows an escape for a character it lacks; a tweet must not end the program.
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=FALLBACK)
    console = PlainConsole(file=stream, highlight=False, emoji=False, quiet=is_quiet)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED
    return console


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace characters that a stream lacks: a mark by its plain form, any other character by an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(char, char.encode("ascii", "backslashreplace").decode()) for char in missing), error.end


FALLBACK = "mmsent-plain"
codecs.register_error(FALLBACK, _plain)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
