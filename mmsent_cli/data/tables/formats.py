"""Read rows of JSON files, `.xlsx` workbooks and `.parquet` files."""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, cast

from mmsent_cli.data.tables.encoding import TextFile
from mmsent_cli.data.tables.table import Record, Report
from mmsent_cli.errors import DataError, counted, summarize
from mmsent_cli.files import reason

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
"""Exceptions that openpyxl raises for damaged content. Errors of XML are SyntaxErrors."""


def excel_columns(path: Path) -> tuple[list[str], str, int]:
    """Return the column names, the name of the sheet, and the number of the header row.

    The header row is the first row with content.

    Raises:
        DataError: the file is not a workbook, or openpyxl is not installed.
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
    """Yield all rows below the header. The report describes rows with too many cells."""
    with _opened(path) as workbook:
        for number, row in enumerate(_rows(workbook[sheet]), 1):
            if number <= header:
                continue
            cells = list(row)
            where = f"{path.name}:{number}"
            if any(cell is not None for cell in cells[len(columns) :]):
                report.problems.append(
                    f"{where}: the row has {counted(len(cells), 'column')} instead of {len(columns)}"
                )
            else:
                yield Record(where, [*cells, *[None] * (len(columns) - len(cells))][: len(columns)])


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the values of each row. The sheet's recorded size is ignored, since some programs write a wrong size."""
    sheet.reset_dimensions()
    return sheet.iter_rows(values_only=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a workbook, and close it at the end of the block.

    Raises:
        DataError: the file is not a workbook or is damaged, or openpyxl is not installed.
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


BATCH_ROWS = 64
"""Number of rows in memory at a time. The number is small, since a row may contain an image."""
SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})")


