"""Read pairs from a table file (manifest): a `.csv`, `.jsonl` or `.parquet` file with one row per pair.

A csv or jsonl file is read as UTF-8, and invalid bytes are kept as surrogates (`surrogateescape`). Delimiters and
quotes are ASCII in every candidate encoding, so the columns are found in any encoding. `raw_bytes` restores the bytes
of a text, to decide its encoding. Rejected: pandas.read_csv, which gives no line numbers for messages, stops at the
first row with too many columns, and silently fills rows with too few.
"""

import codecs
import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.config import DataConfig
from mmsent_cli.data.pairs import PairRow
from mmsent_cli.data.rows import guid_problem, tag_or_none
from mmsent_cli.errors import DataError

SUFFIXES = (".csv", ".jsonl", ".parquet")
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
CHUNK_BYTES = 1 << 20
BATCH_ROWS = 1024

HALF_PAIR = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Half a surrogate pair, from an emoji that was cut in JSON. The gap is the range that holds invalid bytes."""
SURROGATE = re.compile("[\ud800-\udfff]")

Record = dict[str, Any]


def read_rows(path: Path, config: DataConfig, problems: list[str]) -> Iterator[PairRow]:
    """Read the labelled or the unlabelled rows of a table file. Invalid rows are described in `problems`.

    One row at a time is in memory, and all guids, to check that they are unique.

    Raises:
        DataError: the file cannot be read.
    """
    seen: dict[str, str] = {}
    for where, record in records(path, problems):
        try:
            row = _row(path, record, where, config)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        problem = guid_problem(row.guid, where, seen)
        if problem:
            problems.append(problem)
        else:
            yield row


def require_columns(path: Path, config: DataConfig, is_labelled: bool) -> None:
    """Check that a table file has the columns of the settings.

    Labelled pairs need all four columns; pairs to predict need the guid, and the text or the image.

    Raises:
        DataError: columns are missing; the error lists those of the file.
    """
    found: dict[str, None] = {}
    for _, record in records(path, []):
        found.update(dict.fromkeys(record))
    if not found:
        raise DataError(f"{path} has no rows", "it needs a header and a row for each pair")
    require_named(str(path), list(found), config, is_labelled)


def require_named(source: str, found: Sequence[str], config: DataConfig, is_labelled: bool) -> None:
    """Check that all columns of the settings are among those found.

    Raises:
        DataError: columns are missing; the error lists those found.
    """
    options = ("guid", "text", "image", "tag") if is_labelled else ("guid", "text", "image")
    missing = [name for name in options if getattr(config, f"{name}_column") not in found]
    if not is_labelled and len({"text", "image"} & set(missing)) == 1:
        missing = [name for name in missing if name == "guid"]
    if missing:
        wanted = ", ".join(f"{getattr(config, f'{name}_column')!r}" for name in missing)
        flags = ", ".join(f"--{name}-column" for name in missing)
        raise DataError(f"{source} has no column {wanted}; it has {', '.join(found)}", f"name the columns with {flags}")


def has_raw_texts(path: Path, config: DataConfig) -> bool:
    """Return True if the file is not UTF-8 and has no byte-order mark, or if the user chose the encoding."""
    if path.suffix.lower() == ".parquet" or _bom_encoding(path):
        return False
    return config.encoding != "auto" or not _is_utf8(path)


def raw_bytes(text: str) -> bytes:
    """Return the bytes of a text as they are in the file."""
    return text.encode("utf-8", "surrogateescape")


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON can contain but no encoding can express, by U+FFFD."""
    return SURROGATE.sub("\ufffd", text)


def records(path: Path, problems: list[str]) -> Iterator[tuple[str, Record]]:
    """`file:line` and cells of each row; rows that cannot be read are described in `problems`."""
    readers = {".csv": _csv_records, ".jsonl": _jsonl_records, ".parquet": _parquet_records}
    try:
        yield from readers[path.suffix.lower()](path, problems)
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"cannot read the manifest {path}: {error}", "check its permissions and its format") from error


def _csv_records(path: Path, problems: list[str]) -> Iterator[tuple[str, Record]]:
    with _open(path, newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
        header = [name.strip() for name in next(reader, [])]
        for values in reader:
            where = f"{path.name}:{reader.line_num}"
            if len(values) == len(header):
                yield where, dict(zip(header, values, strict=True))
            elif values:
                problems.append(f"{where}: {len(values)} columns instead of {len(header)}")


def _jsonl_records(path: Path, problems: list[str]) -> Iterator[tuple[str, Record]]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            where = f"{path.name}:{number}"
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                problems.append(f"{where}: not a JSON object ({error})")
                continue
            if isinstance(record, dict):
                yield where, record
            else:
                problems.append(f"{where}: not a JSON object")


def _parquet_records(path: Path, problems: list[str]) -> Iterator[tuple[str, Record]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError(f"{path} needs the package pyarrow", 'pip install "mmsent[parquet]"') from error
    try:
        batches = ParquetFile(path).iter_batches(batch_size=BATCH_ROWS)
        records = (record for batch in batches for record in batch.to_pylist())
        yield from ((f"{path.name}:{number}", record) for number, record in enumerate(records, 1))
    except ArrowException as error:
        raise DataError(f"{path} is not a parquet file: {error}", "write it again, or use .csv or .jsonl") from error


def _open(path: Path, newline: str | None = None) -> Any:
    return path.open(encoding=_bom_encoding(path) or "utf-8", errors="surrogateescape", newline=newline)


def _bom_encoding(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(4)
    return next((encoding for bom, encoding in BOMS.items() if start.startswith(bom)), None)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _row(path: Path, record: Mapping[str, Any], where: str, config: DataConfig) -> PairRow:
    cells = {name: record.get(getattr(config, f"{name}_column")) for name in ("guid", "text", "image", "tag")}
    guid, tag, image = (_name(cells[name], name, config) for name in ("guid", "tag", "image"))
    return PairRow(
        guid=guid,
        tag=tag_or_none(tag),
        text=HALF_PAIR.sub("\ufffd", plain(cells["text"], "text")) or None,
        text_path=None,
        image=path.parent / image if image else None,
        where=where,
    )


def _name(value: Any, column: str, config: DataConfig) -> str:
    """Return a guid, tag or path as text. These must be UTF-8, since they are read before the encoding is decided.

    Raises:
        ValueError: the value is not UTF-8 or not text.
    """
    text = plain(value, column).strip()
    try:
        return raw_bytes(text).decode("utf-8" if config.encoding == "auto" or text.isascii() else config.encoding)
    except (UnicodeError, LookupError):
        raise ValueError(f"{column} is not UTF-8: save the manifest as UTF-8, or name its --encoding") from None


def plain(value: Any, column: str) -> str:
    """Return a cell as text, empty for a missing value.

    Raises:
        ValueError: the value is neither text nor a number.
    """
    if value is None or value != value:  # NaN, an empty cell in parquet, is unequal to itself
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with gaps is stored as floats
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{column} holds a {type(value).__name__}, not text")
