"""Rows of a `.parquet` file, and of the other files of its data set where it is one of several (`…-00000-of-00003`)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmsent_cli.data.tables.table import Record, Report
from mmsent_cli.errors import DataError

BATCH_ROWS = 64
"""Few, since a row may hold an image."""
SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})")


def parquet_columns(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the columns, and the names of the classes where the file has them, as Hugging Face writes
    them.

    Raises:
        DataError: not a parquet file, or pyarrow is not installed.
    """
    _, schema = _open(path)
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = metadata.get("info", {}).get("features", {}).values()
        names = [value["names"] for value in features if isinstance(value, dict) and value.get("names")]
    except (ValueError, AttributeError):  # whatever else writes into this field is no list of classes
        names = []
    return list(schema.names), tuple(map(str, names[0])) if len(names) == 1 and isinstance(names[0], list) else ()


def parquet_records(path: Path, columns: list[str], report: Report) -> Iterator[Record]:
    """Yield all rows, in the order of the files."""
    for file in shards(path):
        number = 0
        for batch in _batches(file):
            cells = [batch.column(place).to_pylist() for place in range(len(columns))]
            for row in zip(*cells, strict=True):
                number += 1
                yield Record(f"{file.name}:{number}", list(row))


def shards(path: Path) -> list[Path]:
    """Return all files of a data set that is divided into several, in order; the file itself for any other."""
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
        raise DataError(f"{path} is damaged:  {error}", "write it again, or copy it again") from error


def _open(path: Path) -> tuple[Any, Any]:
    """The file and its schema."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError(f"{path} needs the package pyarrow", "pip install '.[parquet]'") from error
    try:
        file = ParquetFile(path)
        return file, file.schema_arrow
    except ArrowException as error:
        raise DataError(f"{path} is not a parquet file: {error}", "write it again, or use .csv or .jsonl") from error
