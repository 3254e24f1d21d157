"""Find out in which scripts (Latin, Han, …) texts are written, and whether the text encoder can read them.

An encoder with an English tokenizer turns Chinese or Arabic texts into unknown tokens or single characters. The model's
predictions for such texts are guesses, so a warning is given before the training.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from mmsent_cli.data.text import clean

MOSTLY = 0.5
WARN_SHARE = 0.1
ENGLISH_ENCODERS = frozenset({"minilm", "minilm-layers", "mpnet", "mpnet-layers", "bert", "clip", "twitter-roberta"})
"""Text encoders that were trained on English texts."""
SCRIPTS = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}
"""For the first word in the Unicode name of a letter, the name that mmsent shows. Other first words are shown as they
are."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The scripts (Latin, Han, …) of the letters in texts.

    Attributes:
        texts: number of texts that have letters.
        scripts: for each script, its share of all letters. The most frequent script is first.
        foreign: number of texts in which more than half of the letters are not Latin.
    """

    texts: int
    scripts: dict[str, float]
    foreign: int


def measure(texts: Iterable[str], cleaning: Collection[str]) -> Coverage:
    """Count the letters of each script in texts.

    Args:
        texts: the texts as they are in the data.
        cleaning: the cleaning steps of the text encoder. Links and account names are always removed, since they are
            Latin in every language.
    """
    letters: Counter[str] = Counter()
    count = foreign = 0
    for text in texts:
        found = Counter(script for char in clean(text, {*cleaning, "urls", "mentions"}) if (script := _script(char)))
        total = found.total()
        if total:
            count += 1
            foreign += found["Latin"] < MOSTLY * total
            letters.update(found)
    whole = max(letters.total(), 1)
    return Coverage(count, {script: number / whole for script, number in letters.most_common()}, foreign)


def coverage_note(coverage: Coverage, encoder: str) -> str:
    """Return a warning if an English text encoder gets many texts in other scripts, else an empty string.

    Args:
        coverage: the result of `measure`.
        encoder: the name of the text encoder.
    """
    if encoder not in ENGLISH_ENCODERS or coverage.foreign <= WARN_SHARE * coverage.texts:
        return ""
    others = ", ".join(f"{name} {100 * share:.0f} %" for name, share in coverage.scripts.items() if name != "Latin")
    return (
        f"warning: {coverage.foreign:,} of {coverage.texts:,} texts are not in Latin script ({others} of all letters),"
        f" and the text encoder {encoder} was trained on English; use a multilingual one, such as --text-encoder"
        " hf:xlm-roberta-base (Chinese: hf:bert-base-chinese), or --encoders light, which learns from your texts"
    )


@cache
def _script(char: str) -> str:
    """Return the script of a letter; empty for other characters."""
    if not char.isalpha():
        return ""
    name = unicodedata.name(char, "OTHER").split()[0]
    return SCRIPTS.get(name, name.capitalize())
