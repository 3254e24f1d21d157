"""The non-ASCII places of a document: all that distinguishes one encoding from another."""

import re

from mmsent_cli.charsets.codecs import UTF8
from mmsent_cli.charsets.plausibility import log_plausibility

PLACES = re.compile(rb"[\x00-\x7f]{0,4}(?:[\x80-\xff]++[\x00-\x7f]{0,4})+")
RUNS = re.compile(rb"[\x80-\xff]+")
MAX_FILE_BYTES = 2_000


def places(raw: bytes) -> bytes:
    """The non-ASCII bytes of a document, each run with up to 4 ASCII bytes on either side, one per line.

    Four bytes keep any multi-byte character whole: an ASCII byte can only be the tail of one directly after a high
    byte. Line ends inside become spaces, so that lines stay apart.
    """
    found = (re.sub(rb"[\r\n]", b" ", match) for match in PLACES.findall(raw))
    return b"\n".join(found)


def utf8_lead(found: bytes, legacy: str) -> float:
    """By how many nats the places of a document are more plausible as UTF-8 than in a legacy encoding."""
    as_utf8, as_legacy = (log_plausibility(found.decode(codec, errors="replace")) for codec in (UTF8, legacy))
    return as_utf8 - as_legacy
