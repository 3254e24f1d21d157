"""One pass over a corpus, the vote, and what follows from it for files that are UTF-8 and files that are not."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mmsent_cli.charsets.decision import (
    ASCII,
    UTF8,
    EncodingDecision,
    marked_codec,
    plain_name,
    require_codec,
    utf8_lead,
)
from mmsent_cli.charsets.vote import Ballot, Outcome, is_strict, places, vote

MAX_LOG_ODDS = 8.0
UTF8_BONUS = 5.0
FEW_LEFT = 0.02
Documents = Iterable[tuple[str, bytes]]


@dataclass(slots=True)
class Corpus:
    """What one pass over the files keeps: those valid as UTF-8 stand apart from those that are not."""

    files: int = 0
    marked: Counter[str] = field(default_factory=Counter)
    utf8: Ballot = field(default_factory=Ballot)
    other: Ballot = field(default_factory=Ballot)

    @property
    def voters(self) -> Ballot:
        """The files whose encoding is in question: those that are not UTF-8, or all if there are none."""
        return self.other if self.other.files else self.utf8


def forced_decision(name: str) -> EncodingDecision:
    """The decision of a user who named the codec."""
    codec = require_codec(name)
    return EncodingDecision(codec, decided=True, legacy=codec, utf8_log_odds=None)


def choose(documents: Documents, forced: str) -> tuple[EncodingDecision, Corpus, Outcome | None]:
    """One pass over the documents, and the vote; no outcome where there is nothing to vote on.

    Args:
        documents: name and bytes of each.
        forced: `auto`, or the codec that the user named.

    Raises:
        ConfigError: `forced` names no text encoding.
    """
    named = None if forced == "auto" else forced_decision(forced)
    corpus = Corpus()
    for _, raw in documents:
        corpus.files += 1
        codec = marked_codec(raw)
        if codec:
            corpus.marked[plain_name(codec)] += 1
        elif not raw.isascii():
            (corpus.utf8 if is_strict(raw, UTF8) else corpus.other).add(places(raw))
    outcome = vote(corpus.voters, {UTF8: _utf8_bonus(corpus)}) if corpus.voters.files else None
    return named or _decision(corpus, outcome), corpus, outcome


def _utf8_bonus(corpus: Corpus) -> float:
    """What the share of valid UTF-8 says about the rest, in nats: each may be UTF-8 cut in mid-character."""
    if not corpus.other.files:
        return UTF8_BONUS
    return max(0.0, _log_odds(corpus.utf8.files, corpus.other.files)) * len(corpus.other.evidence)


def _log_odds(utf8_files: float, other_files: float) -> float:
    odds = math.log((utf8_files + 0.5) / (other_files + 0.5))
    return max(-MAX_LOG_ODDS, min(MAX_LOG_ODDS, odds))


def _decision(corpus: Corpus, outcome: Outcome | None) -> EncodingDecision:
    if outcome is None:
        return EncodingDecision(max(corpus.marked, key=corpus.marked.__getitem__, default=ASCII))
    winner = outcome.readings[0].codec
    if winner == UTF8:
        return EncodingDecision(UTF8, decided=outcome.has_lead or 0 < corpus.other.files < corpus.utf8.files)
    convincing = _convincing_utf8(corpus, winner)
    others = corpus.other.files + corpus.utf8.files - convincing
    if not outcome.is_clear and others <= FEW_LEFT * convincing:
        # A few odd files cannot put a UTF-8 corpus in doubt; unsure of them, show their bytes as U+FFFD, counted.
        return EncodingDecision(UTF8)
    encoding = UTF8 if convincing > others else winner
    return EncodingDecision(encoding, outcome.is_clear, winner, _log_odds(convincing, others))


def _convincing_utf8(corpus: Corpus, legacy: str) -> float:
    """How many of the files that are valid UTF-8 are not so by chance, estimated on those kept as evidence."""
    kept = corpus.utf8.evidence
    return corpus.utf8.files * sum(utf8_lead(found, legacy) > 0 for found in kept) / max(len(kept), 1)
