"""How one document is read, once the corpus has decided: from its bytes alone, never raising, never dropping a byte."""

import codecs
import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from mmsent_cli.charsets.plausibility import log_plausibility
from mmsent_cli.charsets.vote import CODECS, MAX_FILE_BYTES, is_strict, places
from mmsent_cli.errors import ConfigError

UTF8, ASCII = "utf-8", "ascii"
# UTF-32 before UTF-16: the little-endian mark of the one begins with that of the other.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Text codecs of Python that are not encodings of documents.
NOT_ENCODINGS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"})


class Decoded(NamedTuple):
    """A document's text, and how many characters of it could not be decoded and became U+FFFD."""

    text: str
    replaced: int


@dataclass(frozen=True, slots=True)
class EncodingDecision:
    """How every text of a corpus is read. Files that differ need no list: `codec_of` tells them by their bytes.

    Attributes:
        encoding: the Python codec of most non-ASCII files; `ascii` if there are none.
        decided: false if the evidence is too thin to tell; `encoding` is then the best guess.
        legacy: the codec of files that are not UTF-8; None in a corpus without any.
        utf8_log_odds: log-odds that a file is UTF-8 before looking at it, from the shares in the corpus;
            None where the user named the encoding, which then goes first.
    """

    encoding: str
    decided: bool = True
    legacy: str | None = None
    utf8_log_odds: float | None = 0.0

    def decode(self, raw: bytes) -> Decoded:
        """Decode one document, without its byte-order mark; what cannot be decoded becomes U+FFFD and is counted."""
        codec = self.codec_of(raw)
        try:
            return Decoded(raw.decode(codec), 0)
        except UnicodeDecodeError:
            text = raw.decode(codec, errors="replace")
            return Decoded(text, text.count("\ufffd"))

    def codec_of(self, raw: bytes) -> str:
        """The codec one document is read with: byte-order mark, ASCII, convincing UTF-8, else the corpus's own."""
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
        """Whether a document is rather UTF-8, perhaps cut in the middle of a character, than the legacy encoding."""
        log_odds, is_valid = self.utf8_log_odds or 0.0, is_strict(raw, UTF8)
        if not is_valid and log_odds <= 0 and is_strict(raw, legacy):
            return False
        found = places(raw)
        if is_valid and len(found) > MAX_FILE_BYTES:
            return True
        return log_odds + utf8_lead(found[:MAX_FILE_BYTES], legacy) > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "EncodingDecision":
        """The decision that `to_dict` wrote.

        Raises:
            TypeError, ValueError: values of another kind.
        """
        decision = cls(**values)
        if not isinstance(decision.decided, bool) or not isinstance(decision.utf8_log_odds, float | None):
            raise ValueError(f"not an encoding decision: {values}")
        for codec in filter(None, (decision.encoding, decision.legacy)):
            if known_codec(codec) is None:
                raise ValueError(f"unknown encoding {codec!r}")
        return decision


def marked_codec(raw: bytes) -> str | None:
    """The codec a byte-order mark announces. UTF-16 and UTF-32 must also decode: their marks occur in legacy text."""
    for mark, codec in MARKS:
        if raw.startswith(mark) and (codec == "utf-8-sig" or is_strict(raw, codec)):
            return codec
    return None


def plain_name(codec: str) -> str:
    """A codec's name without saying that it skips a byte-order mark."""
    return UTF8 if codec == "utf-8-sig" else codec


def utf8_lead(found: bytes, legacy: str) -> float:
    """By how many nats the places of a document are more plausible as UTF-8 than in a legacy encoding."""
    as_utf8, as_legacy = (log_plausibility(found.decode(codec, errors="replace")) for codec in (UTF8, legacy))
    return as_utf8 - as_legacy


def known_codec(name: str) -> str | None:
    """The name used here for a codec, or None if Python has no such text encoding."""
    if name in CODECS:
        return name
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    # Hex, base64 and their like are bytes to bytes; Python marks text encodings only in this attribute.
    is_text = getattr(info, "_is_text_encoding", True) and info.name.replace("-", "_") not in NOT_ENCODINGS
    same = (codec for codec in CODECS if codecs.lookup(codec).name == info.name)
    return next(same, info.name) if is_text else None


def require_codec(name: str) -> str:
    """The codec a user named.

    Raises:
        ConfigError: Python has no such text encoding; the hint gives near matches and the candidates.
    """
    codec = known_codec(name)
    if codec is None:
        near = difflib.get_close_matches(name.lower(), CODECS, n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(f"unknown encoding {name!r}", f"{meant}known: auto, {', '.join(CODECS)}")
    return codec
