"""What kind of character a character is, as far as the plausibility of decoded text depends on it."""

import unicodedata
from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")

# Kinds: a A ASCII letters, l L accented Latin, c C Cyrillic, g G Greek, h Hebrew, r Arabic, t T Thai letter and mark,
# i hiragana, k katakana, q half-width katakana, z Han, o Hangul, f full-width letter, j CJK punctuation, 0 digit,
# "." ASCII punctuation, " " space, p typographic punctuation, s symbol, e emoji, b box drawing, u other, x bad.
CASED = {"a": "A", "l": "L", "c": "C", "g": "G"}
LETTERS = frozenset("aAlLcCgGhrtTikqzof")
CJK = frozenset("ikzjof")

PUNCTUATION = frozenset("…‘’“”‚„–—‹›«»•·°€£¥™®©¡¿\xa0‐―")
BLOCKS = (
    (0x0370, 0x03FF, "g"), (0x0400, 0x052F, "c"), (0x0590, 0x05FF, "h"), (0x0600, 0x06FF, "r"), (0x0E00, 0x0E7F, "t"),
    (0x2500, 0x259F, "b"), (0x3001, 0x303F, "j"), (0x3041, 0x309F, "i"), (0x30A0, 0x30FF, "k"), (0x3400, 0x4DBF, "z"),
    (0x4E00, 0x9FFF, "z"), (0xAC00, 0xD7A3, "o"), (0xFF61, 0xFF9F, "q"), (0x20000, 0x3FFFF, "z"),
)  # fmt: skip


class Memo(dict[str, V]):
    """A dictionary that computes a missing value once: the scoring loop runs over every decoded character."""

    def __init__(self, compute: Callable[[str], V]) -> None:
        super().__init__()
        self.compute = compute

    def __missing__(self, key: str) -> V:
        value = self[key] = self.compute(key)
        return value


def kind_of(char: str) -> str:
    """The kind of one character, as a letter."""
    code = ord(char)
    if code < 0x80:
        return _ascii_kind(char)
    if char in PUNCTUATION:
        return "p"
    category = unicodedata.category(char)
    if category in ("Cc", "Cn", "Co", "Cs") or char == "\ufffd":
        return "x"
    if 0xFF01 <= code <= 0xFF5E:
        return "f" if char.isalnum() else "j"
    for first, last, kind in BLOCKS:
        if first <= code <= last:
            return _cased(char, category, kind)
    if code == 0x3000:
        return "j"
    if category in ("Ll", "Lu") and code < 0x0250:
        return "l" if category == "Ll" else "L"
    if 0x1F000 <= code <= 0x1FAFF or code in (0x200D, 0xFE0F):
        return "e"
    return "s" if category[0] in "SPNC" or (category in ("Lo", "Lm") and code < 0x0300) else "u"


def _cased(char: str, category: str, kind: str) -> str:
    if kind == "t":
        return "T" if category == "Mn" else "t"
    if category == "Lu" and kind in CASED:
        return CASED[kind]
    return "s" if kind in "cg" and category[0] != "L" else kind


def _ascii_kind(char: str) -> str:
    if char.isalpha():
        return "a" if char.islower() else "A"
    if char.isdigit():
        return "0"
    return " " if char.isspace() else "."
