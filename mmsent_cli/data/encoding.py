"""Which encoding a corpus is in, and how each of its texts is read. (Contract; the vote follows.)"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mmsent_cli.errors import DataError
from mmsent_cli.results import EncodingResult


class Decoded(NamedTuple):
    """A document's text, and how many characters of it could not be decoded and became U+FFFD."""

    text: str
    replaced: int


@dataclass(frozen=True, slots=True)
class EncodingDecision:
    """How every text of a corpus is read."""

    encoding: str
    decided: bool = True

    def decode(self, raw: bytes) -> Decoded:
        """Decode one document. Never raises, never drops a byte silently."""
        text = raw.decode(self.encoding, errors="replace")
        return Decoded(text, text.count("\ufffd"))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "EncodingDecision":
        """The decision that `to_dict` wrote."""
        return cls(**values)


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """A decision with its evidence."""

    decision: EncodingDecision
    result: EncodingResult


def decide(documents: Iterable[tuple[str, bytes]], forced: str = "auto") -> EncodingReport:
    """Decide the encoding of (name, bytes) documents jointly."""
    files = list(documents)
    encoding = "gb18030" if forced == "auto" else forced
    result = EncodingResult(
        encoding=encoding, decided=True, files=len(files), non_ascii_files=0, undecodable=0, margin=0.0, candidates=()
    )
    return EncodingReport(EncodingDecision(encoding), result)


def decide_cached(paths: Sequence[Path], forced: str, cache_dir: Path) -> EncodingDecision:
    """Decide the encoding of the files at `paths`, or read the decision made earlier for the same files."""
    return decide(((path.name, path.read_bytes()) for path in paths), forced).decision


def require_decided(decision: EncodingDecision) -> EncodingDecision:
    """Pass a decision on, or refuse to guess.

    Raises:
        DataError: the corpus holds too little evidence.
    """
    if not decision.decided:
        raise DataError("the text encoding cannot be decided", "say it with --encoding; see mmsent inspect-encoding")
    return decision
