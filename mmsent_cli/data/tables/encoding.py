"""Find the encoding of a table that is a text file, and read its lines.

UTF-8, UTF-16 and UTF-32 are recognised by the bytes, with or without a byte-order mark. Any other encoding is decided
over all lines of the file together. The encodings that are compared have the same bytes for line ends, so a file can be
divided into lines before its encoding is known. Each line is then decoded by itself.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmsent_cli.charsets.corpus import ASCII, CODECS, MARKS, UTF8, plain_name, require_codec
from mmsent_cli.charsets.decide import decide, forced_decision
from mmsent_cli.charsets.decision import EncodingDecision

CHUNK_BYTES = 1 << 20
START_BYTES = 1 << 16
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
STRUCTURE = frozenset(",;\t|{}[]\"'")
"""A text table that contains none of these characters has one column."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file with a known encoding.

    Attributes:
        path: the file.
        decision: how its texts are decoded.
        codec: the codec of the whole file; None if each line is decoded by itself.
    """

    path: Path
    decision: EncodingDecision
    codec: str | None

    def lines(self) -> Iterator[str]:
        r"""Yield all lines with their ends (`\n`, `\r\n` or `\r`). Undecodable bytes become U+FFFD."""
        if self.codec is not None:
            with self.path.open(encoding=self.codec, errors="replace", newline="") as file:
                yield from file
            return
        for raw in raw_lines(self.path):
            yield self.decision.decode(raw).text


def open_text(path: Path, forced: str = "auto", decision: EncodingDecision | None = None) -> TextFile:
    """Find the encoding of a text file.

    Args:
        path: the file.
        forced: `auto`, or the codec that the user chose. A byte-order mark in the file overrides it.
        decision: the encoding of a file that is not UTF-8; None finds the encoding from the content of the file.

    Raises:
        ConfigError: `forced` is not a text encoding.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    codec = next((codec for mark, codec in MARKS if start.startswith(mark)), None)
    codec = codec or (_wide_codec(start) if forced == "auto" else None)
    if codec is not None:
        return TextFile(path, EncodingDecision(plain_name(codec)), codec)
    if forced != "auto":
        named = require_codec(forced)
        return TextFile(path, forced_decision(named), None if named in CODECS else named)
    known = _plain_codec(path)
    if known is not None:
        return TextFile(path, EncodingDecision(known), UTF8)
    return TextFile(path, decision or decide(numbered_lines(path)).decision, None)


def is_text_utf8(path: Path) -> bool:
    """Return True if all bytes of a file are valid UTF-8."""
    return _plain_codec(path) is not None


def raw_lines(path: Path) -> Iterator[bytes]:
    """Yield the bytes of each line, for encodings whose line ends are ASCII."""
    with path.open(encoding=UTF8, errors="surrogateescape", newline="") as file:
        for line in file:
            yield line.encode(UTF8, "surrogateescape")


def numbered_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the place (`file:line`) and the bytes of each line, as documents for the encoding decision."""
    return ((f"{path.name}:{number}", raw) for number, raw in enumerate(raw_lines(path), 1))


def _plain_codec(path: Path) -> str | None:
    """Return `ascii` if all bytes of the file are ASCII, `utf-8` if they are valid UTF-8, else None."""
    decoder, is_ascii = codecs.getincrementaldecoder(UTF8)(), True
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                is_ascii = is_ascii and chunk.isascii()
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return None
    return ASCII if is_ascii else UTF8


def _wide_codec(start: bytes) -> str | None:
    """Return the codec of a table in UTF-16 or UTF-32 without byte-order mark; None for any other file.

    `start` is the first bytes of the file.
    """
    if b"\0" not in start:
        return None
    for codec in WIDE:
        try:
            text = codecs.getincrementaldecoder(codec)().decode(start)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and STRUCTURE & set(text) and {"\n", "\r"} & set(text):
            return codec
    return None
