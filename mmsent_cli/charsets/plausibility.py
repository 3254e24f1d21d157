"""The plausibility of a decoded text: its log-probability under a small model of written text.

The probability of a text is a product of two parts: a Markov chain over *kinds* of characters (`Kind`), and the
probability of each character within its kind. Decoding is one-to-one, so the log-probability of the text is also the
log-probability of the bytes, and the codecs can be compared directly. Letters whose frequency depends on the language
are scored under the language that fits the whole text best. Rejected: n-grams per language, which need training data
and fail on tweets with a single "…" per file.

The numbers are natural logarithms. They were set by hand for ordinary text. Only their rough size matters.

The common characters of each language are in small hand-written tables (`letters.json`), the most common first. Source:
general knowledge of each language; no counts were taken from a data set. Two common laws (`ranked`, `alphabet`) convert
the order to frequencies. This is precise enough to tell text from noise. The frequency of other Han characters and
Hangul syllables depends on their place in the national standards GB 2312, Big5, JIS X 0208 and KS X 1001. Python's
codecs contain these standards. The first level of a standard has the common characters.
"""

import functools
import json
import math
import operator
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args

V = TypeVar("V")

Kind = Literal[
    "ascii lower", "ascii upper", "digit", "space", "ascii mark",
    "latin lower", "latin upper",  # with accents; letters without accents are ASCII
    "cyrillic lower", "cyrillic upper", "greek lower", "greek upper", "hebrew", "arabic", "thai", "thai mark",
    "hiragana", "katakana", "half-width katakana", "han", "hangul", "full-width", "cjk mark",
    "typographic", "symbol", "emoji", "box", "other", "invalid",
]  # fmt: skip
"""A `mark` is a punctuation mark, or in Thai a vowel or tone mark; `full-width` are ASCII letters and digits as wide as
a Han character; `typographic` are quotes, dashes and currency signs; `box` are box drawings."""
KINDS: tuple[Kind, ...] = get_args(Kind)

CASED: dict[Kind, Kind] = {"cyrillic lower": "cyrillic upper", "greek lower": "greek upper"}
CJK: frozenset[Kind] = frozenset({"hiragana", "katakana", "han", "cjk mark", "hangul", "full-width"})
NOT_LETTERS: frozenset[Kind] = frozenset(
    {"digit", "space", "ascii mark", "cjk mark", "typographic", "symbol", "emoji", "box", "other", "invalid"}
)

PUNCTUATION = frozenset("…‘’“”‚„–—‹›«»•·°€£¥™®©¡¿\xa0‐―")
BLOCKS: tuple[tuple[int, int, Kind], ...] = (
    (0x0370, 0x03FF, "greek lower"), (0x0400, 0x052F, "cyrillic lower"), (0x0590, 0x05FF, "hebrew"),
    (0x0600, 0x06FF, "arabic"), (0x0E00, 0x0E7F, "thai"), (0x2500, 0x259F, "box"), (0x3001, 0x303F, "cjk mark"),
    (0x3041, 0x309F, "hiragana"), (0x30A0, 0x30FF, "katakana"), (0x3400, 0x4DBF, "han"), (0x4E00, 0x9FFF, "han"),
    (0xAC00, 0xD7A3, "hangul"), (0xFF61, 0xFF9F, "half-width katakana"), (0x20000, 0x3FFFF, "han"),
)  # fmt: skip


class Memo(dict[str, V]):
    """A dictionary that computes a missing value and keeps it, since the same characters are scored many times."""

    def __init__(self, compute: Callable[[str], V]) -> None:
        super().__init__()
        self.compute = compute

    def __missing__(self, key: str) -> V:
        value = self[key] = self.compute(key)
        return value