def parquet_columns(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the column names, and the names of the classes if the file has them in Hugging Face's format.

    Raises:
        DataError: the file is not a parquet file, or pyarrow is not installed.
    """
    _, schema = _open(path)
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = metadata.get("info", {}).get("features", {}).values()
        names = [value["names"] for value in features if isinstance(value, dict) and value.get("names")]
    except (ValueError, AttributeError):  # another program wrote something else into this field
        names = []
    return list(schema.names), tuple(map(str, names[0])) if len(names) == 1 and isinstance(names[0], list) else ()


def parquet_records(path: Path, columns: list[str], report: Report) -> Iterator[Record]:
    """Yield all rows, in the order of the files."""
    for file in shards(path):
        yield from parquet_rows(file, len(columns))


def parquet_rows(file: Path, columns: int) -> Iterator[Record]:
    """Yield the rows of a single file, which has this number of columns.

    Raises:
        DataError: the file is not a parquet file or is damaged, or pyarrow is not installed.
    """
    number = 0
    for batch in _batches(file):
        cells = [batch.column(place).to_pylist() for place in range(columns)]
        for row in zip(*cells, strict=True):
            number += 1
            yield Record(f"{file.name}:{number}", list(row))


def shards(path: Path) -> list[Path]:
    """Return all files of a data set that is divided into several files, in order.

    For any other file, return only this file.
    """
    named = SHARD.fullmatch(path.stem)
    if named is None:
        return [path]
    return sorted(path.parent.glob(f"{_literal(named['name'])}-?????-of-{named['count']}{path.suffix}"))


def _literal(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _batches(path: Path) -> Iterator[Any]:
    from pyarrow import ArrowException

    try:
        file, _ = _open(path)
        yield from file.iter_batches(batch_size=BATCH_ROWS)
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged: {error}", "write it again, or copy it again") from error


def _open(path: Path) -> tuple[Any, Any]:
    """Open a parquet file. Return the open file, and its schema (names and types of the columns)."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError(f"{path} needs the package pyarrow", "pip install '.[parquet]'") from error
    try:
        file = ParquetFile(path)
        return file, file.schema_arrow
    except (OSError, ArrowException) as error:  # for damaged bytes, pyarrow raises either; then there is no errno
        if isinstance(error, OSError) and error.errno:
            raise DataError(f"cannot read {path}: {reason(error)}", "check that you may read this file") from error
        what = " ".join(str(error).split())  # it may have several lines
        raise DataError(f"{path} is not a parquet file: {what}", "write it again, or use .csv or .jsonl") from error


HINT = "write an array of objects, or one object per line"
LINES_SUFFIXES = (".jsonl", ".ndjson")
BETWEEN = re.compile(r"[,\s]*")
KEY = "id"
"""Name of the column for the keys of a JSON object whose values are the rows."""


def json_columns(file: TextFile) -> list[str]:
    """Return the keys of all objects, in the order in which they first occur.

    Raises:
        DataError: the file is not JSON, or each entry has an error.
    """
    found: dict[str, None] = {}
    report = Report()
    for _, values in _objects(file, report):
        found.update(dict.fromkeys(values))
    if report.problems and not found:
        raise DataError(summarize(report.problems), HINT)
    return list(found)


def json_records(file: TextFile, columns: list[str], report: Report) -> Iterator[Record]:
    """Yield every object as a row. The report describes lines that are not objects."""
    for where, values in _objects(file, report):
        yield Record(where, [values.get(column) for column in columns])


def _objects(file: TextFile, report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object with its place, `file:line` or `file[number]`. An empty line is a blank row."""
    rows = None if _is_by_line(file) else _whole_rows(file)
    if rows is None:
        yield from _by_line(file, report)
        return
    for number, row in enumerate(rows, 1):
        where = f"{file.path.name}[{number}]"
        if isinstance(row, dict):
            yield where, row
        else:
            report.problems.append(f"{where}: the entry is not a JSON object")


def _is_by_line(file: TextFile) -> bool:
    """Return True for JSON lines: of the first two lines with content, one is an object and the first is not `[`."""
    filled = _first_lines(file)
    return len(filled) > 1 and filled[0] != "[" and any(isinstance(_value(line), dict) for line in filled)


def _first_lines(file: TextFile) -> list[str]:
    return [line.strip("\ufeff\0 \t\r\n") for line in islice(filter(str.strip, file.lines()), 2)]


def _whole_rows(file: TextFile) -> list[Any] | None:
    """Return the rows of a file that is one JSON value. Return None for JSON lines whose first two lines have errors.

    Raises:
        DataError: the file is not JSON.
    """
    try:
        value = _whole(file)
    except DataError:
        if file.path.suffix.lower() in LINES_SUFFIXES and all(line.startswith("{") for line in _first_lines(file)):
            return None
        raise
    return _rows_of(value, file.path.name)


def _value(line: str) -> Any:
    try:
        return _loads(line)
    except (ValueError, RecursionError):
        return None


def _by_line(file: TextFile, report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(file.lines(), 1):
        where = f"{file.path.name}:{number}"
        if not line.strip("\ufeff\0 \t\r\n"):
            yield where, {}
            continue
        try:
            values = _loads(line)
        except (ValueError, RecursionError) as error:
            why = "it is nested too deeply" if isinstance(error, RecursionError) else error
            report.problems.append(f"{where}: the line is not a JSON object ({why})")
            continue
        if isinstance(values, dict):
            yield where, values
        else:
            report.problems.append(f"{where}: the line is not a JSON object")


def _whole(file: TextFile) -> Any:
    """Return the single JSON value of a file, or a list of its consecutive values."""
    text = "".join(file.lines()).strip("\ufeff\0 \t\r\n")
    decoder, values, start = json.JSONDecoder(object_pairs_hook=_unique), [], 0
    try:
        while start < len(text):
            value, end = decoder.raw_decode(text, start)
            values.append(value)
            start = cast(re.Match[str], BETWEEN.match(text, end)).end()
    except json.JSONDecodeError as error:
        raise DataError(f"{file.path}:{error.lineno}: the line is not JSON: {error.msg}", HINT) from error
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise DataError(f"{file.path} cannot be read as JSON: {why}", HINT) from error
    return values[0] if len(values) == 1 else values


def _rows_of(value: Any, name: str) -> list[Any]:
    """Return the rows in a JSON value.

    The value is an array of rows, an object with one array of rows, or an object of columns or rows, as pandas writes.
    Any other object is a single row.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise DataError(f"{name} contains a single value of the type {type(value).__name__}, not rows", HINT)
    lists = [each for each in value.values() if isinstance(each, list) and all(isinstance(row, dict) for row in each)]
    if len(lists) == 1 and lists[0]:
        return lists[0]
    parts = list(value.values())
    if parts and all(isinstance(part, dict) for part in parts):
        is_columns = not any(isinstance(cell, dict) for cell in parts[0].values()) and _share_keys(parts)
        if is_columns and all(key.isdecimal() for key in parts[0]):
            return [{name: part.get(key) for name, part in value.items()} for key in parts[0]]
        return [{KEY: key, **part} for key, part in value.items()]
    if parts and all(isinstance(part, list) for part in parts) and len({len(part) for part in parts}) == 1:
        return [dict(zip(value, cells, strict=True)) for cells in zip(*parts, strict=True)]
    return [value]


def _share_keys(parts: list[dict[str, Any]]) -> bool:
    return all(part.keys() == parts[0].keys() for part in parts)


def _loads(text: str) -> Any:
    return json.loads(text.strip("\ufeff\0"), object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object from key-value pairs.

    Raises:
        ValueError: a key occurs twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two values are called {twice!r}")
    return values
