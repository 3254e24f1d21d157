"""Text cleaning (steps of the published BERT + ResNet18 setup), and the key that near-duplicates share."""

import re
import unicodedata
from collections.abc import Collection
from functools import cache

URL = re.compile(r"\bhttps?:?\S*|\bwww\.\S+|\bh(?:tt?)?(?:…|\.\.\.)", re.IGNORECASE)
"""A web address, also one that the tweet limit has cut to `http:/…`, `htt…` or `h…`."""

MENTION = re.compile(r"(?<!\w)@\w+")
RETWEET = re.compile(r"\bRT\b", re.IGNORECASE)
RETWEET_SIGN = re.compile(r"\bRT\b\s*:?")
HASHTAG = re.compile(r"#(\w+)")
WORD_BREAK = re.compile(r"(?<=[a-z])(?=[A-Z])|_|(?<=[A-Za-z])(?=\d)")
"""Word boundaries in a hashtag such as `StopThis_now2`."""

JOINERS = "\u200d\ufe0e\ufe0f"
"""Zero-width joiner and variation selectors, which are left when the symbols of an emoji are removed."""


def clean(text: str, steps: Collection[str]) -> str:
    """Apply cleaning steps, always in the same order, and squeeze white space.

    Args:
        text: Any text.
        steps: Of `config.CLEANING_STEPS`. urls, mentions and retweets (each RT) are removed. hashtags removes the sign
            and splits `#StopThis` into words, which a tokenizer's vocabulary has. symbols removes punctuation, emoji
            and other symbols; letters, digits and the vowel signs of any script stay. stop-words removes
            scikit-learn's English list, which has "not" and "never", so a sentiment model loses negations.
    """
    if "urls" in steps:
        text = URL.sub(" ", text)
    if "mentions" in steps:
        text = MENTION.sub(" ", text)
    if "retweets" in steps:
        text = RETWEET_SIGN.sub(" ", text)
    if "hashtags" in steps:
        text = HASHTAG.sub(lambda match: f" {WORD_BREAK.sub(' ', match[1])}", text)
    if "symbols" in steps:
        text = _without_symbols(text)
    if "lowercase" in steps:
        text = text.lower()
    words = text.split()
    if "stop-words" in steps:
        words = [word for word in words if word.lower() not in _stop_words()]
    return " ".join(words)


def duplicate_key(text: str) -> str:
    """The key of a text: its words, without URLs, mentions, RT, symbols, case and width. Near-duplicates share it.

    It is empty for a text without words; pairs with an empty key are not grouped.
    """
    text = unicodedata.normalize("NFKC", text)
    text = RETWEET.sub(" ", MENTION.sub(" ", URL.sub(" ", text)))
    return " ".join(_without_symbols(text).casefold().split())


def _without_symbols(text: str) -> str:
    return "".join(" " if _is_symbol(character) else character for character in text)


@cache
def _is_symbol(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS" or character in JOINERS


@cache
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return ENGLISH_STOP_WORDS
