"""Rows of an `.xlsx` workbook: its first sheet with content."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from mmsent_cli.data.tables.table import Record, Report
from mmsent_cli.errors import DataError


def excel_columns(path: Path) -> tuple[list[str], str, int]:
    """The names in the first row with content, the sheet's name, and that row's number.

    Raises:
        DataError: not a workbook, or openpyxl is not installed.
    """
    workbook = _open(path)
    try:
        for sheet in workbook.worksheets:
            for number, row in enumerate(_rows(sheet), 1):
                names = ["" if cell is None else str(cell).strip() for cell in row]
                while names and not names[-1]:
                    names.pop()
                if names:
                    return names, sheet.title, number
    finally:
        workbook.close()
    return [], "", 0


def excel_records(path: Path, columns: list[str], sheet: str, header: int, report: Report) -> Iterator[Record]:
    """All rows below the header."""
    workbook = _open(path)
    try:
        for number, row in enumerate(_rows(workbook[sheet]), 1):
            if number <= header:
                continue
            cells = list(row)
            where = f"{path.name}:{number}"
            if any(cell is not None for cell in cells[len(columns) :]):
                report.problems.append(f"{where}: {len(cells)} columns instead of {len(columns)}")
            else:
                yield Record(where, [*cells, *[None] * (len(columns) - len(cells))][: len(columns)])
    finally:
        workbook.close()


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The values of each row; the size that some programs write into a sheet is often wrong, and left out."""
    sheet.reset_dimensions()
    return sheet.iter_rows(values_only=True)


def _open(path: Path) -> Any:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise DataError(
            f"{path} needs the package openpyxl", "pip install 'mmsent[excel]', or save the sheet as .csv"
        ) from error
    try:
        return load_workbook(BytesIO(path.read_bytes()), read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is not an Excel workbook: {error}", "save it again as .xlsx, or as .csv") from error
