"""How plausible a decoded text is: the log-probability of its characters under a small model of written text.

The model is a Markov chain over *kinds* of character (Latin letter, accented letter, Cyrillic, Han, typographic
punctuation, box drawing, …) times the probability of each character within its kind. Decoding is one-to-one, so
the log-probability of the whole text is that of the bytes under an encoding, and totals can be compared directly:
an encoding that explains two bytes with one rare character is weighed fairly against one that needs two common ones.
Chosen over per-language n-grams, which need training data and fail on tweets whose evidence is one "…" per file.
Letters whose frequency depends on the language are scored under the language that fits the whole text best.

The numbers are natural logarithms, set by hand from what text looks like; only their rough size matters.
"""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mmsent_cli.charsets import letters
from mmsent_cli.charsets.kinds import CJK, LETTERS, Memo, kind_of

# After a space, digit or punctuation mark.
START = {
    "a": -0.7, "A": -1.2, "0": -2.3, " ": -1.5, ".": -2.0, "l": -5.0, "L": -6.0, "c": -3.5, "C": -4.5, "g": -4.5,
    "G": -5.0, "h": -4.5, "r": -4.5, "t": -4.0, "T": -9.0, "i": -4.0, "k": -4.0, "q": -9.0, "z": -3.7, "o": -3.7,
    "f": -6.0, "j": -4.0, "p": -3.5, "s": -6.0, "e": -5.0, "b": -8.0, "u": -8.0, "x": -12.0,
}  # fmt: skip
# After a letter, whatever its script.
AFTER_LETTER = {" ": -1.5, ".": -2.5, "0": -4.0, "p": -3.2, "s": -7.0, "e": -5.0, "b": -9.0, "u": -9.0, "x": -12.0}
# Inside a word or a run of one script.
WITHIN = {
    "aa": -0.3, "aA": -5.0, "Aa": -0.5, "AA": -1.0, "al": -3.5, "la": -0.4, "ll": -3.5, "Al": -4.5, "AL": -4.0,
    "LA": -1.5, "La": -1.0, "LL": -3.0, "aL": -8.0, "lA": -6.0, "lL": -8.0, "Ll": -4.5,
    "cc": -0.2, "Cc": -0.5, "CC": -0.5, "cC": -6.0, "gg": -0.2, "Gg": -0.5, "GG": -0.5, "gG": -6.0,
    "hh": -0.2, "rr": -0.2, "tt": -0.4, "tT": -1.5, "Tt": -0.3, "TT": -2.5, "oo": -0.3, "qq": -0.4,
    "ii": -0.5, "iz": -1.5, "zi": -1.2, "zz": -0.6, "kk": -0.4, "ki": -1.7, "ik": -2.5, "kz": -2.0, "zk": -2.5,
    "ij": -2.5, "kj": -2.5, "zj": -2.2, "oj": -5.0, "ji": -1.3, "jz": -1.2, "jk": -1.8, "jo": -3.0, "jj": -2.5,
    "ff": -1.0, "fj": -2.0, "jf": -4.0, "fi": -2.0, "fz": -2.0, "if": -5.0, "zf": -5.0, "oz": -6.0, "zo": -6.0,
    "ss": -3.0, "ee": -1.5, "bb": -1.5, "uu": -1.0, "xx": -8.0, "T ": -3.0, "t ": -3.0, "i ": -3.0, "k ": -3.0,
    "z ": -3.0, "j ": -2.5, "0l": -8.0, "0L": -8.0, "0c": -5.5, "0C": -6.0, "0z": -2.5, "0i": -3.5,
}  # fmt: skip
OTHER_SCRIPT = -9.5
LATIN_TO_CJK = -5.5
CJK_TO_LATIN = -4.0

