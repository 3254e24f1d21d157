"""Decode the documents of a corpus whose encoding is decided."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mmsent_cli.charsets.corpus import (
    ASCII,
    MAX_FILE_BYTES,
    UTF8,
    is_strict,
    known_codec,
    marked_codec,
    places,
    utf8_lead,
)


class Decoded(NamedTuple):
    """The text of a document, and the number of characters that could not be decoded and became U+FFFD."""

    text: str
    replaced: int


@dataclass(frozen=True, slots=True)
class EncodingDecision:
    """The encoding of a corpus. For single files that are in another encoding, `codec_of` returns that encoding.

    Attributes:
        encoding: the Python codec of most non-ASCII files; `ascii` if there are none.
        decided: False if the texts are too few to decide. Then `encoding` is the best guess.
        legacy: the codec of files that are not UTF-8; None if all files are UTF-8.
        utf8_log_odds: prior log-odds that a file is UTF-8, from the share of UTF-8 files in the corpus. None if the
            user chose the encoding; then this encoding is tried first.
    """

    encoding: str
    decided: bool = True
    legacy: str | None = None
    utf8_log_odds: float | None = 0.0

    def decode(self, raw: bytes) -> Decoded:
        """Decode a document. The byte-order mark is removed. Undecodable bytes become U+FFFD and are counted."""
        codec = self.codec_of(raw)
        try:
            return Decoded(raw.decode(codec), 0)
        except UnicodeDecodeError:
            text = raw.decode(codec, errors="replace")
            return Decoded(text, text.count("\ufffd"))

    def codec_of(self, raw: bytes) -> str:
        """Return the codec of a document.

        If the document has a byte-order mark, the mark shows the codec. For other documents, there are two cases:

        - The user chose the encoding: the codec is this encoding. But if the document is valid only in UTF-8, the codec
          is UTF-8.
        - Otherwise: the codec is ASCII if all bytes are ASCII, else the more probable one of UTF-8 and `legacy`.
        """
        marked = marked_codec(raw)
        if marked:
            return marked
        if self.utf8_log_odds is None:
            is_rescued = not is_strict(raw, self.encoding) and is_strict(raw, UTF8)
            return UTF8 if is_rescued else self.encoding
        if raw.isascii():
            return ASCII
        return UTF8 if self.legacy is None or self._is_utf8(raw, self.legacy) else self.legacy

    def _is_utf8(self, raw: bytes, legacy: str) -> bool:
        """Return True if UTF-8 is more probable than `legacy`. The last character of the document may be cut."""
        log_odds, is_valid = self.utf8_log_odds or 0.0, is_strict(raw, UTF8)
        if not is_valid and log_odds <= 0 and is_strict(raw, legacy):
            return False
        found = places(raw)
        if is_valid and len(found) > MAX_FILE_BYTES:
            return True
        return log_odds + utf8_lead(found[:MAX_FILE_BYTES], legacy) > 0

    def to_dict(self) -> dict[str, Any]:
        """Convert the decision to plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "EncodingDecision":
        """Make a decision from the values of `to_dict`.

        Raises:
            TypeError, ValueError: `values` cannot come from `to_dict`.
        """
        decision = cls(**values)
        if not isinstance(decision.decided, bool) or not isinstance(decision.utf8_log_odds, float | None):
            raise ValueError("the record of the text encoding is unusable")
        for codec in filter(None, (decision.encoding, decision.legacy)):
            if known_codec(codec) is None:
                raise ValueError(f"unknown encoding {codec!r}")
        return decision
