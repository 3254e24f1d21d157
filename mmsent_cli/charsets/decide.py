"""Decide the character encoding of a corpus, once for all its files together. The decision is cached.

Chosen: compare the log-probability of all files under each codec (`vote`). This finds the right encoding of all 23
small test corpora.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsent_cli.charsets.corpus import ASCII, UTF8, Corpus, Documents, read_corpus, require_codec, utf8_lead
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.charsets.report import report_on
from mmsent_cli.charsets.vote import Outcome, vote
from mmsent_cli.errors import DataError, MmsentError, UndecidedEncoding
from mmsent_cli.files import atomic_write
from mmsent_cli.results import EncodingResult

ALGORITHM = 1
MAX_LOG_ODDS = 8.0
UTF8_BONUS_NATS = 5.0
"""Added to the log-probability of UTF-8 if all files are valid UTF-8. Texts in other encodings are seldom valid
UTF-8."""
FEW_LEFT = 0.02
"""A UTF-8 corpus stays UTF-8 if at most this share of its files is in another encoding."""


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """An encoding decision, and the result that `inspect-encoding` shows."""

    decision: EncodingDecision
    result: EncodingResult


@dataclass(frozen=True, slots=True)
class Files:
    """Text files as an iterable of their names and bytes. Only one file at a time is in memory."""

    paths: Sequence[Path]
    skip_unreadable: bool = False

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        for path in self.paths:
            try:
                yield path.name, path.read_bytes()
            except OSError as error:
                if not self.skip_unreadable:
                    raise DataError(f"cannot read {path}: {error.strerror}", "check the file's permissions") from error


def decide(documents: Documents, forced: str = "auto") -> EncodingReport:
    """Decide the encoding of all documents together.

    Args:
        documents: the name and the bytes of each document. The documents are read twice, so an iterator is first read
            into memory.
        forced: `auto`, or the codec that the user chose.

    Raises:
        ConfigError: `forced` is not a text encoding.
    """
    documents = list(documents) if isinstance(documents, Iterator) else documents
    named = None if forced == "auto" else forced_decision(forced)
    corpus = read_corpus(documents)
    outcome = _vote(corpus)
    decision = named or _conclude(corpus, outcome)
    return EncodingReport(decision, report_on(decision, documents, corpus, outcome))


def decide_cached(paths: Sequence[Path], forced: str, cache_dir: Path) -> EncodingDecision:
    """Decide the encoding of text files, or load the cached decision for the same files.

    The decision is cached in `cache_dir` under a digest of all paths, sizes and modification times. Files that cannot
    be read are skipped. They are reported later, when the pairs are checked.

    Raises:
        ConfigError: `forced` is not a text encoding.
    """
    if forced != "auto":
        return forced_decision(forced)
    cached = cache_dir / f"encoding-{_digest(paths)}.json"
    try:
        return EncodingDecision.from_dict(json.loads(cached.read_text(encoding=UTF8)))
    except (OSError, ValueError, TypeError):
        corpus = read_corpus(Files(paths, skip_unreadable=True))
        decision = _conclude(corpus, _vote(corpus))
    # If it cannot be kept, the decision costs a second in every run; that is no reason to stop.
    with contextlib.suppress(OSError, MmsentError):
        cache_dir.mkdir(parents=True, exist_ok=True)
        atomic_write(cached, json.dumps(decision.to_dict()).encode())
    return decision


def require_decided(decision: EncodingDecision) -> EncodingDecision:
    """Return the decision if it is certain.

    Raises:
        UndecidedEncoding: the corpus has too few non-ASCII characters to decide.
    """
    if decision.decided:
        return decision
    raise UndecidedEncoding(
        f"the texts are too few to decide their encoding (best guess: {decision.encoding})",
        f"give the encoding, such as --encoding {decision.encoding}; see mmsent inspect-encoding",
    )


def forced_decision(name: str) -> EncodingDecision:
    """Make a decision from the codec that the user chose.

    Args:
        name: the name of the codec.

    Raises:
        ConfigError: Python has no such text encoding.
    """
    codec = require_codec(name)
    return EncodingDecision(codec, decided=True, legacy=codec, utf8_log_odds=None)


def _vote(corpus: Corpus) -> Outcome | None:
    """Rank the codecs. Returns None if every file is ASCII or has a byte-order mark."""
    if not corpus.in_question.files:
        return None
    return vote(corpus.in_question.samples, {UTF8: _utf8_bonus(corpus)})


def _utf8_bonus(corpus: Corpus) -> float:
    """Return the prior log-odds of UTF-8.

    Files that are not valid UTF-8 have these log-odds too, since such a file may be UTF-8 that was cut inside a
    character.
    """
    if not corpus.other.files:
        return UTF8_BONUS_NATS
    return max(0.0, _log_odds(corpus.utf8.files, corpus.other.files)) * len(corpus.other.samples)


def _log_odds(utf8_files: float, other_files: float) -> float:
    odds = math.log((utf8_files + 0.5) / (other_files + 0.5))
    return max(-MAX_LOG_ODDS, min(MAX_LOG_ODDS, odds))


def _conclude(corpus: Corpus, outcome: Outcome | None) -> EncodingDecision:
    """Decide the encoding from the counts of the corpus and from the ranking of the codecs (`outcome`)."""
    if outcome is None:
        return EncodingDecision(max(corpus.marked, key=corpus.marked.__getitem__, default=ASCII))
    winner = outcome.best.codec
    if winner == UTF8:
        return EncodingDecision(UTF8, decided=outcome.has_lead or 0 < corpus.other.files < corpus.utf8.files)
    convincing = _convincing_utf8(corpus, winner)
    others = corpus.other.files + corpus.utf8.files - convincing
    if not outcome.is_clear and others <= FEW_LEFT * convincing:
        return EncodingDecision(UTF8)  # undecodable bytes of the few other files become U+FFFD
    encoding = UTF8 if convincing > others else winner
    return EncodingDecision(encoding, outcome.is_clear, winner, _log_odds(convincing, others))


def _convincing_utf8(corpus: Corpus, legacy: str) -> float:
    """Estimate how many of the valid UTF-8 files are really UTF-8, and not valid UTF-8 by chance."""
    samples = corpus.utf8.samples
    return corpus.utf8.files * sum(utf8_lead(found, legacy) > 0 for found in samples) / max(len(samples), 1)


def _digest(paths: Sequence[Path]) -> str:
    """Return a digest that changes when a file is added, removed or changed, or when `ALGORITHM` changes."""
    digest = hashlib.blake2b(str(ALGORITHM).encode(), digest_size=16)
    for path in paths:
        try:
            status = path.stat()
            state = f"{status.st_size}\0{status.st_mtime_ns}"
        except OSError:
            state = "missing"
        digest.update(f"{path.absolute()}\0{state}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
