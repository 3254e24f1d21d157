"""Repair image files that Pillow refuses although all pixels are there: JPEGs without an end, PNGs with huge texts."""

from collections.abc import Callable
from typing import Any

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
"""Chunks that Pillow limits in size, and that hold no pixel."""
PROBE = bytes(range(1, 200))
NO_END = "has no end marker; all pixels are there"


def repair(raw: bytes, decode: Callable[[bytes, int], Any]) -> tuple[bytes, str]:
    """Return bytes that can be decoded, and a note. The bytes are empty if pixels are missing.

    Args:
        raw: a file that cannot be decoded as it is.
        decode: a function that decodes a file. Its number is the size in pixels to which a JPEG may be reduced.
    """
    if raw.startswith(JPEG_START) and is_complete_jpeg(raw, decode):
        return _without_half_marker(raw) + JPEG_END, NO_END
    if raw.startswith(PNG_START):
        return _plain_png(raw)
    return b"", ""


def is_complete_jpeg(raw: bytes, decode: Callable[[bytes, int], Any]) -> bool:
    """Return True if a JPEG without its end marker has all its pixels.

    The decoder fills missing pixels from whatever follows. So other bytes after the file change the picture exactly
    if pixels are missing.
    """
    body = _without_half_marker(raw)
    try:
        pictures = [decode(body + rest + JPEG_END, 1 << 30).tobytes() for rest in (b"", PROBE, PROBE[::-1])]
    except (OSError, SyntaxError, ValueError):
        return False
    return len(set(pictures)) == 1


def _without_half_marker(raw: bytes) -> bytes:
    return raw.removesuffix(b"\xff")


def _plain_png(raw: bytes) -> tuple[bytes, str]:
    """A PNG without texts and color profile, and with its end."""
    parts, at, has_end = [PNG_START], len(PNG_START), False
    while at + 8 <= len(raw) and not has_end:
        size, kind = int.from_bytes(raw[at : at + 4], "big"), raw[at + 4 : at + 8]
        end = at + 12 + size
        has_end = kind == b"IEND" and end <= len(raw)
        if end <= len(raw) and kind not in TEXTS and not has_end:
            parts.append(raw[at:end])
        at = end
    return b"".join([*parts, PNG_END]), "" if has_end else NO_END
