"""A text or a table from standard input, for an option whose value is `-`."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mmsent_cli.errors import DataError
from mmsent_cli.interrupts import on_interrupt

if TYPE_CHECKING:
    from mmsent_cli.data.layouts import Source

NAME = "standard input"
"""Name of the temporary file, which messages show. It has no suffix, so its form is found by its content."""


def read_standard_input() -> str:
    """Read the whole of standard input as one text.

    Raises:
        DataError: it is empty, closed, or no text.
    """
    _prompt("type the text, then Ctrl-D:")
    try:
        text = "" if sys.stdin is None else sys.stdin.read().strip()
    except (UnicodeError, OSError) as error:
        raise DataError(f"cannot read the text from standard input: {error}", "write the text after --text") from error
    if not text:
        raise DataError("standard input is empty", 'pipe a text in, as in: echo "what a day" | mmsent predict --text -')
    return text


@contextmanager
def standard_input_table() -> Iterator["Source"]:
    """Keep the table from standard input in a temporary file, since a table is read several times.

    Relative paths of images start in the current folder.

    Raises:
        DataError: standard input is empty, closed, or cannot be kept.
    """
    from mmsent_cli.data.layouts import Source
    from mmsent_cli.files import reason

    _prompt("type a table with a header, then Ctrl-D:")
    with ExitStack() as cleanup:
        try:
            folder = Path(tempfile.mkdtemp(prefix="mmsent-"))
            remove = partial(shutil.rmtree, folder, ignore_errors=True)
            cleanup.callback(remove)
            cleanup.enter_context(on_interrupt(remove))
            path = _spool(folder / NAME)
        except OSError as error:
            raise DataError(
                f"cannot keep the table from standard input: {reason(error)}", "save it to a file, and give its name"
            ) from error
        yield Source(path, "manifest", "data: standard input (--data -)", home=Path.cwd())


def _spool(path: Path) -> Path:
    """Write standard input to a file.

    Raises:
        DataError: it is empty or closed.
        OSError: it cannot be read, or the file cannot be written.
    """
    from mmsent_cli.data.tables.opening import first_bytes

    with path.open("wb") as file:
        if sys.stdin is not None:
            shutil.copyfileobj(sys.stdin.buffer, file)
    if not first_bytes(path):
        raise DataError("standard input is empty", "pipe a table in: mmsent predict --data - --out out.csv < pairs.csv")
    return path


def _prompt(text: str) -> None:
    if sys.stdin is not None and sys.stdin.isatty():
        print(text, file=sys.stderr)
