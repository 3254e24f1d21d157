"""Read a corpus once: count its files, sample its non-ASCII bytes, and find the codecs that can decode it."""

import codecs
import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mmsent_cli.charsets.plausibility import log_plausibility
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
"""Each row is a family: codecs that decode ordinary text alike. The first codec of the row is reported, unless another
codec of the row fits clearly better. If two families fit equally well, the family in the earlier row wins."""
CODECS = tuple(codec for family in FAMILIES for codec in family)

# UTF-32 is tested before UTF-16, since its little-endian mark begins with the little-endian mark of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_FOR_DOCUMENTS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"})
"""Text codecs of Python that are not used for documents."""


def is_strict(raw: bytes, codec: str) -> bool:
    """Return True if every byte is valid in the codec."""
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def marked_codec(raw: bytes) -> str | None:
    """Return the codec that the byte-order mark of a text shows; None if the text has no byte-order mark.

    For UTF-16 and UTF-32, the text must also be valid in the codec, since texts in other codecs may begin with the same
    bytes.
    """
    for mark, codec in MARKS:
        if raw.startswith(mark) and (codec == "utf-8-sig" or is_strict(raw, codec)):
            return codec
    return None


def plain_name(codec: str) -> str:
    """Return a codec's name without the suffix `-sig`. (With this suffix, Python's codec skips a byte-order mark.)"""
    return UTF8 if codec == "utf-8-sig" else codec


def known_codec(name: str) -> str | None:
    """Return the name that mmsent uses for a codec, or None if Python has no such text encoding."""
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
        raise ConfigError(f"unknown encoding {name!r}", f"{guess}known encodings: auto, {', '.join(CODECS)}")
    return codec


PLACES = re.compile(rb"[\x00-\x7f]{0,4}(?:[\x80-\xff]++[\x00-\x7f]{0,4})+")
RUNS = re.compile(rb"[\x80-\xff]+")
MAX_FILE_BYTES = 2_000


def places(raw: bytes) -> bytes:
    """Extract the non-ASCII bytes of a document, with up to 4 ASCII bytes before and after each sequence.

    The result has a line for each extracted part. No multi-byte character is cut, since the ASCII bytes of such a
    character directly follow a non-ASCII byte. Line ends in the extracted bytes become spaces.
    """
    found = (re.sub(rb"[\r\n]", b" ", match) for match in PLACES.findall(raw))
    return b"\n".join(found)


def utf8_lead(found: bytes, legacy: str) -> float:
    """Return the log-odds of UTF-8 against the codec `legacy`, in nats (natural logarithm).

    Above 0, UTF-8 is more probable. `found` are bytes that the function `places` has extracted.
    """
    as_utf8, as_legacy = (log_plausibility(found.decode(codec, errors="replace")) for codec in (UTF8, legacy))
    return as_utf8 - as_legacy


MAX_SAME_RUN = 25
MAX_EVIDENCE_BYTES = 60_000
MAX_EVIDENCE_FILES = 5_000

Documents = Iterable[tuple[str, bytes]]
"""Name and bytes of each document."""


@dataclass(slots=True)
class Evidence:
    """The sampled non-ASCII bytes of a group of files, and counts of all files of the group.

    The size of the sample is limited. A sequence of bytes that has occurred `MAX_SAME_RUN` times is not sampled again,
    since more copies would make the decision look too certain.

    Attributes:
        samples: for each sampled file, its non-ASCII bytes with their neighbours (see `places`).
        failures: for each codec, the number of files that the codec cannot decode.
        files: the number of files.
    """

    samples: list[bytes] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    files: int = 0
    _bytes: int = 0
    _seen: Counter[bytes] = field(default_factory=Counter)

    def add(self, found: bytes) -> None:
        """Count a file, and add its non-ASCII bytes to the samples. Frequent lines (see the class) are left out."""
        self.files += 1
        self.failures.update(codec for codec in CODECS if not is_strict(found, codec))
        if self._bytes >= MAX_EVIDENCE_BYTES or len(self.samples) >= MAX_EVIDENCE_FILES:
            return
        kept = b"\n".join(line for line in found[:MAX_FILE_BYTES].split(b"\n") if self._is_new(line))
        if kept:
            self.samples.append(kept)
            self._bytes += len(kept)

    def _is_new(self, line: bytes) -> bool:
        runs = RUNS.findall(line)
        is_new = any(self._seen[run] < MAX_SAME_RUN for run in runs)
        self._seen.update(runs)
        return is_new


@dataclass(slots=True)
class Corpus:
    """The counts and samples of a corpus.

    Attributes:
        files: the number of all files.
        marked: for each codec, the number of files that begin with the byte-order mark of this codec.
        utf8: the non-ASCII files that are valid UTF-8.
        other: the non-ASCII files that are not valid UTF-8.
    """

    files: int = 0
    marked: Counter[str] = field(default_factory=Counter)
    utf8: Evidence = field(default_factory=Evidence)
    other: Evidence = field(default_factory=Evidence)

    @property
    def in_question(self) -> Evidence:
        """The files from which the encoding is decided.

        These are the non-ASCII files that are not valid UTF-8. If there are none, they are the valid UTF-8 files.
        """
        return self.other if self.other.files else self.utf8


def read_corpus(documents: Documents) -> Corpus:
    """Count and sample the documents."""
    corpus = Corpus()
    for _, raw in documents:
        corpus.files += 1
        codec = marked_codec(raw)
        if codec:
            corpus.marked[plain_name(codec)] += 1
        elif not raw.isascii():
            (corpus.utf8 if is_strict(raw, UTF8) else corpus.other).add(places(raw))
    return corpus
