"""Read pairs from a DataFrame with one row per pair. An image is a path, a PIL image or the bytes of an image file.

The column settings are the same as for table files. The guid column is optional: without it, the index gives the guids,
or the row number if index labels repeat.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsent_cli.config import DataConfig
from mmsent_cli.data.manifests import plain
from mmsent_cli.data.pairs import ImageSource, Pair, PairRow
from mmsent_cli.data.rows import guid_problem, tag_or_none
from mmsent_cli.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame

NAME = "DataFrame"
"""Stands where other sources have a file name."""


def columns_of(frame: "DataFrame", config: DataConfig) -> list[str]:
    """Return the columns of the frame and the guid column, which is optional."""
    return [*map(str, frame.columns), config.guid_column]


def frame_of(pairs: Iterable[Pair], config: DataConfig) -> "DataFrame":
    """Convert pairs to a frame with the columns of `config`."""
    import pandas as pd

    names = ("guid", "text", "image", "tag")
    rows = [[getattr(pair, name) for name in names] for pair in pairs]
    return pd.DataFrame(rows, columns=[getattr(config, f"{name}_column") for name in names], dtype=object)


def read_rows(frame: "DataFrame", config: DataConfig, problems: list[str]) -> Iterator[PairRow]:
    """Read the labelled or the unlabelled rows of a frame. Invalid rows are described in `problems`."""
    seen: dict[str, str] = {}
    names = ("guid", "text", "image", "tag")
    columns = [cells(frame, getattr(config, f"{name}_column")) for name in names]
    columns[0] = columns[0] if config.guid_column in frame.columns else _index(frame)
    for number, values in enumerate(zip(*columns, strict=True), 1):
        where = f"{NAME}:{number}"
        try:
            row = _row(dict(zip(names, values, strict=True)), where)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        problem = guid_problem(row.guid, where, seen)
        if problem:
            problems.append(problem)
        else:
            yield row


def raw_texts(frame: "DataFrame", config: DataConfig) -> tuple[list[tuple[str, bytes]], bool]:
    """Return `DataFrame:row` and the bytes of each text, for `inspect_encoding`; the column may hold bytes.

    Returns:
        The texts, and whether all are decoded already.

    Raises:
        DataError: no such column, or a cell that is neither text nor bytes.
    """
    if config.text_column not in frame.columns:
        columns = ", ".join(map(str, frame.columns))
        raise DataError(f"the DataFrame has no column {config.text_column!r}; it has {columns}", "set text_column")
    filled = {f"{NAME}:{row}": cell for row, cell in enumerate(cells(frame, config.text_column), 1) if cell}
    try:
        texts = [(where, cell if isinstance(cell, bytes) else _encoded(cell)) for where, cell in filled.items()]
    except ValueError as error:
        raise DataError(f"the DataFrame cannot be used: {error}", "give texts, or their bytes") from error
    return texts, not any(isinstance(cell, bytes) for cell in filled.values())


def _encoded(cell: Any) -> bytes:
    return plain(cell, "text").encode("utf-8", errors="replace")


def cells(frame: "DataFrame", column: str) -> list[Any]:
    """Return a column as Python values; missing values are None."""
    if column not in frame.columns:
        return [None] * len(frame)
    values = frame[column]
    return [None if is_missing else value for value, is_missing in zip(values.tolist(), values.isna(), strict=True)]


def _index(frame: "DataFrame") -> list[Any]:
    return frame.index.tolist() if frame.index.is_unique else list(range(len(frame)))


def _row(cells: dict[str, Any], where: str) -> PairRow:
    return PairRow(
        guid=plain(cells["guid"], "guid").strip(),
        tag=tag_or_none(plain(cells["tag"], "tag").strip()),
        text=plain(cells["text"], "text") or None,
        text_path=None,
        image=image_source(cells["image"]),
        where=where,
    )


def image_source(value: Any) -> ImageSource | None:
    """Return the image of a cell: a path, the bytes of an image file or a PIL image; None for an empty cell.

    Raises:
        ValueError: the cell has a value of another type.
    """
    from PIL.Image import Image

    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if isinstance(value, str):
        value = Path(value.strip()) if value.strip() else None
    if value is None or isinstance(value, Path | bytes | Image):
        return value
    raise ValueError(f"image holds a {type(value).__name__}, not a path, a PIL image or the bytes of an image file")
