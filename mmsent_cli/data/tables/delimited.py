"""Rows of a delimited text table (`.csv`, `.tsv`, `.txt`), one record at a time.

Quotes are read by the rules of csv. If a text merely begins with a quote, these rules join all rows up to the next
quote. Such a record is read again as a single line, in which the quote is a character.
"""

import csv
import sys
from collections.abc import Iterator
from itertools import islice

from mmsent_cli.data.tables.dialect import ONE_COLUMN, Dialect, Profile
from mmsent_cli.data.tables.encoding import TextFile
from mmsent_cli.data.tables.table import Record, Report

SHOWN_CHARACTERS = 60
MAX_LINES = 2000
"""A quote that is not closed within this many lines is a character of its text."""
PROFILE_LINES = 200
RULES = ({}, {"escapechar": "\\", "doublequote": False}, {"skipinitialspace": True})
"""Ways to write quotes, in the order in which they are tried: twice, after a backslash, after a space."""
STRAY_QUOTE = "a quote that is not closed is read as a character"
NUL = "NUL characters are left out"


def delimited_records(file: TextFile, dialect: Dialect, report: Report) -> Iterator[Record]:
    """Read all rows below the header, including blank rows.

    Args:
        file: the file, whose encoding is known.
        dialect: the result of `find_dialect`.
        report: receives rows with too few or too many cells, and quotes that are read as characters.
    """
    csv.field_size_limit(sys.maxsize)
    reader = _Reader(file, dialect, report)
    return reader.records()


class _Lines:
    """Lines that are counted, and that can be put back."""

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
        """Give lines back, the first one to come first."""
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
        """Yield every row whose number of cells is right."""
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
        """The cells of the record that begins with a line."""
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
        """One record by the csv module, or None where the lines break its rules."""
        dialect = {"delimiter": self.dialect.delimiter, "quotechar": self.dialect.quote, **rules}
        try:
            return next(csv.reader(lines, **dialect), None)
        except csv.Error:
            return None

    def _following(self, taken: list[str]) -> Iterator[str]:
        """The first line of `taken`, then the next lines, which are added to it."""
        yield taken[0]
        for line in islice(self.lines, MAX_LINES):
            taken.append(line)
            yield line

    def _fits(self, cells: list[str]) -> bool:
        return len(cells) == self.width or (len(cells) > self.width and not any(map(str.strip, cells[self.width :])))

    def _swallows(self, taken: list[str]) -> bool:
        """Whether a quoted text of several lines holds what looks like rows of the table.

        The last line ends with the record's other cells, so it is looked at only where the first line is a row by
        itself.
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
            return f"{where}: a quote opens here and is not closed, or swallows the next rows"
        names = ",".join(self.dialect.header)[:SHOWN_CHARACTERS]
        return f"{where}: {len(cells)} columns instead of {self.width} ({names})"
