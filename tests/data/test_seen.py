"""Training pairs are recognised by digests of text and image."""

from dataclasses import replace

import numpy as np
import pytest

from mmsent_cli.data.seen import NEAR, NEW, SEEN, VALIDATED, SeenPairs
from tests.data.builders import TAGS, make_pair


def pair(guid, text, digest, tag="neutral"):
    return make_pair(guid, tag, text, digest)


A, B = "a" * 32, "b" * 32


def test_a_pair_is_seen_near_or_new():
    training = [pair("1", "a fine day http://x.y", A), pair("2", "rain", B), replace(pair("3", "sun", ""), image=None)]
    seen = SeenPairs.of(training, TAGS)
    asked = {
        SEEN: [pair("x", "@you A fine day!", A), replace(pair("x", "sun", ""), image=None)],
        NEAR: [pair("x", "a fine day", B), pair("x", "something", A), pair("x", "sun", "c" * 32)],
        NEW: [pair("x", "something", "c" * 32), pair("x", "", "c" * 32), replace(pair("x", "snow", ""), image=None)],
    }
    for relation, pairs in asked.items():
        assert seen.relation(pairs).tolist() == [relation] * len(pairs)


def test_validation_pairs_have_a_record_of_their_own():
    trained, validated = pair("1", "one", A), pair("2", "two", B)
    seen = SeenPairs.of([trained], TAGS, [validated])
    assert seen.relation([trained, validated]).tolist() == [SEEN, VALIDATED]
    assert seen.validation.relation([trained, validated]).tolist() == [NEW, SEEN]


def test_the_record_survives_as_arrays():
    seen = SeenPairs.of([pair("1", "two words", A, "positive"), pair("2", "", B)], TAGS)
    again = SeenPairs.from_arrays(seen.arrays(), len(TAGS))
    assert (again.classes.tolist(), again.words.tolist()) == ([2, 1], [2, 0])
    sizes = {"texts": np.int64, "images": np.int64, "classes": np.int32, "words": np.int32}
    assert {name: array.dtype for name, array in seen.arrays().items()} == sizes
    assert again.relation([pair("9", "two words", A)]).tolist() == [SEEN]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("classes", [-1, 0]),
        ("classes", [0, len(TAGS)]),
        ("classes", [0.5, 1.0]),
        ("words", [1]),
        ("words", [1, -1]),
        ("texts", [[1], [2]]),
        ("images", "abc"),
    ],
)
def test_a_damaged_record_is_refused(name, values):
    arrays = SeenPairs.of([pair("1", "two words", A), pair("2", "", B)], TAGS).arrays()
    with pytest.raises(ValueError, match="unusable"):
        SeenPairs.from_arrays({**arrays, name: np.array(values)}, len(TAGS))
