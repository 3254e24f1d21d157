"""The plausibility of a decoded text: its log-probability under a small model of written text.

The model is a Markov chain over *kinds* of characters (`kinds.Kind`), times the probability of each character within
its kind. Decoding is one-to-one, so the log-probability of the text is also that of the bytes, and the codecs can be
compared directly. Letters whose frequency depends on the language are scored under the language that fits the whole
text best. Rejected: n-grams per language, which need training data and fail on tweets with a single "…" per file.

The numbers are natural logarithms, set by hand from what text looks like; only their rough size matters.
"""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mmsent_cli.charsets import letters
from mmsent_cli.charsets.kinds import CJK, KINDS, NOT_LETTERS, Kind, Memo, kind_of

# After a space, digit or punctuation mark.
START: dict[Kind, float] = {
    "ascii lower": -0.7, "ascii upper": -1.2, "digit": -2.3, "space": -1.5, "ascii mark": -2.0, "latin lower": -5.0,
    "latin upper": -6.0, "cyrillic lower": -3.5, "cyrillic upper": -4.5, "greek lower": -4.5, "greek upper": -5.0,
    "hebrew": -4.5, "arabic": -4.5, "thai": -4.0, "thai mark": -9.0, "hiragana": -4.0, "katakana": -4.0,
    "half-width katakana": -9.0, "han": -3.7, "hangul": -3.7, "full-width": -6.0, "cjk mark": -4.0,
    "typographic": -3.5, "symbol": -6.0, "emoji": -5.0, "box": -8.0, "other": -8.0, "invalid": -12.0,
}  # fmt: skip
# After a letter, whatever its script.
AFTER_LETTER: dict[Kind, float] = {
    "space": -1.5, "ascii mark": -2.5, "digit": -4.0, "typographic": -3.2, "symbol": -7.0, "emoji": -5.0,
    "box": -9.0, "other": -9.0, "invalid": -12.0,
}  # fmt: skip
# Inside a word or a run of one script: from one kind to the next. These go before the two tables above.
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
SYMBOLS = letters.ranked("★☆♥♡♪→●■◆○※▲▼△▽□◇♬←↑↓√×½´√✔✿")
AFTER_WORD = letters.ranked("…’”—–™®»!°›‘“•€·", offset=0.3)
BEFORE_WORD = letters.ranked("“‘…—–«”’•£€¿¡©·°„»‹‚", offset=2.0)
RARE_PUNCTUATION = -8.5
GREEK = letters.alphabet(letters.LETTERS["greek"])
TABLES: dict[Kind, Mapping[str, float]] = {
    "greek lower": GREEK,
    "greek upper": GREEK,
    "hebrew": letters.alphabet(letters.LETTERS["hebrew"]),
    "arabic": letters.alphabet(letters.LETTERS["arabic"]),
    "thai": letters.alphabet(letters.LETTERS["thai"]),
    "thai mark": letters.ranked(letters.LETTERS["thai_marks"]),
    "hiragana": letters.ranked(letters.LETTERS["hiragana"]),
    "katakana": letters.ranked(letters.LETTERS["katakana"]),
    "cjk mark": letters.ranked(letters.LETTERS["cjk_punctuation"], offset=2.0),
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
"""Scripts that several languages write with different frequencies of their letters."""
LANGUAGES = {
    "latin": {name: letters.ranked(text, offset=2.0) for name, text in letters.LETTERS["latin"].items()},
    "cyrillic": {name: letters.alphabet(text) for name, text in letters.LETTERS["cyrillic"].items()},
}
KANA_IN_CHINESE = -3.0
EM_ROUNDS = 4
CUT_CHARACTER_BONUS = 12.0
"""Damage at the very end of a text is less improbable: texts are cut at a number of bytes, also inside a character."""


class Scored(NamedTuple):
    """The log-probability of a text, in two parts.

    Attributes:
        base: all characters except the letters of scripts that several languages share.
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
    """Score a text by the Markov chain."""
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
    """Return the log-probability of letters in each language of their script. Kana make Chinese improbable."""
    if script != "han":
        return tuple(sum(table.get(char, UNLISTED) for char in chars) for table in LANGUAGES[script].values())
    foreign = KANA_IN_CHINESE * min(kana, len(chars))
    return tuple(
        sum(table.get(char, letters.UNSEEN) for char in chars) + (0.0 if name == "japanese" else foreign)
        for name, table in letters.han().items()
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
    """Return the log-probability of the second kind after the first."""
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
    """Return the log-probability of a character within its kind; 0 if its language or position determines it."""
    kind = KIND_OF[char]
    if kind in SCRIPTS or kind == "typographic":
        return 0.0
    if kind == "hangul":
        return letters.hangul()[char]
    if kind in WITHIN_KIND:
        return WITHIN_KIND[kind]
    return TABLES[kind].get(char.lower(), UNLISTED)


KIND_OF: Memo[Kind] = Memo(kind_of)
STEPS = {previous: {kind: _step(previous, kind) for kind in KINDS} for previous in KINDS}
OWN: Memo[float] = Memo(_own)
