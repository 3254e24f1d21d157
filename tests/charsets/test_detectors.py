"""The encoding decision beside charset-normalizer: the numbers that the module text of `charsets.decide` states."""

import charset_normalizer

from mmsent_cli.charsets.decide import decide
from tests.charsets.encoding_texts import ENCODED, encoded, misread


def is_same_text(encoding: str | None, documents: list[tuple[str, bytes]], codec: str) -> bool:
    """Whether an encoding gives every document its true text."""
    return encoding is not None and all(
        raw.decode(encoding, errors="replace") == raw.decode(codec) for _, raw in documents
    )


def detect(raw: bytes) -> str | None:
    best = charset_normalizer.from_bytes(raw).best()
    return best.encoding if best else None


def test_the_joined_corpus_is_no_substitute_for_the_vote():
    corpora = [(encoded(*each), each[1]) for each in ENCODED]
    ours = [not misread(decide(documents).decision, documents, codec) for documents, codec in corpora]
    joined = [
        is_same_text(detect(b"\n".join(raw for _, raw in documents)), documents, codec) for documents, codec in corpora
    ]
    assert (sum(ours), sum(joined), len(corpora)) == (23, 19, 23)


def test_a_detector_per_file_misreads_half_of_all_sentences():
    documents = [(each, codec) for name, codec in ENCODED for each in encoded(name, codec) if not each[1].isascii()]
    right = [is_same_text(detect(each[1]), [each], codec) for each, codec in documents]
    assert (sum(right), len(right)) == (112, 212)
