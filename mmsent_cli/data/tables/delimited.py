"""Rows of a delimited text table (`.csv`, `.tsv`, `.txt`), one record at a time.

Quotes are read by the rules of csv. If a text begins with a quote that is not closed, these rules join all rows up to
the next quote. Such a record is read again as a single line, in which the quote is an ordinary character.
"""

import csv
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from mmsent_cli.data.tables.encoding import TextFile
from mmsent_cli.data.tables.table import Record, Report
from mmsent_cli.errors import counted

DELIMITERS = (",", ";", "\t", "|")
ONE_COLUMN = "\x1f"
"""Replaces the delimiter in a table with one column."""
NAMES = {"\t": "tabs", ONE_COLUMN: "one column"}
SEP_LINE = re.compile(r'\s*"?sep=(.)"? *', re.IGNORECASE)
"""A first line with the separator, as Excel writes it."""
IMAGE_NAME = re.compile(r".*\.[A-Za-z0-9]{2,5}")
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
MAX_VALUES = 50
MIN_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Dialect:
    """The format of a table.

    Attributes:
        delimiter: the character between two cells.
        quote: the character around a cell that contains a delimiter or a line end.
        header: the names of the columns.
        first_line: number of lines up to and including the header.
        has_row_names: True if rows have one cell more than the header, as in R's files. The first column has no name.
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
    """Find the format of a table from its first lines.

    Args:
        sample: the first lines, with their ends.
        known: names of expected columns, in lower case. The delimiter that gives most of these names is chosen. If
            several delimiters give equally many names, that one is chosen with which most lines have as many cells as
            the header.
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
    """Return the cells of one line. If the line breaks the rules for quotes, quotes are read as characters."""
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
    """Return True if nearly all rows have one cell more than the header, and their last cell is filled."""
    cells = [split_line(row, delimiter, quote) for row in rows]
    longer = sum(len(row) == len(names) + 1 and bool(row[-1].strip()) for row in cells)
    return bool(cells) and delimiter != ONE_COLUMN and longer >= MIN_SHARE * len(cells)


class Profile:
    """The usual form of the values in each column. It distinguishes a row from a line inside a quoted text.

    Args:
        rows: cells of some rows, all of the same length.
    """

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self.width = len(rows[0]) if rows else 0
        self.tests = [_test([row[column].strip() for row in rows]) for column in range(self.width)]

    def is_row(self, cells: Sequence[str]) -> bool:
        """Return True if each value has the usual form of its column. Columns without a usual form are not tested."""
        if len(cells) != self.width:
            return False
        return all(test is None or test(cell.strip()) for test, cell in zip(self.tests, cells, strict=True))

    @property
    def is_telling(self) -> bool:
        """Return True if at least one column has values of a recognisable form, such as numbers."""
        return any(test is not None for test in self.tests)


def _test(values: Sequence[str]):
    """Return a function that tests the values of a column; None if the values have no recognisable form."""
    if all(NUMBER.fullmatch(value) for value in values):
        return NUMBER.fullmatch
    if all(IMAGE_NAME.fullmatch(value) for value in values):
        return IMAGE_NAME.fullmatch
    counts = Counter(values)
    return counts.__contains__ if len(counts) <= min(MAX_VALUES, len(values) / 2) else None


SHOWN_CHARACTERS = 60
MAX_LINES = 2000
"""A quote that is not closed within this number of lines is read as a character."""
PROFILE_LINES = 200
RULES = ({}, {"escapechar": "\\", "doublequote": False}, {"skipinitialspace": True})
"""Ways to escape quotes, in the order in which they are tried: doubled, after a backslash, after a space."""
STRAY_QUOTE = "a quote that is not closed is read as a character"
NUL = "NUL characters are left out"


def delimited_records(file: TextFile, dialect: Dialect, report: Report) -> Iterator[Record]:
    """Read all rows below the header, including blank rows.

    Args:
        file: the file, whose encoding is known.
        dialect: the result of `find_dialect`.
        report: receives rows with too few or too many cells, and notes on quotes that are read as characters.
    """
    csv.field_size_limit(sys.maxsize)
    reader = _Reader(file, dialect, report)
    return reader.records()


