"""The joint vote of a corpus on its encoding.

One tweet holds one or two telling bytes, so no file can decide alone. Each file adds what it knows: which codecs
read it strictly, and how plausible its non-ASCII places look under each (see `plausibility`). Kept per file are only
those places with a little ASCII around them, so memory stays bounded, and repeated evidence is cut short: the 30th
file with the same bytes says nothing that the first 29 did not, and would only make the vote look surer than it is.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mmsent_cli.charsets.plausibility import joint_plausibility, log_plausibility

# One row a family: its codecs read ordinary text alike and do not compete. Listed first is the usual name, reported
# when it reads the corpus as well as the others; order also settles a draw between families that read all alike.
FAMILIES = (
    ("utf-8",),
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
CODECS = tuple(codec for family in FAMILIES for codec in family)

PLACES = re.compile(rb"[\x00-\x7f]{0,4}(?:[\x80-\xff]++[\x00-\x7f]{0,4})+")
RUNS = re.compile(rb"[\x80-\xff]+")
SAME_RUN = 25
MAX_FILE_BYTES = 2_000
MAX_EVIDENCE_BYTES = 60_000
MAX_FILES = 5_000

# Set on 1,104 draws of one to five sentences of 12 languages in 23 encodings: the 5 wrong readings led by less than 7
# nats, and no right one scored below -7.8 a byte, where noise scores -9 to -11.
DECIDED_MARGIN = 12.0
WORST_SCORE = -8.0
FEWEST_BYTES = 8
SMALL_SHARE = 0.02


def places(raw: bytes) -> bytes:
    """The non-ASCII places of a document, each with up to 4 ASCII bytes around it, one per line.

    Four bytes keep any multi-byte character whole: an ASCII byte can only be the tail of one directly after a high
    byte. Line ends inside are made spaces, so that lines stay apart.
    """
    found = (re.sub(rb"[\r\n]", b" ", match) for match in PLACES.findall(raw))
    return b"\n".join(found)


def is_strict(raw: bytes, codec: str) -> bool:
    """Whether every byte is valid in the codec."""
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


@dataclass(slots=True)
class Ballot:
    """The evidence of one kind of file: a bounded sample of their places, and strict failures counted over all."""

    evidence: list[bytes] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    files: int = 0
    _bytes: int = 0
    _seen: Counter[bytes] = field(default_factory=Counter)

    def add(self, found: bytes) -> None:
        """Count a file, and keep what is new in it."""
        self.files += 1
        self.failures.update(codec for codec in CODECS if not is_strict(found, codec))
        if self._bytes >= MAX_EVIDENCE_BYTES or len(self.evidence) >= MAX_FILES:
            return
        kept = b"\n".join(line for line in found[:MAX_FILE_BYTES].split(b"\n") if self._is_new(line))
        if kept:
            self.evidence.append(kept)
            self._bytes += len(kept)

    def _is_new(self, line: bytes) -> bool:
        runs = RUNS.findall(line)
        is_new = any(self._seen[run] < SAME_RUN for run in runs)
        self._seen.update(runs)
        return is_new


@dataclass(frozen=True, slots=True)
class Reading:
    """One codec's reading of a ballot. `total` is the log-probability of all evidence in nats."""

    codec: str
    total: float
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The readings of a ballot, best first, one a family.

    `high_bytes` counts the non-ASCII bytes read; `around` is the log-probability of the ASCII beside them, in nats.
    """

    readings: tuple[Reading, ...]
    high_bytes: int
    around: float

    def score(self, reading: Reading) -> float:
        """What the non-ASCII bytes cost a reading, in nats per byte: bytes, so that all codecs are divided alike."""
        return (reading.total - self.around) / max(self.high_bytes, 1)

    @property
    def rivals(self) -> tuple[Reading, ...]:
        """The readings that differ from the best; one that reads every file to the same text is no rival."""
        return tuple(reading for reading in self.readings[1:] if reading.texts != self.readings[0].texts)

    @property
    def margin(self) -> float:
        """The lead of the best over its best rival, in nats; infinite without a rival."""
        return self.readings[0].total - max(map(_total, self.rivals), default=-math.inf)

    @property
    def has_lead(self) -> bool:
        """Whether the best reading is plausible as such, and clearly more so than each rival."""
        is_plausible = self.score(self.readings[0]) >= WORST_SCORE
        return is_plausible and all(_is_beaten(self.readings[0], rival) for rival in self.rivals)

    @property
    def is_clear(self) -> bool:
        """Whether the lead rests on enough evidence: a single "…" can be any of several encodings."""
        return self.high_bytes >= FEWEST_BYTES and self.has_lead


def vote(ballot: Ballot, bonus: Mapping[str, float] | None = None) -> Outcome:
    """Read a ballot with every codec and rank the families.

    Args:
        ballot: the evidence; at least one file.
        bonus: nats added to a codec's total for what is known otherwise.
    """
    readings = (_best_of(family, ballot.evidence, bonus or {}) for family in FAMILIES)
    return outcome_of(ballot.evidence, sorted(readings, key=_total, reverse=True))


def outcome_of(evidence: Sequence[bytes], readings: Iterable[Reading]) -> Outcome:
    """Readings with what their scores are measured against."""
    high_bytes = sum(len(run) for found in evidence for run in RUNS.findall(found))
    around = sum(log_plausibility(RUNS.sub(b"", found).decode()) for found in evidence)
    return Outcome(tuple(readings), high_bytes, around)


def _best_of(family: Sequence[str], evidence: Sequence[bytes], bonus: Mapping[str, float]) -> Reading:
    """The family's usual codec, unless a variant reads the corpus clearly better."""
    usual, *variants = (read(evidence, codec, bonus.get(codec, 0.0)) for codec in family)
    best = max(variants, key=_total, default=usual)
    return best if best.total - usual.total >= DECIDED_MARGIN else usual


def read(evidence: Sequence[bytes], codec: str, bonus: float = 0.0) -> Reading:
    """Decode all evidence with one codec, damaged bytes as U+FFFD, and weigh the result."""
    texts = tuple(found.decode(codec, errors="replace") for found in evidence)
    return Reading(codec, joint_plausibility(texts) + bonus, texts)


def _total(reading: Reading) -> float:
    return reading.total


def _is_beaten(winner: Reading, rival: Reading) -> bool:
    """The fewer files a rival would read otherwise, the smaller the lead that is asked for."""
    pairs = zip(winner.texts, rival.texts, strict=True)
    share = sum(mine != theirs for mine, theirs in pairs) / len(winner.texts)
    return share <= SMALL_SHARE or winner.total - rival.total >= DECIDED_MARGIN * math.sqrt(share)


def ballot_of(documents: Iterable[bytes]) -> Ballot:
    """A ballot of whole documents."""
    ballot = Ballot()
    for raw in documents:
        ballot.add(places(raw))
    return ballot
