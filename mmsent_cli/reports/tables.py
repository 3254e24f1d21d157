"""Make consoles for the terminal, and print tables on them.

Results go to stdout, progress and warnings to stderr. A console is created for each use, so that it writes to the
current stream (tests and pipes replace it). Rich omits color and cursor movement if there is no terminal, and color if
`NO_COLOR` is set.
"""

import codecs
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, is_dataclass, replace
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmsent_cli.errors import CONTROL, printable
from mmsent_cli.reports.blocks import Grid

UNLIMITED = 100_000
"""Width of a stream that is not a terminal, unless `COLUMNS` sets it. Other programs need unbroken values."""
PIPED = 120
"""Width of a table if the stream is not a terminal. Numbers, names and paths are not broken, so they may exceed it."""
PLAIN = {"✔": "+", "⚠": "!", "✘": "x"}
"""Plain forms of marks, for terminals that lack these characters."""

IS_QUIET: ContextVar[bool] = ContextVar("is_quiet", default=False)


@contextmanager
def without_messages() -> Iterator[None]:
    """Print no progress and no notices on stderr in this block. Errors are printed."""
    token = IS_QUIET.set(True)
    try:
        yield
    finally:
        IS_QUIET.reset(token)


class PlainConsole(Console):
    """A console that writes no trailing blanks, unless it is a terminal."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as Rich's console does. If the stream is not a terminal, trailing blanks are removed."""
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
    """Print a result (a dataclass or a mapping) as JSON on stdout. A number that is not finite becomes null."""
    plain = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(_finite(plain), indent=2, ensure_ascii=not is_unicode)
    safe = CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    out().print(safe, soft_wrap=True, markup=False)


def notice(text: str) -> None:
    """Print one plain line on stderr, such as a default that was chosen."""
    err().print(printable(text), soft_wrap=True, markup=False)


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
    """Replace characters that a stream cannot encode: marks by plain forms, others by escapes."""
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


FOLDED_COLUMNS = 15
"""A column of words needs at most this width, since longer cells are wrapped. A table that does not fit is divided."""


def cell(value: object, style: str = "") -> Text:
    """Return a table cell that shows the value. Square brackets are text, not markup."""
    return Text(printable(str(value)), style=style)


def figures_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Make a table with left-aligned names in the first column and right-aligned numbers in the others."""
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for position, column in enumerate(columns):
        table.add_column(cell(column), justify="right" if position else "left", overflow="fold")
    for row in rows:
        table.add_row(*(part if isinstance(part, Text) else cell(part) for part in row))
    return table


def print_table(console: Console, title: str, table: Table, foot: str = "", width: int | None = None) -> None:
    """Print a table under its title, with remarks below. The title may be wider than the table."""
    console.print()
    console.print(cell(title, "bold"))
    console.print(table, width=width)
    if foot:
        console.print(cell(foot, "dim"), width=width)


def facts_table(facts: Iterable[tuple[str, object]]) -> Table:
    """Return names and values without a frame, for headers. Facts without a value are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        if value not in (None, ""):
            table.add_row(cell(name), cell(value))
    return table


def print_paths(console: Console, heading: str, lines: Iterable[str]) -> None:
    """Print a heading, and each entry on one line, so that it can be copied. Without entries, print nothing."""
    entries = list(lines)
    if entries:
        console.print(cell(f"\n{heading}", "bold"), soft_wrap=True)
    for entry in entries:
        console.print(cell(f"  {entry}"), soft_wrap=True)


def print_notes(console: Console, notes: Iterable[str], heading: str = "Notes") -> None:
    """Print remarks as a list, wrapped to the console's width. Without remarks, print nothing."""
    table = facts_table((" -", note) for note in notes)
    if table.row_count:
        console.print(cell(f"\n{heading}", "bold"))
        console.print(table)


def print_grid(console: Console, grid: Grid, continued: str = "continued") -> None:
    """Print a grid under its title. Columns that do not fit are printed in a second table below.

    If the stream is not a terminal, only texts are broken, and no column is printed in a second table.

    Args:
        console: the console to print on.
        grid: the grid.
        continued: the text in brackets after the title of a second table.
    """
    if console.width == UNLIMITED:
        _print_piped(console, grid)
        return
    parts = _parts(grid, console.width)
    for part in parts:
        title = part.title if part is parts[0] else f"{re.split('[,，]', part.title)[0]} ({continued})"
        print_table(console, title, _tight(part), part.foot if part is parts[-1] else "")


def _print_piped(console: Console, grid: Grid) -> None:
    """Print a grid for a program or a file: texts wrap at `PIPED` columns; names, paths and numbers are not broken."""
    texts = (place for place in grid.words if place and any(" " in row[place] for row in grid.rows))
    whole, table = replace(grid, words=frozenset(texts)), _tight(grid)
    for position, column in enumerate(table.columns):
        column.no_wrap = position not in whole.words
    print_table(console, grid.title, table, grid.foot, max(PIPED, _needed(whole, len(grid.columns))))


def _tight(grid: Grid) -> Table:
    table = figures_table(grid.columns, grid.rows)
    table.padding = (0, 1, 0, 0)
    for position, column in enumerate(table.columns):
        column.no_wrap = position not in grid.words
        column.justify = "left" if position in grid.words or not position else "right"
    return table


def _parts(grid: Grid, width: int) -> list[Grid]:
    """Divide a grid into grids that fit the width. Each of them has the first column, which names the rows."""
    shown = len(grid.columns)
    while shown > 2 and _needed(grid, shown) > width:
        shown -= 1
    if shown == len(grid.columns):
        return [grid]
    rest = (0, *range(shown, len(grid.columns)))
    return [_chosen(grid, range(shown)), *_parts(_chosen(grid, rest), width)]


def _chosen(grid: Grid, columns: Sequence[int]) -> Grid:
    return replace(
        grid,
        columns=tuple(grid.columns[position] for position in columns),
        rows=tuple(tuple(row[position] for position in columns) for row in grid.rows),
        words=frozenset(place for place, position in enumerate(columns) if position in grid.words),
    )


def _needed(grid: Grid, shown: int) -> int:
    """Return the width, in characters, that the first `shown` columns need. Only words may be wrapped, not numbers."""
    return sum(_least(grid, position) for position in range(shown)) + 2 * shown - 2


def _least(grid: Grid, position: int) -> int:
    heads = max(cell_len(word) for word in grid.columns[position].split("\n"))
    cells = max((cell_len(row[position]) for row in grid.rows), default=0)
    return min(FOLDED_COLUMNS, max(heads, cells)) if position in grid.words else max(heads, cells)
