"""The kinds of characters, by the names and categories that Unicode gives them, and the log-probabilities by hand."""

from math import exp, log

import pytest

from mmsent_cli.charsets.plausibility import (
    AFTER_WORD,
    BEFORE_WORD,
    KANA_IN_CHINESE,
    KINDS,
    LETTERS,
    SCRIPTS,
    _levels,
    _mixture,
    _own,
    _step,
    _under_languages,
    alphabet,
    han,
    hangul,
    joint_plausibility,
    kind_of,
    log_plausibility,
    ranked,
)

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", -0.7 - 2.9),
        ("aB", -0.7 - 2.9 - 5.0 - 3.2),
        ("a1", -0.7 - 2.9 - 4.0 - 2.3),
        ("1a ", -2.3 - 2.3 - 0.7 - 2.9 - 1.5 - 0.2),
        ("aｱ", -0.7 - 2.9 - 9.5 - 4.1),  # from one script to another
        ("ｱa", -9.0 - 4.1 - 9.5 - 2.9),
        ("a가", -0.7 - 2.9 - 5.5 + hangul()["가"]),
        ("가a", -3.7 + hangul()["가"] - 4.0 - 2.9),
        ("a\ufffd", -0.7 - 2.9 - 12.0 - 10.0 + 12.0),  # cut inside its last character
        ("\ufffda", -12.0 - 10.0 - 0.7 - 2.9),
        ("“a", -3.5 + BEFORE_WORD["“"] - 0.7 - 2.9),
        ("a“", -0.7 - 2.9 - 3.2 + AFTER_WORD["“"]),
        ("1“", -2.3 - 2.3 - 3.5 + AFTER_WORD["“"]),
        ("a\xa0", -0.7 - 2.9 - 3.2 - 8.5),  # a mark that seldom follows a word
    ],
)
def test_the_log_probability_of_a_text_is_that_of_its_steps_and_characters(text, expected):
    assert log_plausibility(text) == pytest.approx(expected)
    assert joint_plausibility([text, text]) == pytest.approx(2 * expected)


def test_a_step_to_another_script_depends_on_both_kinds():
    """These steps are computed on import: from Latin to Han, from Latin to Greek, and from Han to Latin."""
    kinds = (("ascii lower", "han"), ("ascii upper", "greek lower"), ("han", "ascii lower"))
    assert [_step(*each) for each in kinds] == [-5.5, -9.5, -4.0]


def test_kana_make_han_improbable_in_chinese_alone():
    without, with_kana = (_under_languages("han", "天気", kana) for kana in (0, 3))
    differences = [after - before for before, after in zip(without, with_kana, strict=True)]
    assert differences == pytest.approx([0 if name == "japanese" else 2 * KANA_IN_CHINESE for name in han()])


def test_letters_and_typographic_marks_count_by_language_and_position_alone():
    assert {_own(char) for kind in (*SCRIPTS, "typographic") for char in EXAMPLES[kind]} == {0.0}


def test_frequencies_fall_with_the_rank():
    """1/2 and 1/3 share 0.9; in an alphabet, nine ranks are a factor of e."""
    assert ranked("aba", mass=0.9, offset=1.0) == pytest.approx({"a": log(0.9 * 3 / 5), "b": log(0.9 * 2 / 5)})
    letters = alphabet("abcdefghij")
    assert letters["a"] - letters["j"] == pytest.approx(1)
    assert sum(map(exp, letters.values())) == pytest.approx(0.98)


def test_common_characters_have_half_of_the_probability_and_the_second_level_a_fiftieth():
    weights = {"a": 1 / 31, "b": 1 / 32}
    common = {char: log(0.5 * weight / sum(weights.values())) for char, weight in weights.items()}
    assert _levels("ab", {"a", "c"}, {"d", "e"}) == pytest.approx(
        {**common, "c": log(0.24), "d": log(0.01), "e": log(0.01)}
    )
    others = 2350 - len(set(LETTERS["hangul"]))  # KS X 1001 has 2,350 syllables
    assert sum(map(exp, hangul().values())) == pytest.approx(0.69 + 0.3 * others / 2350 + 0.002)


@pytest.mark.parametrize("languages", [2, 3])
def test_texts_share_their_languages(languages):
    """Six texts of one language: it has 7 of 6 + n shares, by one pseudo-count each. Texts of several: equal shares."""
    of = [tuple(-3.0 if own == language else -90.0 for own in range(languages)) for language in range(languages)]
    assert _mixture(of[:1] * 6) == pytest.approx(6 * (-3 + log(7 / (6 + languages))))
    assert _mixture(of) == pytest.approx(languages * (-3 - log(languages)))
    assert _mixture([(-3.0,) * languages] * 4) == pytest.approx(-12)
