"""Find the non-ASCII bytes of a document. Only these bytes distinguish one encoding from another."""

import re

from mmsent_cli.charsets.codecs import UTF8
from mmsent_cli.charsets.plausibility import log_plausibility

PLACES = re.compile(rb"[\x00-\x7f]{0,4}(?:[\x80-\xff]++[\x00-\x7f]{0,4})+")
RUNS = re.compile(rb"[\x80-\xff]+")
MAX_FILE_BYTES = 2_000


def places(raw: bytes) -> bytes:
    """Extract the non-ASCII bytes of a document: one run per line, with up to 4 ASCII bytes before and after it.

    With four bytes, no multi-byte character is cut: its ASCII bytes directly follow a non-ASCII byte. Line ends
    in the extracted bytes become spaces.
    """
    found = (re.sub(rb"[\r\n]", b" ", match) for match in PLACES.findall(raw))
    return b"\n".join(found)


def utf8_lead(found: bytes, legacy: str) -> float:
    """Return the log-odds, in nats, of UTF-8 against a legacy encoding for bytes that `places` extracted."""
    as_utf8, as_legacy = (log_plausibility(found.decode(codec, errors="replace")) for codec in (UTF8, legacy))
    return as_utf8 - as_legacy
