"""Scripts of the texts, and the list of pairs to look at."""

import csv
from io import StringIO

import pytest

from mmsent_cli.data.findings import findings_csv
from mmsent_cli.data.language import coverage_note, measure
from mmsent_cli.encoders.inputs import TextInputs, word_tokenizer
from mmsent_cli.results import UnusablePair
from tests.data.builders import make_pair


@pytest.mark.parametrize(
    ("texts", "foreign", "first"),
    [
        (["what a day", "so sad"], 0, "Latin"),
        (["今天天气很好 http://t.co/abcdef @someone", "我不开心 lol"], 2, "Chinese"),
        (["Привет, мир", "hello"], 1, "Cyrillic"),
        (["مرحبا بالعالم"], 1, "Arabic"),
        (["오늘은 좋은 날"], 1, "Korean"),
        (["12345 !!! 😀", ""], 0, None),
        (["naïve café, Ångström"], 0, "Latin"),
    ],
)
def test_the_scripts_of_texts_are_measured(texts, foreign, first):
    coverage = measure(texts, ("urls",))
    assert coverage.foreign == foreign
    assert next(iter(coverage.scripts), None) == first
    assert not coverage.scripts or abs(sum(coverage.scripts.values()) - 1) < 1e-9


def test_english_encoders_warn_about_texts_that_they_cannot_read():
    chinese, mixed = measure(["今天天气很好"] * 3, ()), measure(["今天天气很好"] + ["fine weather"] * 19, ())
    note = coverage_note(chinese, "minilm")
    assert "3 of 3 texts" in note and "Chinese 100 %" in note and "--text-encoder" in note
    for encoder in ("light", "hf:xlm-roberta-base"):
        assert coverage_note(chinese, encoder) == ""
    assert coverage_note(mixed, "minilm") == ""


def test_duplicates_conflicts_and_dropped_pairs_are_listed_by_guid():
    pairs = [make_pair("1", "a", "same words"), make_pair("2", "b", "Same words!"), make_pair("3", "a")]
    pairs += [make_pair("4", "a", digest="x"), make_pair("5", "a", digest="x")]
    unusable = [UnusablePair(guid="9", row="t.csv:9", reason="9.jpg is truncated", outcome="dropped")]
    unusable.append(UnusablePair(guid="", row="pair 1.csv:3", reason="2 columns: too few", outcome="dropped"))
    rows = list(csv.DictReader(StringIO(findings_csv(pairs, unusable))))
    assert [(row["guid"], row["finding"], row["group"], row["tag"]) for row in rows] == [
        ("1", "conflicting tags", "1", "a"),
        ("2", "conflicting tags", "1", "b"),
        ("4", "near-duplicate", "2", "a"),
        ("5", "near-duplicate", "2", "a"),
        ("9", "dropped", "", ""),
        ("pair 1.csv:3", "dropped", "", ""),
    ]
    assert [row["detail"] for row in rows[-2:]] == ["9.jpg is truncated", "2 columns: too few"]
    assert findings_csv([make_pair("1", "a")], []) == ""


def test_unknown_tokens_are_counted():
    inputs = TextInputs(word_tokenizer(("fine", "weather")), 0, 16, ())
    assert inputs.unknown_share(inputs.arrays(["fine weather", "fine 天气"])) == 0.25
    assert inputs.unknown_share(inputs.arrays(["fine"])) == 0.0