def kind_of(char: str) -> Kind:
    """Return the kind of a character."""
    code = ord(char)
    if code < 0x80:
        return _ascii_kind(char)
    if char in PUNCTUATION:
        return "typographic"
    category = unicodedata.category(char)
    if category in ("Cc", "Cn", "Co", "Cs") or char == "\ufffd":
        return "invalid"
    if 0xFF01 <= code <= 0xFF5E:
        return "full-width" if char.isalnum() else "cjk mark"
    for first, last, kind in BLOCKS:
        if first <= code <= last:
            return _in_block(kind, category)
    if code == 0x3000:
        return "cjk mark"
    if category in ("Ll", "Lu") and code < 0x0250:
        return "latin lower" if category == "Ll" else "latin upper"
    if 0x1F000 <= code <= 0x1FAFF or code in (0x200D, 0xFE0F):
        return "emoji"
    return "symbol" if category[0] in "SPNC" or (category in ("Lo", "Lm") and code < 0x0300) else "other"


def _in_block(kind: Kind, category: str) -> Kind:
    """Return the kind of a character, from the kind of its Unicode block and from its Unicode category."""
    if kind == "thai":
        return "thai mark" if category == "Mn" else "thai"
    if category == "Lu" and kind in CASED:
        return CASED[kind]
    return "symbol" if kind in CASED and category[0] != "L" else kind


def _ascii_kind(char: str) -> Kind:
    if char.isalpha():
        return "ascii lower" if char.islower() else "ascii upper"
    if char.isdigit():
        return "digit"
    return "space" if char.isspace() else "ascii mark"


LETTERS: dict[str, Any] = json.loads(Path(__file__).with_name("letters.json").read_text(encoding="utf-8"))
"""The common characters of each language, the most frequent first."""

UNSEEN = -16.0
"""Log-probability of a Han character that is in no table."""


def ranked(chars: Iterable[str], mass: float = 0.98, offset: float = 4.0) -> dict[str, float]:
    """Return the log-probabilities of characters in a large character set. `chars` has the most frequent one first.

    The probabilities fall like 1 / (rank + offset) and sum to `mass`.

    Source: Zipf's law with Mandelbrot's offset, which makes the first probabilities more equal.
    """
    return _normalised(chars, mass, lambda rank: 1 / (rank + offset))


def alphabet(chars: Iterable[str], mass: float = 0.98) -> dict[str, float]:
    """Return the log-probabilities of the letters of an alphabet. `chars` has the most frequent letter first.

    The frequency falls by a factor of e (2.72) every 9 ranks. For the Russian letters from о to э, the result differs
    from textbook values by less than a third.
    """
    return _normalised(chars, mass, lambda rank: math.exp(-rank / 9))


def _normalised(chars: Iterable[str], mass: float, weight_of: Callable[[int], float]) -> dict[str, float]:
    weights = {char: weight_of(rank) for rank, char in enumerate(dict.fromkeys(chars), 1)}
    whole = sum(weights.values())
    return {char: math.log(mass * weight / whole) for char, weight in weights.items()}


def _level(codec: str, leads: range, trails: Iterable[int]) -> set[str]:
    """Return all characters of a two-byte codec whose first byte is in `leads` and whose second byte is in `trails`.

    These characters are one level of a national standard. The first level has the common characters.
    """
    trails = tuple(trails)
    rows = (bytes((lead, trail)).decode(codec, errors="ignore") for lead in leads for trail in trails)
    return {char for char in rows if len(char) == 1}


def _levels(common: str, first: set[str], second: set[str]) -> dict[str, float]:
    """Return the log-probabilities of the characters of a language.

    The characters in `common` share half of the probability. The first level of the standard shares 48 %, and the
    second level shares 2 %.
    """
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
    """Return the log-probabilities of Hangul syllables: common syllables, others in KS X 1001, and rare syllables."""
    standard = _level("euc-kr", range(0xB0, 0xC9), range(0xA1, 0xFF))
    rare = {chr(code) for code in range(0xAC00, 0xD7A4)} - standard
    table = dict.fromkeys(rare, math.log(0.002 / len(rare)))
    table.update(dict.fromkeys(standard, math.log(0.3 / len(standard))))
    table.update(ranked(LETTERS["hangul"], mass=0.69, offset=15))
    return table


