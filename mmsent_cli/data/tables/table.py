"""The result of every table reader: a table, and a report that counts each row as used, skipped or refused."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.errors import counted

BLANK = "blank"


class Record(NamedTuple):
    """A row of a table: its position, such as `pairs.csv:17`, and its cells in the order of the columns."""

    where: str
    cells: list[Any]

    @property
    def is_blank(self) -> bool:
        """True if no cell has content."""
        return not any(cell is not None and (not isinstance(cell, str) or cell.strip()) for cell in self.cells)


@dataclass(slots=True)
class Report:
    """The numbers of rows that are used, skipped and refused, with the reasons.

    Attributes:
        title: name and format of the file.
        problems: one line for each row that is refused.
        left_out: one line for each row that cannot be read and is left out (`--on-bad drop` or `blank`).
        refused: the number of pairs whose files cannot be used.
        read: the number of rows that were converted to pairs.
        skipped: the numbers of valid rows that are left out, by reason.
        remarks: notes on values that were corrected, with their positions.
        said: other notes on how the source was read.
    """

    title: str = ""
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    refused: int = 0
    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add the counts of another source."""
        self.problems += other.problems
        self.left_out += other.left_out
        self.refused += other.refused
        self.read += other.read
        self.skipped.update(other.skipped)
        self.said += [line for line in other.said if line not in self.said]
        for what, places in other.remarks.items():
            self.remarks.setdefault(what, []).extend(places)

    def leave_out(self, on_bad: str) -> None:
        """Move unreadable rows from `problems` to `left_out`, unless the policy `on_bad` is to stop the command."""
        if on_bad != "stop":
            self.left_out += self.problems
            self.problems = []

    def remark(self, what: str, where: str) -> None:
        """Record a remark on a row."""
        self.remarks.setdefault(what, []).append(where)

    def numbers(self) -> dict[str, int]:
        """Return the numbers of rows that were read, used, skipped and refused."""
        refused = len(self.problems) + len(self.left_out) + self.refused
        parts = {"used": self.read, "skipped": self.skipped.total(), "refused": refused}
        return {"read": sum(parts.values()), **parts}

    def bad_rows(self) -> str:
        """Describe how many rows were read and refused, for errors before the files of the rows are checked."""
        numbers = self.numbers()
        verb = "has an error" if numbers["refused"] == 1 else "have errors"
        return f"{numbers['refused']:,} of {counted(numbers['read'], 'row')} {verb}"

    def counts(self) -> str:
        """Describe how many rows were read, used, skipped and refused."""
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.items())
        skipped = f"{self.skipped.total():,} skipped{f' ({reasons})' if reasons else ''}"
        numbers = self.numbers()
        return f"{counted(numbers['read'], 'row')}: {self.read:,} used, {skipped}, {numbers['refused']:,} with errors"

    def notes(self, name: str) -> list[str]:
        """Return the counts, the notes on how the source was read, and each remark with its number of rows.

        A remark also names the first of these rows.

        Args:
            name: name of the source if the report has no title.
        """
        remarks = [f"{counted(len(places), 'row')} ({_first(places)}): {what}" for what, places in self.remarks.items()]
        return [f"{self.title or name}: {self.counts()}", *self.said, *remarks]


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose columns are known and whose rows are not yet read.

    Attributes:
        path: the file.
        columns: the column names in order. A name may occur twice.
        form: the format of the file in words, such as "columns separated by ';', utf-16".
        decision: how the texts of the file are decoded.
        records: a function that reads all rows in order. Rows that cannot be read are described in the report.
        class_names: the names of the classes 0, 1, …, if the file has them.
        notes: notes for the user.
        home: the folder for relative image paths; None means the folder of the file.
    """

    path: Path
    columns: tuple[str, ...]
    form: str
    decision: EncodingDecision
    records: Callable[[Report], Iterator[Record]]
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    home: Path | None = None


def _first(places: list[str]) -> str:
    return places[0] if len(places) == 1 else f"such as {places[0]}"
