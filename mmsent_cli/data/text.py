"""Clean texts, and compute the key by which near-duplicate texts are found."""

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

WORDLESS = ("urls", "mentions", "retweets")
"""Cleaning steps that remove links, account names and RT."""

JOINERS = "\u200d\ufe0e\ufe0f"
"""Zero-width joiner and variation selectors, which remain after the symbols of an emoji are removed."""

INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Characters that print nothing: controls, zero-width spaces and joiners, directions, variation selectors, fillers."""


def visible(text: str) -> str:
    """Remove characters that are invisible when printed. White space is kept."""
    return text if text.isascii() and text.isprintable() else INVISIBLE.sub("", text)


def clean(text: str, steps: Collection[str]) -> str:
    """Apply cleaning steps in a fixed order, and reduce white space to single spaces.

    Args:
        text: any text.
        steps: names from `config.CLEANING_STEPS`. `urls`, `mentions` and `retweets` remove URLs, account names and RT.
            `hashtags` splits `#StopThis` into words, which are in a tokenizer's vocabulary. `symbols` removes
            punctuation, emoji and other symbols; letters, digits and vowel signs of any script are kept. `stop-words`
            removes scikit-learn's English stop words; these include "not" and "never", which matter for sentiment.
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


def says_nothing(text: str, steps: Collection[str]) -> bool:
    """Return True if a text has no visible characters besides links, account names and RT.

    Links do not count, even for a model that reads them.

    Args:
        text: any text.
        steps: the cleaning steps of the model. Characters that these steps remove do not count either.
    """
    return not visible(clean(text, {*WORDLESS, *steps})).strip()


def duplicate_key(text: str) -> str:
    """Return a key that is equal for near-duplicate texts: the words in lower case, without URLs, mentions and symbols.

    The key is empty for a text without words; pairs with an empty key are not grouped.
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
