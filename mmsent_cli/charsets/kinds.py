"""The kinds of characters that the model of plausible text distinguishes."""

import unicodedata
from collections.abc import Callable
from typing import Literal, TypeVar, get_args

V = TypeVar("V")

Kind = Literal[
    "ascii lower", "ascii upper", "digit", "space", "ascii mark",
    "latin lower", "latin upper",  # with accents: those without are ASCII
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
    """A dictionary that computes missing values and keeps them, since the same characters are scored many times."""

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
    """Return the kind of a character in a Unicode block, by its category."""
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