class _Lines:
    """An iterator over numbered lines, to which lines can be returned."""

    def __init__(self, lines: Iterator[str], skipped: int) -> None:
        self._lines = islice(lines, skipped, None)
        self._back: list[str] = []
        self.number = skipped

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.pop() if self._back else next(self._lines)
        self.number += 1
        return line

    def put_back(self, lines: list[str]) -> None:
        """Return lines to the iterator. It yields them again, in the same order."""
        self._back.extend(reversed(lines))
        self.number -= len(lines)


class _Reader:
    """Reads one table from top to bottom."""

    def __init__(self, file: TextFile, dialect: Dialect, report: Report) -> None:
        self.name = file.path.name
        self.dialect = dialect
        self.report = report
        self.width = len(dialect.header) + dialect.has_row_names
        self.lines = _Lines(file.lines(), dialect.first_line)
        self.profile = self._profile(file)

    def records(self) -> Iterator[Record]:
        """Yield every row that has the right number of cells or is blank."""
        for line in self.lines:
            number = self.lines.number
            where = f"{self.name}:{number}"
            cells = self._cells(line, where)
            if "\0" in line:
                cells = [cell.replace("\0", "") for cell in cells]
                self.report.remark(NUL, where)
            if len(cells) > self.width and not any(cell.strip() for cell in cells[self.width :]):
                cells = cells[: self.width]
            record = Record(where, cells)
            if record.is_blank or len(cells) == self.width:
                yield record
            else:
                self.report.problems.append(self._problem(line, cells, where))

    def _cells(self, first: str, where: str) -> list[str]:
        """Return the cells of the record whose first line is `first`."""
        delimiter, quote = self.dialect.delimiter, self.dialect.quote
        if quote not in first:
            return first.rstrip("\r\n").split(delimiter)
        for rules in RULES:
            if "escapechar" in rules and '\\"' not in first:
                continue
            taken = [first]
            cells = self._parse(self._following(taken), strict=True, **rules)
            if cells is not None and self._fits(cells) and not self._swallows(taken):
                return cells
            self.lines.put_back(taken[1:])
        plain = first.rstrip("\r\n").split(delimiter)
        if self._fits(plain):
            self.report.remark(STRAY_QUOTE, where)
            return plain
        return self._parse(iter([first])) or plain

    def _parse(self, lines: Iterator[str], **rules) -> list[str] | None:
        """Parse one record by the csv module. Return None if the lines break the rules of this module."""
        dialect = {"delimiter": self.dialect.delimiter, "quotechar": self.dialect.quote, **rules}
        try:
            return next(csv.reader(lines, **dialect), None)
        except csv.Error:
            return None

    def _following(self, taken: list[str]) -> Iterator[str]:
        """Yield the first line of `taken`, then the next lines, which are added to `taken`."""
        yield taken[0]
        for line in islice(self.lines, MAX_LINES):
            taken.append(line)
            yield line

    def _fits(self, cells: list[str]) -> bool:
        return len(cells) == self.width or (len(cells) > self.width and not any(map(str.strip, cells[self.width :])))

    def _swallows(self, taken: list[str]) -> bool:
        """Return True if a quoted text of several lines seems to contain rows of the table.

        Even in a correct record, the last line may look like a row, since it also contains the record's other cells.
        So the last line is tested only if the first line is a complete row.
        """
        delimiter = self.dialect.delimiter
        if len(taken) < 2 or delimiter == ONE_COLUMN or not (self.profile.is_telling or delimiter == "\t"):
            return False
        first, *inner, last = (line.rstrip("\r\n").split(delimiter) for line in taken)
        suspects = [*inner, last] if self._fits(first) else inner
        return any(self.profile.is_row(cells) for cells in suspects)

    def _profile(self, file: TextFile) -> Profile:
        lines = islice(file.lines(), self.dialect.first_line, self.dialect.first_line + PROFILE_LINES)
        rows = [line.rstrip("\r\n").split(self.dialect.delimiter) for line in lines]
        return Profile([row for row in rows if len(row) == self.width])

    def _problem(self, line: str, cells: list[str], where: str) -> str:
        quote = self.dialect.quote
        opened = (cell.lstrip() for cell in line.split(self.dialect.delimiter))
        if len(cells) != self.width and any(cell.startswith(quote) and cell.count(quote) % 2 for cell in opened):
            return f"{where}: a quotation mark opens here, and is not closed in this row"
        names = ",".join(self.dialect.header)[:SHOWN_CHARACTERS]
        return f"{where}: the row has {counted(len(cells), 'column')} instead of {self.width} ({names})"
