"""What a decision looks like on the files themselves, and what a detector that sees one file at a time says of them."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.charsets.vote import RUNS
from mmsent_cli.results import EncodingResult, Snippet

SNIPPETS = 6
CHECKED_FILES = 200
BEFORE_BYTES, AFTER_BYTES = 24, 16
LONGEST_CHECKED_BYTES = 10_000


def illustrate(
    result: EncodingResult, decision: EncodingDecision, documents: Iterable[tuple[str, bytes]]
) -> EncodingResult:
    """Add snippets of different telling bytes, and a per-file detector's answers on evenly spaced non-ASCII files.

    Args:
        result: the finished tally of the same documents.
        decision: how they are read.
        documents: name and bytes of each; the detector sees at most 200 of them, since it takes milliseconds a file.
    """
    step = max(1, -(-result.non_ascii_files // CHECKED_FILES))
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


def _snippet(name: str, raw: bytes, decision: EncodingDecision, detected: str | None) -> Snippet:
    """The place of the first non-ASCII byte, as Latin-1 and as decided."""
    at = next(RUNS.finditer(raw)).start()
    start = max(0, at - BEFORE_BYTES)
    codec = decision.codec_of(raw)
    # Decode from the start of the file: a cut could fall inside a character of UTF-16 and its like.
    skipped = len(raw[:start].decode(codec, errors="ignore"))
    after = decision.decode(raw).text[skipped : skipped + BEFORE_BYTES + AFTER_BYTES]
    before = raw[start : at + AFTER_BYTES].decode("latin-1")
    return Snippet(name=name, before=before, after=after, detector=detected)


def _detect(raw: bytes, decision: EncodingDecision) -> tuple[str | None, bool]:
    """A per-file detector's encoding, and whether it reads the text as decided."""
    import charset_normalizer

    best = charset_normalizer.from_bytes(raw[:LONGEST_CHECKED_BYTES]).best()
    if best is None:
        return None, False
    text = decision.decode(raw[:LONGEST_CHECKED_BYTES]).text
    return best.encoding, str(best).lstrip("\ufeff") == text
