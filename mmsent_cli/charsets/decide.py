"""Which encoding a corpus is in: decided once for all its files, with the evidence, and remembered.

Chosen: a joint vote of all files (`encoding_vote`). Rejected: a detector per file, which sees one or two telling bytes
and is wrong on most short texts; Latin-1 or `errors="ignore"`, which never fail and never tell.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmsent_cli.charsets.corpus import Corpus, Documents, choose, forced_decision
from mmsent_cli.charsets.decision import UTF8, Decoded, EncodingDecision, marked_codec, plain_name
from mmsent_cli.charsets.vote import Ballot, Outcome, Reading, outcome_of, read
from mmsent_cli.errors import DataError, MmsentError, UndecidedEncoding
from mmsent_cli.files import atomic_write
from mmsent_cli.results import Candidate, EncodingResult, FileException

__all__ = ["Decoded", "EncodingDecision", "EncodingReport", "Files", "decide", "decide_cached", "require_decided"]

ALGORITHM = 1
MAX_MARGIN = 1e9


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """A decision with its evidence."""

    decision: EncodingDecision
    result: EncodingResult


@dataclass(frozen=True, slots=True)
class Files:
    """The names and bytes of text files, read one at a time each time they are gone through."""

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
    """Decide the encoding of documents jointly.

    Args:
        documents: name and bytes of each; gone through twice, so an iterator is first read into memory.
        forced: `auto`, or the codec to use whatever the evidence says.

    Raises:
        ConfigError: `forced` names no text encoding.
    """
    documents = list(documents) if isinstance(documents, Iterator) else documents
    decision, corpus, outcome = choose(documents, forced)
    return EncodingReport(decision, _tally(decision, documents, _evidence(decision, corpus, outcome)))


def decide_cached(paths: Sequence[Path], forced: str, cache_dir: Path) -> EncodingDecision:
    """Decide the encoding of text files, or recall the decision made before on the same files.

    The decision is kept in `cache_dir` under a digest of every path, size and time of change. Files that cannot be
    read give no evidence; whoever uses them reports them.

    Raises:
        ConfigError: `forced` names no text encoding.
    """
    if forced != "auto":
        return forced_decision(forced)
    cached = cache_dir / f"encoding-{_digest(paths)}.json"
    try:
        return EncodingDecision.from_dict(json.loads(cached.read_text(encoding=UTF8)))
    except (OSError, ValueError, TypeError):
        decision, _, _ = choose(Files(paths, skip_unreadable=True), forced)
    # Without a place to remember it, the decision costs a second every time; that is no reason to stop.
    with contextlib.suppress(OSError, MmsentError):
        cache_dir.mkdir(parents=True, exist_ok=True)
        atomic_write(cached, json.dumps(decision.to_dict()).encode())
    return decision


def require_decided(decision: EncodingDecision) -> EncodingDecision:
    """Pass a decision on, or refuse to guess.

    Raises:
        UndecidedEncoding: the corpus holds too little evidence.
    """
    if decision.decided:
        return decision
    raise UndecidedEncoding(
        f"too little evidence to decide the text encoding (best guess: {decision.encoding})",
        f"name it, such as --encoding {decision.encoding}; mmsent inspect-encoding shows the evidence",
    )


def _evidence(decision: EncodingDecision, corpus: Corpus, outcome: Outcome | None) -> EncodingResult:
    """The vote as a result; the files' own exceptions are still to be counted."""
    rows = [_candidate(outcome, each, corpus.voters) for each in outcome.readings] if outcome else []
    # With both kinds of file UTF-8 took no part in the vote it won: its row comes from the files that left.
    if decision.encoding == UTF8 and rows and rows[0].encoding != UTF8:
        alone = outcome_of(corpus.utf8.evidence, [read(corpus.utf8.evidence, UTF8)])
        rows = [_candidate(alone, alone.readings[0], corpus.other), *rows]
    return EncodingResult(
        encoding=decision.encoding,
        decided=decision.decided,
        files=corpus.files,
        non_ascii_files=0,
        undecodable=0,
        margin=round(min(outcome.margin, MAX_MARGIN), 1) if outcome else 0.0,
        candidates=tuple(rows),
    )


def _candidate(outcome: Outcome, reading: Reading, ballot: Ballot) -> Candidate:
    score = round(outcome.score(reading), 3)
    return Candidate(encoding=reading.codec, score=score, failures=ballot.failures[reading.codec])


def _tally(decision: EncodingDecision, documents: Documents, evidence: EncodingResult) -> EncodingResult:
    """Read every document as every command will, and count what differs or is lost."""
    non_ascii, undecodable, replaced_characters = 0, 0, 0
    exceptions = []
    for name, raw in documents:
        if raw.isascii() and decision.utf8_log_odds is not None:
            continue
        non_ascii += not raw.isascii()
        replaced = decision.decode(raw).replaced
        undecodable, replaced_characters = undecodable + (replaced > 0), replaced_characters + replaced
        exceptions += _exception(name, raw, decision, replaced)
    return replace(
        evidence,
        non_ascii_files=non_ascii,
        undecodable=undecodable,
        replaced_characters=replaced_characters,
        exceptions=tuple(exceptions),
    )


def _exception(name: str, raw: bytes, decision: EncodingDecision, replaced: int) -> list[FileException]:
    """Nothing, or how a file is read otherwise than the corpus."""
    codec = plain_name(decision.codec_of(raw))
    if replaced:
        return [FileException(name=name, encoding=None, reason=f"{replaced} characters are not valid {codec}")]
    if codec == decision.encoding:
        return []
    if marked_codec(raw):
        return [FileException(name=name, encoding=codec, reason="byte-order mark")]
    return [FileException(name=name, encoding=codec, reason="valid UTF-8" if codec == UTF8 else "not UTF-8")]


def _digest(paths: Sequence[Path]) -> str:
    """A digest that changes when a file comes, goes or changes, or when this algorithm does."""
    digest = hashlib.blake2b(str(ALGORITHM).encode(), digest_size=16)
    for path in paths:
        try:
            status = path.stat()
            digest.update(
                f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape")
            )
        except OSError:
            digest.update(f"{path.absolute()}\0missing\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
