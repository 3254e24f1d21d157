"""The character encodings (codecs) that are compared, and checks on the bytes of one document."""

import codecs
import difflib

from mmsent_cli.errors import ConfigError

UTF8, ASCII = "utf-8", "ascii"

FAMILIES = (
    (UTF8,),
    ("cp1252", "latin-1"),
    ("gb18030",),
    ("big5", "cp950", "big5hkscs"),
    ("shift_jis", "cp932"),
    ("euc-jp", "euc-jis-2004"),
    ("cp949",),
    ("cp1251",),
    ("koi8-r", "koi8-u"),
    ("cp866",),
    ("cp1250",),
    ("cp1254",),
    ("tis-620", "cp874"),
    ("mac-roman",),
    ("iso-8859-15",),
    ("iso-8859-2",),
    ("cp1253",),
    ("cp1255",),
    ("cp1256",),
    ("cp850",),
)
"""Codecs of one row decode ordinary text alike and do not compete. The first is the usual name; it is reported unless
another of its row fits clearly better. The order also settles a tie between families."""
CODECS = tuple(codec for family in FAMILIES for codec in family)

# UTF-32 before UTF-16: the little-endian mark of the one begins with that of the other.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_FOR_DOCUMENTS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"})
"""Python's text codecs that are no encodings of documents."""


def is_strict(raw: bytes, codec: str) -> bool:
    """Return True if every byte is valid in the codec."""
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def marked_codec(raw: bytes) -> str | None:
    """Return the codec that a byte-order mark shows, else None.

    For UTF-16 and UTF-32 the text must also decode, since the bytes of their marks occur in legacy texts.
    """
    for mark, codec in MARKS:
        if raw.startswith(mark) and (codec == "utf-8-sig" or is_strict(raw, codec)):
            return codec
    return None


def plain_name(codec: str) -> str:
    """Return a codec's name without the suffix `-sig` for a skipped byte-order mark."""
    return UTF8 if codec == "utf-8-sig" else codec


def known_codec(name: str) -> str | None:
    """Return mmsent's name of a codec, or None if Python has no such text encoding."""
    if name in CODECS:
        return name
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    # Hex, base64 and their like turn bytes into bytes; Python marks text encodings only in this attribute.
    is_text = getattr(info, "_is_text_encoding", True) and info.name.replace("-", "_") not in NOT_FOR_DOCUMENTS
    same = (codec for codec in CODECS if codecs.lookup(codec).name == info.name)
    return next(same, info.name) if is_text else None


def require_codec(name: str) -> str:
    """Return the codec that the user chose.

    Raises:
        ConfigError: Python has no such text encoding. The hint lists similar and known names.
    """
    codec = known_codec(name)
    if codec is None:
        near = difflib.get_close_matches(name.lower(), CODECS, n=3, cutoff=0.5)
        guess = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigError(f"unknown encoding {name!r}", f"{guess}known: auto, {', '.join(CODECS)}")
    return codec
