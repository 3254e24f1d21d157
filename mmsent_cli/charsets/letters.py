"""The common characters of each language, from small hand-written tables (`letters.json`).

Source: general knowledge of each language, most common characters first; no counts were taken from a data set. The
frequencies follow from the order by two common laws (`ranked`, `alphabet`); this is precise enough to tell text from
noise. Other Han characters and Hangul syllables get their frequency from the national standards, whose first level has
the common characters: GB 2312, Big5, JIS X 0208, KS X 1001 (by Python's codecs).
"""

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

LETTERS: dict[str, Any] = json.loads(Path(__file__).with_name("letters.json").read_text(encoding="utf-8"))
"""The common characters of each language, the most frequent first."""

UNSEEN = -16.0
"""Log-probability of a Han character in no table."""


def ranked(chars: Iterable[str], mass: float = 0.98, offset: float = 4.0) -> dict[str, float]:
    """Return log-probabilities of characters given in order of frequency, for large sets of characters.

    The probabilities fall like 1 / (rank + offset) and sum to `mass`.

    Source: Zipf's law with Mandelbrot's offset, which flattens the head.
    """
    return _normalised(chars, mass, lambda rank: 1 / (rank + offset))


def alphabet(chars: Iterable[str], mass: float = 0.98) -> dict[str, float]:
    """Return log-probabilities of the letters of an alphabet, whose frequencies fall exponentially with the rank.

    The frequency falls by a factor of e in 9 ranks; for Russian о to э this is within a third of textbook values.
    """
    return _normalised(chars, mass, lambda rank: math.exp(-rank / 9))


def _normalised(chars: Iterable[str], mass: float, weight_of: Callable[[int], float]) -> dict[str, float]:
    weights = {char: weight_of(rank) for rank, char in enumerate(dict.fromkeys(chars), 1)}
    whole = sum(weights.values())
    return {char: math.log(mass * weight / whole) for char, weight in weights.items()}


def _level(codec: str, leads: range, trails: Iterable[int]) -> set[str]:
    """Return all characters of a two-byte codec between two lead bytes: one level of a national standard."""
    trails = tuple(trails)
    rows = (bytes((lead, trail)).decode(codec, errors="ignore") for lead in leads for trail in trails)
    return {char for char in rows if len(char) == 1}


def _levels(common: str, first: set[str], second: set[str]) -> dict[str, float]:
    """Give half of the probability to the hand-written characters, and nearly all of the rest to the first level."""
    table = dict.fromkeys(second, math.log(0.02 / len(second)))
    table.update(dict.fromkeys(first, math.log(0.48 / len(first))))
    table.update(ranked(common, mass=0.5, offset=30))
    return table


@functools.cache
def han() -> Mapping[str, Mapping[str, float]]:
    """Return the log-probabilities of Han characters in each language."""
    high = range(0xA1, 0xFF)
    big5_trails = (*range(0x40, 0x7F), *high)
    return {
        "simplified": _levels(
            LETTERS["simplified"], _level("gb2312", range(0xB0, 0xD8), high), _level("gb2312", range(0xD8, 0xF8), high)
        ),
        "traditional": _levels(
            LETTERS["traditional"],
            _level("big5", range(0xA4, 0xC7), big5_trails),
            _level("big5", range(0xC9, 0xFA), big5_trails),
        ),
        "japanese": _levels(
            LETTERS["kanji"], _level("euc-jp", range(0xB0, 0xD0), high), _level("euc-jp", range(0xD0, 0xF5), high)
        ),
    }


@functools.cache
def hangul() -> Mapping[str, float]:
    """Return the log-probabilities of Hangul syllables: common ones, others of KS X 1001, and rare ones."""
    standard = _level("euc-kr", range(0xB0, 0xC9), range(0xA1, 0xFF))
    rare = {chr(code) for code in range(0xAC00, 0xD7A4)} - standard
    table = dict.fromkeys(rare, math.log(0.002 / len(rare)))
    table.update(dict.fromkeys(standard, math.log(0.3 / len(standard))))
    table.update(ranked(LETTERS["hangul"], mass=0.69, offset=15))
    return table
