"""Tags: one class for each meaning, whatever its spelling; nothing is renamed, merged or left out without its count."""

import pytest

from mmsent_cli.config import DataConfig
from mmsent_cli.data.layouts import labelled_rows, locate
from mmsent_cli.data.tables import Report
from mmsent_cli.data.tags import merged_judgement, tag_key, tag_or_none
from mmsent_cli.data.text import visible
from mmsent_cli.errors import ConfigError, DataError


def read(tmp_path, tags, **config):
    path = tmp_path / "pairs.tsv"
    lines = [f"{n}\ttext {n}\t{n}.jpg\t{tag}\n" for n, tag in enumerate(tags)]
    path.write_text("guid\ttext\timage\ttag\n" + "".join(lines), encoding="utf-8")
    report = Report()
    return [row.tag for row in labelled_rows(locate(str(path)), DataConfig(**config), report)], report


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "<NA>", "null", "None", "#N/A", "N/A", "NA", "", " \u200b", "(null)", "NaT"]
)
def test_a_word_for_a_missing_value_is_no_tag(tmp_path, word):
    tags, report = read(tmp_path, ["0", "1"] * 3 + [word] * 2)
    assert set(tags) == {"0", "1"} and report.skipped == {"without a tag": 2}
    assert bool(report.remarks) == bool(word.strip(" \u200b") and word != "null")
    assert tag_or_none(word, (word,)) == (word if word.strip(" \u200b") else None)


@pytest.mark.parametrize(
    "spellings",
    [
        ("Negative", "NEGATIVE", "negative"),
        (" negative ", "negative\u200b", "\ufeffnegative"),
        ("ｎｅｇａｔｉｖｅ", "Negative", "nega\u00adtive"),
        ("negative\u00a0", "negative\u3000", "negative"),
    ],
)
def test_spellings_of_one_class_are_merged_with_their_counts(tmp_path, spellings):
    tags, report = read(tmp_path, [*spellings, "positive", "positive"])
    assert tags == ["negative"] * 3 + ["positive"] * 2
    written = {visible(spelling).strip() for spelling in spellings}
    assert any("one class" in note and "(" in note for note in report.said) == (written != {"negative"})


def test_the_most_frequent_spelling_names_a_class_that_is_no_sentiment(tmp_path):
    assert (
        read(tmp_path, ["Happy", "HAPPY", "Happy", "very  sad", "very sad", "very sad"])[0]
        == ["Happy"] * 3 + ["very sad"] * 3
    )
    assert read(tmp_path, ["1.0", "1", "1", "2,0", "2", "2"])[0] == ["1", "1", "1", "2", "2", "2"]
    assert read(tmp_path, ["A", "a", "A", "a"], labels=("A", "a"))[0] == ["A", "a", "A", "a"]


@pytest.mark.parametrize(
    ("tag", "merged"),
    [
        ("positive,neutral", "positive"),
        ("neutral / negative", "negative"),
        ("Positive|POSITIVE", "positive"),
        ("neutral；neutral", "neutral"),
        ("positive,negative", None),
    ],
)
def test_joint_judgements_are_merged_by_the_usual_rule(tmp_path, tag, merged):
    tags, report = read(tmp_path, [tag, "positive", "negative", "neutral"])
    assert tags == ([merged] if merged else []) + ["positive", "negative", "neutral"]
    assert report.skipped.total() == (merged is None)
    assert any("two judgements" in note for note in report.said)


def test_joint_tags_without_a_rule_are_refused(tmp_path):
    with pytest.raises(DataError, match="'cat,dog'"):
        read(tmp_path, ["cat", "dog", "cat,dog"] * 2)
    assert "cat,dog" in read(tmp_path, ["cat", "dog", "cat,dog"] * 2, labels=("cat", "dog", "cat,dog"))[0]
    assert read(tmp_path, ["0,5", "1,5"] * 3)[0] == ["0,5", "1,5"] * 3


def test_a_label_map_names_numbers_and_joins_classes(tmp_path):
    tags, report = read(tmp_path, ["0", "1", "2", "2.0"] * 2, label_map=("0=negative", "1=neutral", "2=positive"))
    assert tags == ["negative", "neutral", "positive", "positive"] * 2
    assert "2 is positive (4)" in report.said[0]
    stars = read(tmp_path, list("12345"), label_map=("1=bad", "2=bad", "3=fair", "4=good", "5=good", "6=none"))
    assert stars[0] == ["bad", "bad", "fair", "good", "good"] and "do not occur: 6" in stars[1].said[1]


def test_excluded_labels_are_left_out_with_their_count(tmp_path):
    tags, report = read(tmp_path, ["positive", "negative", "Neutral"] * 2, exclude_labels=("neutral",))
    assert tags == ["positive", "negative"] * 2
    assert report.skipped == {"of the excluded class neutral": 2}
    _, report = read(tmp_path, ["positive", "negative", "neutral"], exclude_labels=("neutral", "angry"))
    assert "do not occur: angry" in report.said[0] and "of the excluded class angry" not in report.skipped


@pytest.mark.parametrize("given", [{"exclude_labels": ("angry",)}, {"label_map": ("angry=negative",)}])
def test_tags_of_an_option_of_which_none_occurs_are_refused(tmp_path, given):
    with pytest.raises(DataError, match=r"(--exclude-labels|--label-map): no row has the tag 'angry'"):
        read(tmp_path, ["positive", "negative"], **given)


@pytest.mark.parametrize(
    "given", [{"labels": ("a", "b", "a")}, {"label_map": ("0",)}, {"label_map": ("0=",)}, {"label_map": ("a=b", "=")}]
)
def test_doubled_labels_and_broken_maps_are_refused(given):
    with pytest.raises(ConfigError):
        DataConfig(**given)


def test_scores_are_no_classes(tmp_path):
    with pytest.raises(DataError, match="different tags"):
        read(tmp_path, [f"0.{n}1" for n in range(30)])


def test_the_rule_of_mvsa():
    assert [
        merged_judgement(pair.split()) for pair in ("positive positive", "neutral negative", "positive negative")
    ] == [
        "positive",
        "negative",
        None,
    ]
    assert tag_key(" ＰOSITIVE\u200b ") == "positive"
