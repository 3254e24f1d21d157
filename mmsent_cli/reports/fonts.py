"""Fonts for names in any script, found among those installed.

matplotlib keeps a list of fonts from its first start, so a font that was installed later is missing from the list. The
system is therefore searched again where the listed fonts lack a letter. A name that no font can show is numbered in
figures, and a note of the report has the name.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

DEFAULT = "DejaVu Sans"
PREFERRED = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC", "PingFang HK", "SimHei"),
    *("Hiragino Sans GB", "Hiragino Sans", "Heiti SC", "Heiti TC", "STHeiti", "SimSun", "Yu Gothic", "Meiryo"),
    *("Noto Sans CJK KR", "Malgun Gothic", "Apple SD Gothic Neo", "NanumGothic"),
    *("Noto Sans Arabic", "Noto Naskh Arabic", "Geeza Pro", "Noto Sans Devanagari", "Nirmala UI", "Mangal"),
    *("Noto Sans Hebrew", "Noto Sans Thai", "Noto Sans", "Segoe UI", "Tahoma", "Arial Unicode MS", "FreeSans"),
)
"""Tried in this order; then all other installed families."""
SYMBOLS_ONLY = {"STIXNonUnicode", ".LastResort", "LastResort", "Last Resort High-Efficiency"}
"""Families whose outlines are not those of the characters."""
NEVER_DRAWN = {"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"}
"""Categories of characters that may lack a glyph of their own: control, format, combining marks, separators."""


def drawable(names: Sequence[str]) -> list[str]:
    """Return the names as figures show them: a name with a letter that no installed font has becomes its number, from
    1.
    """
    lacking = set(undrawable(names))
    return [str(number) if name in lacking else name for number, name in enumerate(names, start=1)]


def undrawable(names: Sequence[str]) -> list[str]:
    """Return the names with a letter that no installed font has."""
    return [name for name in names if _choose(name)[1]]


def families_for(names: Sequence[str]) -> list[str]:
    """Return the default font, and the installed fonts with the letters that it lacks."""
    return list(dict.fromkeys((DEFAULT, *(family for name in names for family in _choose(name)[0]))))


def missing_note(names: Sequence[str]) -> str:
    """Return what the numbers in figures stand for; empty where every name can be drawn."""
    lacking = undrawable(names)
    if not lacking:
        return ""
    numbered = ", ".join(f"{names.index(name) + 1} is {name}" for name in lacking)
    return f"no installed font has all letters of these names, so figures show their numbers: {numbered}"


@cache
def _choose(name: str) -> tuple[tuple[str, ...], bool]:
    """The families that add letters the default font lacks, and whether a letter is in none of them."""
    wanted = {ord(letter) for letter in name if unicodedata.category(letter) not in NEVER_DRAWN}
    wanted -= _letters(DEFAULT)
    chosen: list[str] = []
    for is_searched in (False, True):
        for family in _families(is_searched) if wanted else ():
            found = wanted & _letters(family)
            if found:
                chosen.append(family)
                wanted -= found
            if not wanted:
                break
    return tuple(chosen), bool(wanted)


@cache
def _families(is_searched: bool) -> tuple[str, ...]:
    """Installed families, preferred ones first: those that matplotlib lists, or after a search of the system."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    if is_searched:
        for path in sorted(set(font_manager.findSystemFonts()) - {entry.fname for entry in manager.ttflist}):
            try:
                manager.addfont(path)
            except (OSError, RuntimeError, ValueError):
                continue  # no font that matplotlib can read, such as one of bitmaps
    installed = {entry.name for entry in manager.ttflist} - SYMBOLS_ONLY
    return (
        *(name for name in PREFERRED if name in installed),
        *sorted(name for name in installed if name not in PREFERRED),
    )


@cache
def _letters(family: str) -> frozenset[int]:
    """The code points for which a family has outlines; none where its file cannot be read."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    entries = [entry for entry in font_manager.fontManager.ttflist if entry.name == family]
    upright = sorted(entries, key=lambda entry: (entry.style != "normal", entry.weight != 400))
    try:
        font = FT2Font(upright[0].fname)
    except (OSError, RuntimeError, ValueError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()
