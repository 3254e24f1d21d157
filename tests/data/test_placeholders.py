"""Placeholders: what many pairs share, by hand at each limit."""

import pytest

from mmsent_cli.data.placeholders import IMAGE_SHARE, TEXT_SHARE, placeholder_notes, placeholders
from tests.data.builders import make_pair


@pytest.mark.parametrize(
    ("pairs", "share", "limit"),
    [
        (10, IMAGE_SHARE, 5),
        (40, IMAGE_SHARE, 10),
        (40, TEXT_SHARE, 20),
        (200, IMAGE_SHARE, 20),
        (3000, IMAGE_SHARE, 30),
    ],
)
def test_a_placeholder_has_more_partners_than_the_limit(pairs, share, limit):
    for shared, is_found in ((limit, False), (limit + 1, True)):
        keys = ["x"] * shared + [""] * (pairs - shared)
        assert placeholders(keys, list(map(str, range(pairs))), share) == ({"x": shared} if is_found else {})
    assert placeholders(["x"] * pairs, ["one"] * pairs, share) == {}  # a retweet has one partner


@pytest.mark.parametrize(("shared", "others", "found"), [(5, 1, []), (6, 1, ["6 of 7 pairs"]), (6, 0, ["all pairs"])])
def test_an_image_that_many_pairs_share_is_noted(shared, others, found):
    pairs = [make_pair(f"own{number}", "neutral") for number in range(others)]
    notes = placeholder_notes([*pairs, *(make_pair(str(number), "neutral", digest="A") for number in range(shared))])
    assert [note.partition(" share")[0] for note in notes] == found
    assert all("(that of pair 0)" in note for note in notes)
    assert placeholder_notes([make_pair(str(number), "neutral", "again", "A") for number in range(9)]) == []
