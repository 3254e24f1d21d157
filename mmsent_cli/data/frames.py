"""Read pairs from a DataFrame. Each row is a pair. An image is a path, a PIL image or the bytes of an image file.

The columns have the same names as in a table. The guid column is optional. Without it, the guids are the
index labels, or the row numbers if index labels repeat.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mmsent_cli.config import DataConfig
from mmsent_cli.data.fields import FIELDS, Columns, column_named
from mmsent_cli.data.manifests import plain, unique_row
from mmsent_cli.data.pairs import Pair, PairRow
from mmsent_cli.data.tables import Report
from mmsent_cli.errors import DataError, listed

if TYPE_CHECKING:
    from pandas import DataFrame

NAME = "DataFrame"
"""Messages show this name where they show the file name of other sources."""


def columns_of(frame: "DataFrame") -> list[str]:
    """Return the names of the columns of a DataFrame."""
    return [*map(str, frame.columns)]


def frame_of(pairs: Iterable[Pair], config: DataConfig) -> "DataFrame":
    """Convert pairs to a DataFrame with the column names in `config`."""
    import pandas as pd

    names = ("guid", "text", "image", "tag")
    rows = [[getattr(pair, name) for name in names] for pair in pairs]
    return pd.DataFrame(rows, columns=[getattr(config, f"{name}_column") for name in names], dtype=object)


def read_rows(frame: "DataFrame", columns: Columns, config: DataConfig, report: Report) -> Iterator[PairRow]:
    """Read the rows of a DataFrame, with and without label. Rows that cannot be used are described in the report."""
    seen: dict[str, str] = {}
    places = {name: getattr(columns, name) for name in FIELDS}
    cells_of = {name: cells(frame, place) for name, place in places.items()}
    cells_of["guid"] = _index(frame) if columns.guid is None else cells_of["guid"]
    for number, values in enumerate(zip(*cells_of.values(), strict=True), 1):
        where = f"{NAME}:{number}"
        row = unique_row(dict(zip(cells_of, values, strict=True)), where, config, report, seen)
        if row is not None:
            yield row


def place_of(row: PairRow) -> int:
    """Return the number of a row in its DataFrame, from 0."""
    return int(row.where.rpartition(":")[2]) - 1


def raw_texts(frame: "DataFrame", config: DataConfig) -> tuple[list[tuple[str, bytes]], bool]:
    """Return the name `DataFrame:row` and the bytes of each text, for `inspect_encoding`. Cells may be bytes or text.

    Returns:
        The texts, and True if all cells are decoded texts and no cell is bytes.

    Raises:
        DataError: the column does not exist, or a cell is neither text nor bytes.
    """
    place = column_named(NAME, columns_of(frame), config.text_column, "text_column")
    if place is None:
        columns = listed(columns_of(frame))
        raise DataError(
            f"the DataFrame has no column {config.text_column!r}; its columns are {columns}",
            "set text_column to the name of the column with the texts",
        )
    filled = {f"{NAME}:{row}": cell for row, cell in enumerate(cells(frame, place), 1) if cell}
    try:
        texts = [(where, cell if isinstance(cell, bytes) else _encoded(cell)) for where, cell in filled.items()]
    except ValueError as error:
        raise DataError(f"the DataFrame cannot be used: {error}", "give texts, or their bytes") from error
    return texts, not any(isinstance(cell, bytes) for cell in filled.values())


def _encoded(cell: Any) -> bytes:
    return plain(cell, "text").encode("utf-8", errors="replace")


def cells(frame: "DataFrame", place: int | None) -> list[Any]:
    """Return the values of the column with the number `place`. Missing values are None."""
    if place is None:
        return [None] * len(frame)
    values = frame.iloc[:, place]
    return [None if is_missing else value for value, is_missing in zip(values.tolist(), values.isna(), strict=True)]


def _index(frame: "DataFrame") -> list[Any]:
    return frame.index.tolist() if frame.index.is_unique else list(range(len(frame)))
