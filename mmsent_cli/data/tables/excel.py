"""Rows of an `.xlsx` workbook: its first sheet with content."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from mmsent_cli.data.tables.table import Record, Report
from mmsent_cli.errors import DataError

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
)
"""What openpyxl raises for damaged content, on opening or at a row; errors of XML are SyntaxErrors."""


def excel_columns(path: Path) -> tuple[list[str], str, int]:
    """Return the names in the first row with content, the sheet's name, and that row's number.

    Raises:
        DataError: not a workbook, or openpyxl is not installed.
    """
    with _opened(path) as workbook:
        for sheet in workbook.worksheets:
            for number, row in enumerate(_rows(sheet), 1):
                names = ["" if cell is None else str(cell).strip() for cell in row]
                while names and not names[-1]:
                    names.pop()
                if names:
                    return names, sheet.title, number
    return [], "", 0


def excel_records(path: Path, columns: list[str], sheet: str, header: int, report: Report) -> Iterator[Record]:
    """Yield all rows below the header."""
    with _opened(path) as workbook:
        for number, row in enumerate(_rows(workbook[sheet]), 1):
            if number <= header:
                continue
            cells = list(row)
            where = f"{path.name}:{number}"
            if any(cell is not None for cell in cells[len(columns) :]):
                report.problems.append(f"{where}: {len(cells)} columns instead of {len(columns)}")
            else:
                yield Record(where, [*cells, *[None] * (len(columns) - len(cells))][: len(columns)])


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The values of each row; the size that some programs write into a sheet is often wrong, and left out."""
    sheet.reset_dimensions()
    return sheet.iter_rows(values_only=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A workbook, closed at the end of the block.

    Raises:
        DataError: not a workbook, or a damaged one, or openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise DataError(
            f"{path} needs the package openpyxl", "pip install '.[excel]', or save the sheet as .csv"
        ) from error
    try:
        workbook = load_workbook(BytesIO(path.read_bytes()), read_only=True, data_only=True)
        try:
            yield workbook
        finally:
            workbook.close()
    except (InvalidFileException, *BROKEN) as error:
        raise DataError(f"{path} is not an Excel workbook: {error}", "save it again as .xlsx, or as .csv") from error