# After a space, digit or punctuation mark.
START: dict[Kind, float] = {
    "ascii lower": -0.7, "ascii upper": -1.2, "digit": -2.3, "space": -1.5, "ascii mark": -2.0, "latin lower": -5.0,
    "latin upper": -6.0, "cyrillic lower": -3.5, "cyrillic upper": -4.5, "greek lower": -4.5, "greek upper": -5.0,
    "hebrew": -4.5, "arabic": -4.5, "thai": -4.0, "thai mark": -9.0, "hiragana": -4.0, "katakana": -4.0,
    "half-width katakana": -9.0, "han": -3.7, "hangul": -3.7, "full-width": -6.0, "cjk mark": -4.0,
    "typographic": -3.5, "symbol": -6.0, "emoji": -5.0, "box": -8.0, "other": -8.0, "invalid": -12.0,
}  # fmt: skip
# After a letter of any script.
AFTER_LETTER: dict[Kind, float] = {
    "space": -1.5, "ascii mark": -2.5, "digit": -4.0, "typographic": -3.2, "symbol": -7.0, "emoji": -5.0,
    "box": -9.0, "other": -9.0, "invalid": -12.0,
}  # fmt: skip
# From one kind to the next, inside a word or a run of one script. This table overrides the two tables above.
WITHIN: dict[Kind, dict[Kind, float]] = {
    "ascii lower": {"ascii lower": -0.3, "ascii upper": -5.0, "latin lower": -3.5, "latin upper": -8.0},
    "ascii upper": {"ascii lower": -0.5, "ascii upper": -1.0, "latin lower": -4.5, "latin upper": -4.0},
    "latin lower": {"ascii lower": -0.4, "latin lower": -3.5, "ascii upper": -6.0, "latin upper": -8.0},
    "latin upper": {"ascii upper": -1.5, "ascii lower": -1.0, "latin upper": -3.0, "latin lower": -4.5},
    "cyrillic lower": {"cyrillic lower": -0.2, "cyrillic upper": -6.0},
    "cyrillic upper": {"cyrillic lower": -0.5, "cyrillic upper": -0.5},
    "greek lower": {"greek lower": -0.2, "greek upper": -6.0},
    "greek upper": {"greek lower": -0.5, "greek upper": -0.5},
    "hebrew": {"hebrew": -0.2},
    "arabic": {"arabic": -0.2},
    "thai": {"thai": -0.4, "thai mark": -1.5, "space": -3.0},
    "thai mark": {"thai": -0.3, "thai mark": -2.5, "space": -3.0},
    "hangul": {"hangul": -0.3, "cjk mark": -5.0, "han": -6.0},
    "half-width katakana": {"half-width katakana": -0.4},
    "hiragana": {"hiragana": -0.5, "han": -1.5, "katakana": -2.5, "cjk mark": -2.5, "full-width": -5.0, "space": -3.0},
    "katakana": {"katakana": -0.4, "hiragana": -1.7, "han": -2.0, "cjk mark": -2.5, "space": -3.0},
    "han": {
        "hiragana": -1.2, "han": -0.6, "katakana": -2.5, "cjk mark": -2.2, "full-width": -5.0, "hangul": -6.0,
        "space": -3.0,
    },
    "cjk mark": {
        "hiragana": -1.3, "han": -1.2, "katakana": -1.8, "hangul": -3.0, "cjk mark": -2.5, "full-width": -4.0,
        "space": -2.5,
    },
    "full-width": {"full-width": -1.0, "cjk mark": -2.0, "hiragana": -2.0, "han": -2.0},
    "digit": {
        "latin lower": -8.0, "latin upper": -8.0, "cyrillic lower": -5.5, "cyrillic upper": -6.0, "han": -2.5,
        "hiragana": -3.5,
    },
    "symbol": {"symbol": -3.0},
    "emoji": {"emoji": -1.5},
    "box": {"box": -1.5},
    "other": {"other": -1.0},
    "invalid": {"invalid": -8.0},
}  # fmt: skip
ASCII_LETTERS: tuple[Kind, Kind] = ("ascii lower", "ascii upper")
ASIAN: tuple[Kind, ...] = ("hiragana", "katakana", "han", "cjk mark", "hangul", "thai")
OTHER_SCRIPT = -9.5
LATIN_TO_ASIAN = -5.5
CJK_TO_LATIN = -4.0

