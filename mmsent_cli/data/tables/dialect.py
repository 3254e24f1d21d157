"""Find out how a delimited table is written: delimiter, quote character, header line, and content of the columns."""

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|")
ONE_COLUMN = "\x1f"
"""Stands for a delimiter in a table with one column."""
NAMES = {"\t": "tabs", ONE_COLUMN: "one column"}
SEP_LINE = re.compile(r'\s*"?sep=(.)"? *', re.IGNORECASE)
"""A first line that Excel writes and reads."""
IMAGE_NAME = re.compile(r".*\.[A-Za-z0-9]{2,5}")
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
MAX_VALUES = 50
MIN_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: between two cells.
        quote: around a cell that holds a delimiter or a line end.
        header: the names of the columns.
        first_line: number of lines up to and with the header.
        has_row_names: the rows have one cell more than the header, as R writes them; the first column has no name.
    """

    delimiter: str
    quote: str
    header: tuple[str, ...]
    first_line: int
    has_row_names: bool = False

    def describe(self) -> str:
        """Return the name of the delimiter, for notes."""
        if self.delimiter == ONE_COLUMN:
            return NAMES[ONE_COLUMN]
        return f"columns separated by {NAMES.get(self.delimiter, repr(self.delimiter))}"


def find_dialect(sample: Sequence[str], known: Collection[str]) -> Dialect:
    """Find the dialect of a table by its first lines.

    Args:
        sample: the first lines, with their ends.
        known: names of expected columns, in lower case. The delimiter that gives most of these names is chosen, then
            the one that divides most lines into as many cells as the header has.
    """
    lines = [(number, line.rstrip("\r\n").lstrip("\ufeff")) for number, line in enumerate(sample, 1)]
    filled = [(number, line) for number, line in lines if line.strip()]
    named = SEP_LINE.fullmatch(filled[0][1]) if filled else None
    if named:
        filled = filled[1:]
    if not filled:
        return Dialect(named[1] if named else ",", '"', (), len(lines))
    number, first = filled[0]
    rows = [line for _, line in filled[1:]]
    quote = "'" if re.fullmatch(r"'[^']*'(.'[^']*')+", first.strip()) else '"'
    delimiter = named[1] if named else _best_delimiter(first, rows, quote, known)
    header = split_line(first, delimiter, quote)
    while len(header) > 1 and not header[-1].strip():
        header.pop()
    names = tuple(name.strip() for name in header)
    return Dialect(delimiter, quote, names, number, _has_row_names(names, rows, delimiter, quote))


def split_line(line: str, delimiter: str, quote: str) -> list[str]:
    """Return the cells of one line, by the rules for quotes where they hold, else without quotes."""
    if quote not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, quotechar=quote, strict=True, skipinitialspace=True))
    except (csv.Error, StopIteration):
        return line.split(delimiter)


def _best_delimiter(header: str, rows: Sequence[str], quote: str, known: Collection[str]) -> str:
    def score(delimiter: str) -> tuple[int, float, int]:
        cells = split_line(header, delimiter, quote)
        found = sum(cell.strip().casefold() in known for cell in cells)
        fits = sum(len(split_line(row, delimiter, quote)) == len(cells) for row in rows)
        return found, fits / max(len(rows), 1), len(cells)

    present = [delimiter for delimiter in DELIMITERS if len(split_line(header, delimiter, quote)) > 1]
    return max(present, key=score, default=ONE_COLUMN)


def _has_row_names(names: Sequence[str], rows: Sequence[str], delimiter: str, quote: str) -> bool:
    """Whether nearly all rows have one cell more than the header, and that cell is filled."""
    cells = [split_line(row, delimiter, quote) for row in rows]
    longer = sum(len(row) == len(names) + 1 and bool(row[-1].strip()) for row in cells)
    return bool(cells) and delimiter != ONE_COLUMN and longer >= MIN_SHARE * len(cells)


class Profile:
    """The form of each column's values, to distinguish a row from a line inside a quoted text.

    Args:
        rows: cells of some rows, all of one length.
    """

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self.width = len(rows[0]) if rows else 0
        self.tests = [_test([row[column].strip() for row in rows]) for column in range(self.width)]

    def is_row(self, cells: Sequence[str]) -> bool:
        """Return True if cells look like a row: the values have the usual form in each column that has one."""
        if len(cells) != self.width:
            return False
        return all(test is None or test(cell.strip()) for test, cell in zip(self.tests, cells, strict=True))

    @property
    def is_telling(self) -> bool:
        """Return True if the values of any column have a recognisable form."""
        return any(test is not None for test in self.tests)


def _test(values: Sequence[str]):
    """A test for the values of a column, or None if they have no form of their own."""
    if all(NUMBER.fullmatch(value) for value in values):
        return NUMBER.fullmatch
    if all(IMAGE_NAME.fullmatch(value) for value in values):
        return IMAGE_NAME.fullmatch
    counts = Counter(values)
    return counts.__contains__ if len(counts) <= min(MAX_VALUES, len(values) / 2) else None
