"""Read a corpus once: count its files, and sample its non-ASCII bytes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mmsent_cli.charsets.codecs import CODECS, UTF8, is_strict, marked_codec, plain_name
from mmsent_cli.charsets.places import MAX_FILE_BYTES, RUNS, places

MAX_SAME_RUN = 25
MAX_EVIDENCE_BYTES = 60_000
MAX_EVIDENCE_FILES = 5_000

Documents = Iterable[tuple[str, bytes]]
"""Name and bytes of each document."""


@dataclass(slots=True)
class Evidence:
    """Sampled non-ASCII bytes of one kind of file. The size of the sample is limited. The counts cover all files.

    Repeated bytes are sampled at most `MAX_SAME_RUN` times. Further files with the same bytes add no information, but
    would make the decision look more certain than it is.

    Attributes:
        samples: for each sampled file, its non-ASCII bytes with their neighbours (see `places`).
        failures: for each codec, the number of files that it cannot decode.
        files: the number of files.
    """

    samples: list[bytes] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    files: int = 0
    _bytes: int = 0
    _seen: Counter[bytes] = field(default_factory=Counter)

    def add(self, found: bytes) -> None:
        """Count a file. Keep its non-ASCII bytes as a sample if no earlier file had the same bytes."""
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
        marked: for each codec, the number of files with its byte-order mark.
        utf8: the non-ASCII files that are valid UTF-8.
        other: the non-ASCII files that are not valid UTF-8.
    """

    files: int = 0
    marked: Counter[str] = field(default_factory=Counter)
    utf8: Evidence = field(default_factory=Evidence)
    other: Evidence = field(default_factory=Evidence)

    @property
    def in_question(self) -> Evidence:
        """The files whose encoding must be decided: files that are not valid UTF-8. If all are valid, all files."""
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