WITHIN_KIND: dict[Kind, float] = {
    "ascii lower": -2.9, "ascii upper": -3.2, "digit": -2.3, "space": -0.2, "ascii mark": -2.7,
    "half-width katakana": -4.1, "full-width": -4.2, "emoji": -6.5, "box": -4.0, "other": -6.0, "invalid": -10.0,
}  # fmt: skip
SYMBOLS = ranked("★☆♥♡♪→●■◆○※▲▼△▽□◇♬←↑↓√×½´√✔✿")
AFTER_WORD = ranked("…’”—–™®»!°›‘“•€·", offset=0.3)
BEFORE_WORD = ranked("“‘…—–«”’•£€¿¡©·°„»‹‚", offset=2.0)
RARE_PUNCTUATION = -8.5
GREEK = alphabet(LETTERS["greek"])
TABLES: dict[Kind, Mapping[str, float]] = {
    "greek lower": GREEK,
    "greek upper": GREEK,
    "hebrew": alphabet(LETTERS["hebrew"]),
    "arabic": alphabet(LETTERS["arabic"]),
    "thai": alphabet(LETTERS["thai"]),
    "thai mark": ranked(LETTERS["thai_marks"]),
    "hiragana": ranked(LETTERS["hiragana"]),
    "katakana": ranked(LETTERS["katakana"]),
    "cjk mark": ranked(LETTERS["cjk_punctuation"], offset=2.0),
    "symbol": SYMBOLS,
}
UNLISTED = -8.0
SCRIPTS: dict[Kind, str] = {
    "latin lower": "latin",
    "latin upper": "latin",
    "cyrillic lower": "cyrillic",
    "cyrillic upper": "cyrillic",
    "han": "han",
}
"""Scripts that several languages use, with different letter frequencies."""
LANGUAGES = {
    "latin": {name: ranked(text, offset=2.0) for name, text in LETTERS["latin"].items()},
    "cyrillic": {name: alphabet(text) for name, text in LETTERS["cyrillic"].items()},
}
KANA_IN_CHINESE = -3.0
EM_ROUNDS = 4
CUT_CHARACTER_BONUS = 12.0
"""Added to the log-probability of a text that ends with a damaged character, since texts may be cut after some number
of bytes."""


class Scored(NamedTuple):
    """The log-probability of a text, in two parts.

    Attributes:
        base: the log-probability of all characters except the letters of scripts that several languages share.
        languages: for each of these scripts, the log-probability of its letters in each language.
    """

    base: float
    languages: Mapping[str, tuple[float, ...]]


def log_plausibility(text: str) -> float:
    """Return the natural log-probability of a text. Closer to 0 is more plausible; longer texts have lower values."""
    scored = score_text(text)
    return scored.base + sum(map(max, scored.languages.values()))


def joint_plausibility(texts: Iterable[str]) -> float:
    """Return the natural log-probability of many texts that are in a few languages.

    A single "é" or "č" fits some language under any encoding. All texts together fit a few languages only if the
    encoding is right.
    """
    scored = [score_text(text) for text in texts]
    scripts = sorted({script for each in scored for script in each.languages})
    found = ([each.languages[script] for each in scored if script in each.languages] for script in scripts)
    return sum(each.base for each in scored) + sum(map(_mixture, found))


