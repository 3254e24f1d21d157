"""Open a table. The suffix determines the file type, unless the first bytes of the file contradict it."""

from collections.abc import Callable, Collection
from functools import partial
from itertools import islice
from pathlib import Path

from mmsent_cli.charsets.corpus import UTF8
from mmsent_cli.charsets.decide import require_decided
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.data.tables.delimited import Dialect, delimited_records, find_dialect
from mmsent_cli.data.tables.encoding import TextFile, is_text_utf8, open_text
from mmsent_cli.data.tables.formats import (
    excel_columns,
    excel_records,
    json_columns,
    json_records,
    parquet_columns,
    parquet_records,
    shards,
)
from mmsent_cli.data.tables.table import Table
from mmsent_cli.errors import DataError
from mmsent_cli.files import reason, require_plain

SUFFIXES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".xlsx", ".xlsm")
SAMPLE_LINES = 200
CONTENTS = {b"PAR1": "parquet", b"PK\x03\x04": "excel"}
FOREIGN = {
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save it as .xlsx or .csv"),
    b"\x1f\x8b": ("a compressed file", "unpack it first"),
    b"%PDF": ("a PDF document", "give a table, such as a .csv file"),
    b"version https://git-lfs": ("a pointer of Git LFS, not the file itself", "run: git lfs pull"),
}
"""Other kinds of files by their first bytes, with hints."""
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
IGNORED = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
"""Bytes before the first character: byte-order marks, zero bytes of UTF-16, and white space."""
UNICODE = EncodingDecision(UTF8)
"""The decision for tables whose texts are already Unicode."""


def open_table(
    path: Path,
    forced: str = "auto",
    decision: EncodingDecision | None = None,
    known: Collection[str] = (),
) -> Table:
    """Open a table and find its columns. `Table.records` then reads the rows.

    Args:
        path: a file with one of `SUFFIXES`, or a list file of a folder.
        forced: `auto`, or the encoding that the user chose.
        decision: the encoding of texts that are not UTF-8; None finds the encoding from the content of the file.
        known: names of expected columns, in lower case, which help to find the delimiter.

    Raises:
        DataError: the file cannot be read, or is not a table.
    """
    readers: dict[str, Callable[[], Table]] = {
        "parquet": lambda: _parquet(path),
        "excel": lambda: _excel(path),
        "json": lambda: _json(open_text(path, forced, decision)),
        "text": lambda: _delimited(open_text(path, forced, decision), known),
    }
    try:
        require_plain(path)
        return readers[_kind(path)]()
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}", "check its permissions and its format") from error


def table_decision(path: Path, forced: str = "auto") -> EncodingDecision:
    """Decide how the texts of a table are decoded.

    Raises:
        UndecidedEncoding: the file is not UTF-8, and is too short to find another encoding.
        DataError: the file cannot be read.
    """
    try:
        if _kind(path) != "text" and not _is_json(path):
            return UNICODE
        decision = open_text(path, forced).decision
        return UNICODE if _is_json(path) and decision.encoding == "ascii" else require_decided(decision)
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}", "check its permissions and its format") from error


def is_legacy_text(path: Path, forced: str = "auto") -> bool:
    """Return True if the user chose the encoding of a table, or if the encoding must be decided from all lines."""
    return _kind(path) in ("text", "json") and open_text(path, forced, UNICODE).codec is None


def read_list(path: Path, forced: str, known: Collection[str]) -> Table:
    """Open a list file of a folder. A list that is valid UTF-8 is read as UTF-8, even if `--encoding` is not UTF-8.

    Raises:
        DataError: the list cannot be read, or its encoding cannot be found.
    """
    is_utf8 = path.is_file() and is_text_utf8(path)
    table = open_table(path, "auto" if is_utf8 else forced, known=known)
    if not table.decision.decided:
        raise DataError(
            f"{path} is not UTF-8, and has too little text to find its encoding "
            f"(best guess: {table.decision.encoding})",
            f"save it as UTF-8, or give its encoding, as in --encoding {table.decision.encoding}",
        )
    return table


def first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file; empty if it contains only white space."""
    with path.open("rb") as file:
        return file.read(64).lstrip(IGNORED)


def _is_json(path: Path) -> bool:
    return path.suffix.lower() in JSON_SUFFIXES if path.suffix else first_bytes(path).startswith((b"{", b"["))


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(32)
    for mark, (what, hint) in FOREIGN.items():
        if start.startswith(mark):
            raise DataError(f"{path} is {what}", hint)
    named = (
        "parquet" if path.suffix.lower() == ".parquet" else "excel" if path.suffix.lower() in (".xlsx", ".xlsm") else ""
    )
    found = next((kind for mark, kind in CONTENTS.items() if start.startswith(mark)), "")
    return found or named or ("json" if _is_json(path) else "text")


def _delimited(file: TextFile, known: Collection[str]) -> Table:
    dialect: Dialect = find_dialect(list(islice(file.lines(), SAMPLE_LINES)), known)
    names = ("",) * dialect.has_row_names + dialect.header
    form = f"{dialect.describe()}, {file.decision.encoding}"
    return Table(file.path, names, form, file.decision, partial(delimited_records, file, dialect))


def _json(file: TextFile) -> Table:
    columns = json_columns(file)
    decision = UNICODE if file.decision.encoding == "ascii" else file.decision
    read = partial(json_records, file, columns)
    return Table(file.path, tuple(columns), f"JSON, {decision.encoding}", decision, read)


def _parquet(path: Path) -> Table:
    columns, class_names = parquet_columns(path)
    files = shards(path)
    notes = (f"{len(files)} files are read as one: {files[0].name} to {files[-1].name}",) if len(files) > 1 else ()
    read = partial(parquet_records, path, columns)
    return Table(path, tuple(columns), "parquet", UNICODE, read, class_names, notes)


def _excel(path: Path) -> Table:
    columns, sheet, header = excel_columns(path)
    read = partial(excel_records, path, columns, sheet, header)
    return Table(path, tuple(columns), f"sheet {sheet!r}", UNICODE, read)
