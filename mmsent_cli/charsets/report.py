"""Make the result of `inspect-encoding`: candidates, exceptions, examples, and the result of a per-file detector."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

from mmsent_cli.charsets.corpus import RUNS, UTF8, Corpus, Documents, Evidence, marked_codec, plain_name
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.charsets.vote import Decoding, Outcome, decode_all, outcome_of
from mmsent_cli.results import Candidate, EncodingResult, FileException, Snippet

MAX_MARGIN_NATS = 1e9
SNIPPETS = 6
MAX_CHECKED_FILES = 200
MAX_CHECKED_BYTES = 10_000
BEFORE_BYTES, AFTER_BYTES = 24, 16


def report_on(
    decision: EncodingDecision, documents: Documents, corpus: Corpus, outcome: Outcome | None
) -> EncodingResult:
    """Decode every document. Count undecodable characters, and list the files that are in another encoding.

    Args:
        decision: the encoding decision.
        documents: the name and the bytes of each document.
        corpus: the counts and samples of the documents.
        outcome: the ranking of the codecs; None if every document is ASCII or has a byte-order mark.
    """
    non_ascii, undecodable, replaced_characters = 0, 0, 0
    exceptions: list[FileException] = []
    for name, raw in documents:
        if raw.isascii() and decision.utf8_log_odds is not None:
            continue
        replaced = decision.decode(raw).replaced
        non_ascii += not raw.isascii()
        undecodable += replaced > 0
        replaced_characters += replaced
        exceptions += _exception(name, raw, decision, replaced)
    return EncodingResult(
        encoding=decision.encoding,
        decided=decision.decided,
        files=corpus.files,
        non_ascii_files=non_ascii,
        undecodable=undecodable,
        margin=round(min(outcome.margin, MAX_MARGIN_NATS), 1) if outcome else 0.0,
        candidates=tuple(_candidates(decision, corpus, outcome)) if outcome else (),
        replaced_characters=replaced_characters,
        exceptions=tuple(exceptions),
    )


def illustrate(
    result: EncodingResult, decision: EncodingDecision, documents: Iterable[tuple[str, bytes]]
) -> EncodingResult:
    """Add example texts before and after decoding, and the encodings that a per-file detector finds.

    Args:
        result: the result of `report_on` for the same documents.
        decision: the encoding decision.
        documents: the name and the bytes of each document. The detector reads at most 200 of the non-ASCII documents.
    """
    step = max(1, -(-result.non_ascii_files // MAX_CHECKED_FILES))
    non_ascii = ((name, raw) for name, raw in documents if not raw.isascii())
    sample = list(itertools.islice(non_ascii, 0, None, step))
    found = [_detect(raw, decision) for _, raw in sample]
    shown: dict[bytes, Snippet] = {}
    for (name, raw), (codec, _) in zip(sample, found, strict=True):
        run = RUNS.findall(raw)[0]
        if run not in shown and len(shown) < SNIPPETS:
            shown[run] = _snippet(name, raw, decision, codec)
    disagrees = sum(not is_same for _, is_same in found)
    return replace(result, snippets=tuple(shown.values()), detector_checked=len(sample), detector_disagrees=disagrees)


def _candidates(decision: EncodingDecision, corpus: Corpus, outcome: Outcome) -> list[Candidate]:
    rows = [_candidate(outcome, decoding, corpus.in_question) for decoding in outcome.decodings]
    if decision.encoding != UTF8 or rows[0].encoding == UTF8:
        return rows
    # The valid UTF-8 files decided the encoding, but were not part of the vote. So their score is computed separately.
    samples = corpus.utf8.samples
    alone = outcome_of(samples, [decode_all(samples, UTF8)])
    return [_candidate(alone, alone.best, corpus.other), *rows]


def _candidate(outcome: Outcome, decoding: Decoding, evidence: Evidence) -> Candidate:
    score = round(outcome.score(decoding), 3)
    return Candidate(encoding=decoding.codec, score=score, failures=evidence.failures[decoding.codec])


def _exception(name: str, raw: bytes, decision: EncodingDecision, replaced: int) -> list[FileException]:
    """Return a list with one entry if a file is in another encoding than the corpus, or has undecodable characters.

    Otherwise, the list is empty.
    """
    codec = plain_name(decision.codec_of(raw))
    if replaced:
        return [FileException(name=name, encoding=None, reason=f"{replaced} characters are not valid {codec}")]
    if codec == decision.encoding:
        return []
    if marked_codec(raw):
        return [FileException(name=name, encoding=codec, reason="byte-order mark")]
    return [FileException(name=name, encoding=codec, reason="valid UTF-8" if codec == UTF8 else "not UTF-8")]


def _snippet(name: str, raw: bytes, decision: EncodingDecision, detected: str | None) -> Snippet:
    """Return the text around the first non-ASCII byte: decoded as Latin-1 (before), and by the decision (after)."""
    at = next(RUNS.finditer(raw)).start()
    start = max(0, at - BEFORE_BYTES)
    codec = decision.codec_of(raw)
    # Decode from the start of the file, since in codecs such as UTF-16, `start` may lie inside a character.
    skipped = len(raw[:start].decode(codec, errors="ignore"))
    after = decision.decode(raw).text[skipped : skipped + BEFORE_BYTES + AFTER_BYTES]
    before = raw[start : at + AFTER_BYTES].decode("latin-1")
    return Snippet(name=name, before=before, after=after, detector=detected)


def _detect(raw: bytes, decision: EncodingDecision) -> tuple[str | None, bool]:
    """Return the encoding that charset-normalizer finds for a file, or None if it finds none.

    The second value is True if this encoding gives the same text as the decision.
    """
    import charset_normalizer

    best = charset_normalizer.from_bytes(raw[:MAX_CHECKED_BYTES]).best()
    if best is None:
        return None, False
    text = decision.decode(raw[:MAX_CHECKED_BYTES]).text
    return best.encoding, str(best).lstrip("\ufeff") == text