def score_text(text: str) -> Scored:
    """Compute the log-probability of a text under the Markov chain."""
    total, kana = 0.0, 0
    previous: Kind = "space"
    found: dict[str, list[str]] = {}
    for char in text:
        kind = KIND_OF[char]
        total += STEPS[previous][kind] + (_typographic(char, previous) if kind == "typographic" else OWN[char])
        if kind in SCRIPTS:
            found.setdefault(SCRIPTS[kind], []).append(char.lower())
        kana += kind in ("hiragana", "katakana")
        previous = kind
    if text.endswith("\ufffd"):
        total += CUT_CHARACTER_BONUS
    return Scored(total, {script: _under_languages(script, chars, kana) for script, chars in found.items()})


def _under_languages(script: str, chars: Sequence[str], kana: int) -> tuple[float, ...]:
    """Return the log-probability of letters in each language that uses their script.

    `kana` is the number of Japanese syllable characters in the text. They make Chinese improbable.
    """
    if script != "han":
        return tuple(sum(table.get(char, UNLISTED) for char in chars) for table in LANGUAGES[script].values())
    foreign = KANA_IN_CHINESE * min(kana, len(chars))
    return tuple(
        sum(table.get(char, UNSEEN) for char in chars) + (0.0 if name == "japanese" else foreign)
        for name, table in han().items()
    )


def _mixture(rows: Sequence[tuple[float, ...]]) -> float:
    """Return the log-probability of texts under a mixture of languages, whose shares are fitted to the texts.

    Source: expectation maximisation for mixture weights; one pseudo-count per language keeps every share above 0.
    """
    tops = [max(row) for row in rows]
    scaled = [[math.exp(value - top) for value in row] for row, top in zip(rows, tops, strict=True)]
    count = len(rows[0])
    shares = [1 / count] * count
    for _ in range(EM_ROUNDS):
        fitted = [1.0] * count
        for row in scaled:
            weights = [share * value for share, value in zip(shares, row, strict=True)]
            whole = sum(weights)
            fitted = [mass + weight / whole for mass, weight in zip(fitted, weights, strict=True)]
        shares = [mass / (len(rows) + count) for mass in fitted]
    return sum(tops) + sum(math.log(sum(map(operator.mul, shares, row))) for row in scaled)


def _typographic(char: str, previous: Kind) -> float:
    is_after_word = previous not in NOT_LETTERS or previous in ("digit", "ascii mark", "typographic")
    return (AFTER_WORD if is_after_word else BEFORE_WORD).get(char, RARE_PUNCTUATION)


def _step(previous: Kind, kind: Kind) -> float:
    """Return the log-probability that a character of the second kind follows one of the first kind."""
    if kind in WITHIN.get(previous, {}):
        return WITHIN[previous][kind]
    if previous in NOT_LETTERS:
        return START[kind]
    if kind in AFTER_LETTER:
        return AFTER_LETTER[kind]
    if previous in CJK and kind in ASCII_LETTERS:
        return CJK_TO_LATIN
    return LATIN_TO_ASIAN if previous in ASCII_LETTERS and kind in ASIAN else OTHER_SCRIPT


def _own(char: str) -> float:
    """Return the log-probability of a character within its kind.

    The result is 0 if the probability depends on the language or the position. In this case, `score_text` adds the
    log-probability.
    """
    kind = KIND_OF[char]
    if kind in SCRIPTS or kind == "typographic":
        return 0.0
    if kind == "hangul":
        return hangul()[char]
    if kind in WITHIN_KIND:
        return WITHIN_KIND[kind]
    return TABLES[kind].get(char.lower(), UNLISTED)


KIND_OF: Memo[Kind] = Memo(kind_of)
STEPS = {previous: {kind: _step(previous, kind) for kind in KINDS} for previous in KINDS}
OWN: Memo[float] = Memo(_own)
