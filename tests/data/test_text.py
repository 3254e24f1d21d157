"""Cleaning steps, and which texts count as near-duplicates."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsent_cli.config import CLEANING_STEPS
from mmsent_cli.data.text import clean, duplicate_key

TWEET = "RT @Ann_B:  So   HAPPY :) 😀\u200d👍 don't miss http://t.co/Ab1… हिन्दी\n"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), "RT @Ann_B: So HAPPY :) 😀\u200d👍 don't miss http://t.co/Ab1… हिन्दी"),
        (("lowercase",), "rt @ann_b: so happy :) 😀\u200d👍 don't miss http://t.co/ab1… हिन्दी"),
        (("urls",), "RT @Ann_B: So HAPPY :) 😀\u200d👍 don't miss हिन्दी"),
        (("mentions",), "RT : So HAPPY :) 😀\u200d👍 don't miss http://t.co/Ab1… हिन्दी"),
        (("retweets",), "@Ann_B: So HAPPY :) 😀\u200d👍 don't miss http://t.co/Ab1… हिन्दी"),
        (("symbols",), "RT Ann B So HAPPY don t miss http t co Ab1 हिन्दी"),
        (("stop-words",), "RT @Ann_B: HAPPY :) 😀\u200d👍 don't miss http://t.co/Ab1… हिन्दी"),
        (CLEANING_STEPS, "happy don t miss हिन्दी"),
    ],
)
def test_each_step_removes_its_own_and_no_more(steps, expected):
    assert clean(TWEET, steps) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#StopThisNow", "Stop This Now"),
        ("so#happy2day", "so happy 2day"),
        ("#the_end, #NASA", "the end, NASA"),
        ("a # alone", "a # alone"),
    ],
)
def test_hashtags_become_words(text, expected):
    assert clean(text, ("hashtags",)) == expected


def test_rt_is_removed_as_a_word_only():
    assert clean("RT @ann: START now, RT: stop", ("retweets",)) == "@ann: START now, stop"


@given(st.text(), st.sets(st.sampled_from(CLEANING_STEPS)))
def test_cleaning_squeezes_white_space_and_needs_no_second_pass_for_it(text, steps):
    cleaned = clean(text, steps)
    assert cleaned == " ".join(cleaned.split())


SAME = "good morning everyone"


@pytest.mark.parametrize(
    "text",
    [
        "RT @ann: Good morning, everyone! http://t.co/a1",
        "good   MORNING\neveryone… https://t…",
        "Good morning everyone htt…",
        "@bob @ann Good morning everyone www.example.org/x",
        "Ｇｏｏｄ morning everyone 😀",
        "RT @ann: RT @bob: good morning everyone",
    ],
)
def test_reposts_share_a_key(text):
    assert duplicate_key(text) == SAME


def test_other_words_have_another_key():
    assert duplicate_key("good morning, someone") != SAME
    assert duplicate_key("art of starting hearts") == "art of starting hearts"


@pytest.mark.parametrize("text", ["", "http://t.co/a http://t.co/b", "RT @ann: ???", "😀 !!", "http:/…"])
def test_texts_without_words_have_no_key(text):
    assert duplicate_key(text) == ""


@example("good @é morning")
@given(st.text())
def test_composed_and_decomposed_texts_share_a_key(text):
    assert duplicate_key(unicodedata.normalize("NFC", text)) == duplicate_key(unicodedata.normalize("NFD", text))
