"""Read manifests: tables with one row per pair, and the text in a column."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from mmsent_cli.config import DataConfig
from mmsent_cli.data.fields import FIELDS, Columns
from mmsent_cli.data.lab import with_target
from mmsent_cli.data.pairs import ImageSource, PairRow, guid_problem
from mmsent_cli.data.tables import Report, Table
from mmsent_cli.data.tables.table import BLANK
from mmsent_cli.data.tags import NO_VALUE, is_remarkable, tag_or_none

SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair. JSON may contain it after an emoji was cut, but no encoding can express it."""
FORMULA = re.compile(r'="(.*)"', re.DOTALL)
"""A text that was written as a formula, so that Excel does not read it as a number."""
ADDRESS_START = re.compile(r"(https?|ftp|s3|gs|hdfs|ipfs):/", re.IGNORECASE)
EMBEDDED = re.compile(r"data:image/[^,]*;base64,", re.IGNORECASE)
DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON can contain but no encoding can express, by U+FFFD."""
    return SURROGATE.sub("\ufffd", text)


def read_rows(table: Table, columns: Columns, config: DataConfig, report: Report) -> Iterator[PairRow]:
    """Read a manifest row by row, labelled or not.

    Only one row at a time is in memory. The guids of all earlier rows are kept, to check that guids are unique.

    Args:
        table: the result of `open_table`.
        columns: the result of `choose_columns`.
        config: settings of the data. A tag such as "none" is not a missing value if `labels` contains it.
        report: receives the counts of blank rows, and of rows that cannot be used.
    """
    seen: dict[str, str] = {}
    places = {name: getattr(columns, name) for name in FIELDS}
    home = table.home or table.path.parent
    for where, guid, cells in numbered_records(table, columns, report):
        named = {name: None if place is None else cells[place] for name, place in places.items()}
        row = unique_row({**named, "guid": guid}, where, config, report, seen)
        if row is None:
            continue
        if columns.target is not None and row.text is not None:
            row = replace(row, text=with_target(row.text, plain(cells[columns.target], "target")))
        yield replace(row, image=home / row.image) if isinstance(row.image, Path) else row


def numbered_records(table: Table, columns: Columns, report: Report) -> Iterator[tuple[str, Any, list[Any]]]:
    """Yield position, guid and cells of each row that is not blank. Without a guid column, rows are numbered."""
    number = 0
    for where, cells in table.records(report):
        if not any(map(is_filled, cells)):
            report.skipped[BLANK] += 1
            continue
        number += 1
        yield where, number if columns.guid is None else cells[columns.guid], cells


def unique_row(
    cells: dict[str, Any], where: str, config: DataConfig, report: Report, seen: dict[str, str]
) -> PairRow | None:
    """Make a pair's row from cells. An image path is kept as it is written.

    Args:
        cells: the cell of each field.
        where: the place of the row for messages.
        config: settings of the data.
        report: receives a problem if a cell has the wrong type or the guid is repeated. Then None is returned.
        seen: the places of earlier guids; this guid is added.
    """
    try:
        row = _row_of(cells, where, config, report)
    except ValueError as error:
        report.problems.append(f"{where}: {error}")
        return None
    problem = guid_problem(row.guid, where, seen)
    if problem:
        report.problems.append(problem)
    return None if problem else row


def _row_of(cells: dict[str, Any], where: str, config: DataConfig, report: Report) -> PairRow:
    written = name_of(cells["tag"], "tag")
    tag = tag_or_none(written, config.labels)
    text = without_surrogates(plain(cells["text"], "text"))
    image, elsewhere = image_of(cells["image"])
    if tag is None and is_remarkable(written):
        report.remark(f"the tag {written!r} counts as no tag; list it in --labels to make it a class", where)
    return PairRow(
        guid=name_of(cells["guid"], "guid"),
        tag=tag,
        text=text or None,
        text_path=None,
        image=image,
        where=where,
        elsewhere=elsewhere,
    )


def is_filled(cell: Any) -> bool:
    """Return True if a cell has content."""
    return not _is_nothing(cell) and (not isinstance(cell, str) or bool(cell.strip()))


def name_of(value: Any, column: str) -> str:
    """Convert a guid or a tag to text without white space around it.

    Raises:
        ValueError: the value is neither a text nor a number, or has characters that could not be decoded.
    """
    text = without_surrogates(plain(value, column)).replace("\0", "").strip("\ufeff \t\r\n\xa0\u3000")
    if "\ufffd" in text:
        raise ValueError(
            f"the {column} has characters that cannot be decoded: save the table as UTF-8, or give --encoding"
        )
    formula = FORMULA.fullmatch(text)
    return formula[1] if formula else text


def plain(value: Any, column: str) -> str:
    """Convert a cell to text. An empty cell becomes an empty string.

    Raises:
        ValueError: the value is neither a text nor a number.
    """
    if _is_nothing(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with gaps is stored as floats
    if isinstance(value, dict | list | set | tuple | bytes | bytearray | memoryview):
        raise ValueError(f"the {column} has the type {type(value).__name__} and is not text")
    return str(value)


def image_of(value: Any) -> tuple[ImageSource | None, str]:
    """Read an image cell. Return the image (a path, bytes or a PIL image), and an empty string.

    If the cell has a name that is no file on this machine, such as a web address, return None and the name. Hugging
    Face stores images as a dictionary with `bytes` and `path`. A string may hold an image file in base64.

    Raises:
        ValueError: the cell has another type.
    """
    from PIL.Image import Image

    if isinstance(value, dict) and {"bytes", "path"} & set(value):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if isinstance(value, Path | bytes | Image):
        return value, ""
    if isinstance(value, str):
        return _image_named(name_of(value, "image"))
    if _is_nothing(value):
        return None, ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Path(plain(value, "image")), ""  # a number that names a file
    raise ValueError(
        f"the image has the type {type(value).__name__}, and is no path, PIL image or bytes of an image file"
    )


def _image_named(text: str) -> tuple[ImageSource | None, str]:
    if text.lower() in NO_VALUE:
        return None, ""
    if EMBEDDED.match(text):
        try:
            return base64.b64decode(text.split(",", 1)[1]), ""
        except binascii.Error as error:
            raise ValueError(f"the image is not valid base64: {error}") from None
    if text.lower().startswith("file://"):
        text = unquote(urlparse(text).path)
    is_elsewhere = ADDRESS_START.match(text) or DRIVE.match(text)
    return (None, text) if is_elsewhere else (Path(text), "")


def _is_nothing(value: Any) -> bool:
    """Return True for None or NaN. NaN marks an empty cell in parquet."""
    return value is None or (isinstance(value, float) and value != value)