WITHIN_KIND = {
    "a": -2.9, "A": -3.2, "0": -2.3, " ": -0.2, ".": -2.7, "q": -4.1, "f": -4.2, "e": -6.5, "b": -4.0,
    "u": -6.0, "x": -10.0,
}  # fmt: skip
SYMBOLS = letters.ranked("★☆♥♡♪→●■◆○※▲▼△▽□◇♬←↑↓√×½´√✔✿")
AFTER_WORD = letters.ranked("…’”—–™®»!°›‘“•€·", offset=0.3)
BEFORE_WORD = letters.ranked("“‘…—–«”’•£€¿¡©·°„»‹‚", offset=2.0)
RARE_PUNCTUATION = -8.5
TABLES: Mapping[str, Mapping[str, float]] = {
    "g": letters.alphabet(letters.GREEK),
    "h": letters.alphabet(letters.HEBREW),
    "r": letters.alphabet(letters.ARABIC),
    "t": letters.alphabet(letters.THAI),
    "T": letters.ranked(letters.THAI_MARKS),
    "i": letters.ranked(letters.HIRAGANA),
    "k": letters.ranked(letters.KATAKANA),
    "j": letters.ranked(letters.CJK_PUNCTUATION, offset=2.0),
    "s": SYMBOLS,
}
UNLISTED = -8.0
LANGUAGES = {
    "l": {name: letters.ranked(text, offset=2.0) for name, text in letters.LATIN.items()},
    "c": {name: letters.alphabet(text) for name, text in letters.CYRILLIC.items()},
}
KANA_IN_CHINESE = -3.0
EM_ROUNDS = 4
# Damage at the very end is less of a surprise: texts are cut to a number of bytes, also inside a character.
CUT_CHARACTER = 12.0


class Weighed(NamedTuple):
    """A text's log-probability without its letters' languages, and those letters under each language.

    `languages` maps a family of languages (l Latin, c Cyrillic, z Han) to one log-probability a language.
    """

    base: float
    languages: Mapping[str, tuple[float, ...]]


def log_plausibility(text: str) -> float:
    """Natural log-probability of one text; closer to 0 is more plausible, and longer texts lie lower."""
    weighed = weigh(text)
    return weighed.base + sum(map(max, weighed.languages.values()))


def joint_plausibility(texts: Iterable[str]) -> float:
    """Natural log-probability of many texts that share a few languages.

    A single "é" or "č" fits some language whatever the encoding; that all of a corpus fits one is the evidence.
    """
    weighed = [weigh(text) for text in texts]
    families = {family for each in weighed for family in each.languages}
    found = ([each.languages[family] for each in weighed if family in each.languages] for family in families)
    return sum(each.base for each in weighed) + sum(map(_mixture, found))


def weigh(text: str) -> Weighed:
    """Run the chain over a text once."""
    total, previous, kana = 0.0, " ", 0
    found: dict[str, list[str]] = {}
    for char in text:
        kind = KINDS[char]
        total += STEPS[previous + kind] + (_mark(char, previous) if kind == "p" else OWN[char])
        if kind in FAMILY:
            found.setdefault(FAMILY[kind], []).append(char.lower())
        kana += kind in "ik"
        previous = kind
    if text.endswith("\ufffd"):
        total += CUT_CHARACTER
    return Weighed(total, {family: _under_languages(family, chars, kana) for family, chars in found.items()})


def _under_languages(family: str, chars: Sequence[str], kana: int) -> tuple[float, ...]:
    tables = letters.han() if family == "z" else LANGUAGES[family]
    floor = letters.UNSEEN if family == "z" else UNLISTED
    foreign = KANA_IN_CHINESE * min(kana, len(chars)) if family == "z" else 0.0
    return tuple(
        sum(table.get(char, floor) for char in chars) + (0.0 if name == "japanese" else foreign)
        for name, table in tables.items()
    )


def _mixture(rows: Sequence[tuple[float, ...]]) -> float:
    """Log-probability of texts under a mixture of languages whose shares are fitted to them.

    Source: expectation maximisation for mixture weights; one pseudo-count a language keeps every share above 0.
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


def _mark(char: str, previous: str) -> float:
    table = AFTER_WORD if previous in LETTERS or previous in "0.p" else BEFORE_WORD
    return table.get(char, RARE_PUNCTUATION)


def _step(pair: str) -> float:
    """Log-probability of the second kind after the first."""
    previous, kind = pair
    if pair in WITHIN:
        return WITHIN[pair]
    if previous not in LETTERS:
        return START[kind]
    if kind in AFTER_LETTER:
        return AFTER_LETTER[kind]
    if previous in CJK and kind in "aA":
        return CJK_TO_LATIN
    return LATIN_TO_CJK if previous in "aA" and kind in "ikzjot" else OTHER_SCRIPT


def _own(char: str) -> float:
    """Log-probability of a character within its kind; 0 where the language decides or the place does."""
    kind = KINDS[char]
    if kind in FAMILY or kind == "p":
        return 0.0
    if kind == "o":
        return letters.hangul()[char]
    if kind in WITHIN_KIND:
        return WITHIN_KIND[kind]
    return TABLES["g" if kind == "G" else kind].get(char.lower(), UNLISTED)


FAMILY = {"l": "l", "L": "l", "c": "c", "C": "c", "z": "z"}
KINDS = Memo(kind_of)
STEPS = Memo(_step)
OWN = Memo(_own)
