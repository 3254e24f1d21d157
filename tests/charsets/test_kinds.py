"""The kinds of characters, by the names and categories that Unicode gives them."""

import pytest

from mmsent_cli.charsets.plausibility import KINDS, kind_of

EXAMPLES = {
    "ascii lower": "az",
    "ascii upper": "AZ",
    "digit": "09",
    "space": " \n\t",
    "ascii mark": "!~_",
    "latin lower": "ßàɏ",  # ɏ is the last letter of Latin Extended-B
    "latin upper": "ÀČ",
    "cyrillic lower": "яѐ",
    "cyrillic upper": "ЯЀ",
    "greek lower": "αω",
    "greek upper": "ΑΩ",
    "hebrew": "אש",
    "arabic": "اع",
    "thai": "กา",
    "thai mark": "\u0e31\u0e49",
    "hiragana": "あん",
    "katakana": "カー",
    "half-width katakana": "ｱﾝ",
    "han": "漢㐀𠀀",
    "hangul": "가힣",
    "full-width": "Ａ９",
    "cjk mark": "、。\u3000！",
    "typographic": "…”–€\xa0",
    "symbol": "×²ª΄ʰ←\U0001fb00",
    "emoji": "😀🀀\u200d\ufe0f",
    "box": "─█",
    "other": "ɐी",  # a phonetic letter and a vowel sign of Devanagari
    "invalid": "\x80\x9f\ue000\ufffd\u0378",
}


def test_every_kind_has_an_example():
    assert set(EXAMPLES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_a_character(kind):
    assert {char: kind_of(char) for char in EXAMPLES[kind]} == dict.fromkeys(EXAMPLES[kind], kind)
