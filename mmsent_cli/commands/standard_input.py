"""A text from standard input, for an option whose value is `-`."""

import sys

from mmsent_cli.errors import DataError


def read_standard_input() -> str:
    """The whole of standard input as one text.

    Raises:
        DataError: it is empty, closed, or no text.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        print("type the text, then Ctrl-D:", file=sys.stderr)
    try:
        text = "" if sys.stdin is None else sys.stdin.read().strip()
    except (UnicodeError, OSError) as error:
        raise DataError(f"cannot read the text from standard input: {error}", "write the text after --text") from error
    if not text:
        raise DataError("standard input is empty", 'pipe a text in, as in: echo "what a day" | mmsent predict --text -')
    return text
