"""Checking: every kind of bad file is found, named, and treated by the policy; good pairs come through unchanged."""

import json
import tracemalloc
from collections import Counter
from hashlib import blake2b

import pytest

from mmsent_cli.charsets.decide import decide
from mmsent_cli.config import DataConfig
from mmsent_cli.data.check import decide_encoding, guess_encoding, iter_unlabelled, load_labelled, open_unlabelled
from mmsent_cli.data.columns import read_columns
from mmsent_cli.data.flaws import ABSENT, HINT, CheckedPair, Flaw, Flaws
from mmsent_cli.data.image_paths import OTHER_SPELLING
from mmsent_cli.data.layouts import locate
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import DataError, UndecidedEncoding
from mmsent_cli.progress import Stage
from mmsent_cli.results import UnusablePair
from tests.data.builders import TAGS, huge_png, image_bytes, ten_tags, write_lab

UTF8 = "utf-8"


@pytest.fixture
def lab(tmp_path):
    return write_lab(tmp_path / "lab", ten_tags(), ("20", "3b", "11"))


def load(folder, **settings):
    config = DataConfig(**{"data": str(folder), "encoding": UTF8, **settings})
    return load_labelled(config, folder.parent / "cache")


def stream(folder, flaws=None, **settings):
    config = DataConfig(data=str(folder), **settings)
    return iter_unlabelled(locate(str(folder)), config, decide([], UTF8).decision, flaws)


DAMAGE = {
    "missing image": ("5.jpg", None),
    "missing text": ("5.txt", None),
    "empty image": ("5.jpg", b""),
    "empty text": ("5.txt", b""),
    "blank text": ("5.txt", b" \r\n\t"),
    "truncated jpeg": ("5.jpg", image_bytes(size=(200, 150))[:-2000]),
    "text renamed to jpg": ("5.jpg", b"Just a tweet.\n"),
    "30,000 x 30,000 png": ("5.jpg", huge_png()),
}


def damage(folder, name, guid="5"):
    file, content = DAMAGE[name]
    path = folder / "data" / file.replace("5", guid)
    path.unlink() if content is None else path.write_bytes(content)


def test_good_pairs_come_through_in_order(lab):
    events = []
    config = DataConfig(data=str(lab), encoding=UTF8)
    dataset = load_labelled(config, lab.parent / "cache", events.append)
    assert [(pair.guid, pair.tag) for pair in dataset.pairs] == list(ten_tags().items())
    assert (dataset.source, dataset.labels, dataset.problems) == (str(lab), TAGS, ())
    assert events[-1] == Stage("checking pairs", 10, 10, "pair")
    pair = dataset.pairs[0]
    assert pair.text is not None and pair.text.strip() == "text of 1"
    assert pair.image == lab / "data/1.jpg"
    assert pair.image_digest == blake2b((lab / "data/1.jpg").read_bytes(), digest_size=16).hexdigest()
    assert str(lab) in dataset.notes[0]
    assert load(lab, encoding="auto").decision.encoding == "ascii"


@pytest.mark.parametrize("name", DAMAGE)
def test_stop_names_guid_and_file_and_the_remedy(lab, name):
    damage(lab, name)
    with pytest.raises(DataError) as caught:
        load(lab)
    assert "1 of 10 pairs" in caught.value.message
    assert DAMAGE[name][0] in caught.value.message
    assert "--on-bad drop" in caught.value.hint


def test_stop_collects_all_and_shows_a_few(lab):
    for number in range(1, 9):
        damage(lab, "text renamed to jpg", str(number))
    with pytest.raises(DataError, match=r"8 of 10 pairs.*and 3 more"):
        load(lab)


@pytest.mark.parametrize("name", DAMAGE)
def test_drop_leaves_the_pair_out_and_lists_it(lab, name):
    damage(lab, name)
    dataset = load(lab, on_bad="drop")
    assert [pair.guid for pair in dataset.pairs] == [guid for guid in ten_tags() if guid != "5"]
    assert len(dataset.problems) == 1
    assert dataset.problems[0].startswith("pair 5: dropped: ")


@pytest.mark.parametrize("name", DAMAGE)
def test_blank_removes_the_bad_modality_alone_and_lists_it(lab, name):
    damage(lab, name)
    dataset = load(lab, on_bad="blank")
    pair = dataset.pairs[4]
    is_image = DAMAGE[name][0].endswith("jpg")
    assert (pair.image is None, pair.text is None) == (is_image, not is_image)
    assert (pair.image_digest == "") is is_image
    assert len(dataset.pairs) == 10
    assert [problem.split(":")[:2] for problem in dataset.problems] == [["pair 5", " blanked"]]


def test_a_pair_with_nothing_left_is_dropped_by_blank(lab):
    damage(lab, "missing text")
    damage(lab, "truncated jpeg")
    dataset = load(lab, on_bad="blank")
    assert len(dataset.pairs) == 9
    assert "dropped" in dataset.problems[0] and "5.txt" in dataset.problems[0] and "5.jpg" in dataset.problems[0]


@pytest.mark.parametrize("policy", ["stop", "drop", "blank"])
def test_rows_that_cannot_be_read_stop_or_are_left_out_and_listed(lab, policy):
    with (lab / "train.txt").open("a") as file:
        file.write("1,positive\n77,positive,more\n")
    if policy == "stop":
        with pytest.raises(DataError, match="duplicate guid 1") as caught:
            load(lab, on_bad=policy)
        assert "--on-bad drop" in caught.value.hint
        return
    dataset = load(lab, on_bad=policy)
    assert len(dataset.pairs) == 10
    assert [line.partition(": ")[::2] for line in sorted(dataset.problems)] == [
        ("train.txt:12", "dropped: duplicate guid 1 (first used in train.txt:2)"),
        ("train.txt:13", "dropped: the row has 3 columns instead of 2 (guid,tag)"),
    ]


def test_unknown_tags_stop_under_every_policy(lab):
    with (lab / "train.txt").open("a") as file:
        file.write("20,odd\n")
    with pytest.raises(DataError, match="unknown tag 'odd'"):
        load(lab, on_bad="drop")


BROKEN_LINES = {
    "jsonl": ("2", "3", "4"),
    "csv": ("3", "4", "5"),
}
WRITTEN = {
    "jsonl": '{"guid": "a", "text": "one"}\n{"guid": "b", "te\n[]\n{"guid": "a", "text": "two"}\n'
    '{"guid": "c", "text": "x"}\n',
    "csv": "guid,text\na,one\nb,two,three\nb\na,two\nc,x\n",
}


@pytest.mark.parametrize(("kind", "lines"), BROKEN_LINES.items())
def test_rows_to_predict_that_cannot_be_read_are_left_out_and_listed(tmp_path, kind, lines):
    path = tmp_path / f"posts.{kind}"
    path.write_text(WRITTEN[kind])
    with pytest.raises(DataError, match=r"3 of . rows have errors") as caught:
        list(stream(path))
    assert "--on-bad drop" in caught.value.hint
    config, notes, flaws = DataConfig(data=str(path), on_bad="drop"), [], Flaws()
    source = locate(str(path))
    count, pairs = open_unlabelled(source, config, decide_encoding(source, config, tmp_path), flaws, notes)
    assert ([pair.guid for pair in pairs], count, flaws.dropped) == (["a", "c"], 2, 3)
    assert sorted(pair.row for pair in flaws.unusable) == [f"posts.{kind}:{line}" for line in lines]
    assert any("5 rows: 2 used, 0 skipped, 3 with errors" in note for note in notes)
    kept = list(read_columns(source, config, ["text"]))
    assert [cells for guid, cells in kept if guid == "c"] == [("x",)]


@pytest.mark.parametrize("on_bad", ["stop", "blank"])
@pytest.mark.parametrize("is_labelled", [True, False])
def test_swapped_columns_of_texts_and_images_are_found(tmp_path, on_bad, is_labelled):
    tags = [TAGS[number % 3] if is_labelled else "" for number in range(6)]
    rows = [f"{number},{number}.jpg,what a day {number},{tag}" for number, tag in enumerate(tags)]
    (tmp_path / "pairs.csv").write_text("\n".join(["guid,photo,tweet,tag", *rows]))
    columns = {"text_column": "photo", "image_column": "tweet"}
    with pytest.raises(DataError, match="swapped") as caught:
        if is_labelled:
            load(tmp_path / "pairs.csv", on_bad=on_bad, **columns)
        else:
            list(stream(tmp_path / "pairs.csv", on_bad=on_bad, **columns))
    assert caught.value.hint == "use --text-column tweet --image-column photo"


@pytest.mark.parametrize("lost", [2, 5])
def test_a_few_lost_images_are_left_out_and_many_have_wrong_paths(tmp_path, lost):
    (tmp_path / "here.jpg").write_bytes(image_bytes(1))
    places = ["/nowhere/lost/x.jpg"] * lost + ["here.jpg"] * (6 - lost)
    rows = [f"{number},a text,{place}" for number, place in enumerate(places)]
    (tmp_path / "pairs.csv").write_text("\n".join(["guid,text,image", *rows]))
    with pytest.raises(DataError) as caught:
        list(stream(tmp_path / "pairs.csv"))
    assert caught.value.hint.startswith("copy the missing images") is (lost == 2)
    assert caught.value.hint.startswith("check the paths") is (lost == 5)
    (tmp_path / "here.jpg").write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        list(stream(tmp_path / "pairs.csv"))
    assert caught.value.hint == HINT  # not all problems are about lost images


def test_an_image_with_a_name_in_other_case_is_used_and_noted(tmp_path):
    (tmp_path / "1.JPG").write_bytes(image_bytes(1))
    (tmp_path / "pairs.csv").write_text("guid,text,image\n1,a text,1.jpg\n")
    flaws = Flaws()
    (pair,) = stream(tmp_path / "pairs.csv", flaws)
    assert pair.image == tmp_path / "1.JPG"
    assert flaws.notes(None) == [f"1 image {OTHER_SPELLING}: pair 1"]


@pytest.mark.parametrize("lost", ["jpg", "txt"])
def test_without_given_needs_a_pair_must_have_the_modalities_that_occur(lab, lost):
    config = DataConfig(data=str(lab), encoding=UTF8)
    for path in (lab / "data").glob(f"*.{lost}"):
        if path.stem != "1":
            path.unlink()
    with pytest.raises(DataError, match="9 of 10 pairs"):
        load_labelled(config, lab.parent / "cache", needs=())
    (lab / "data" / f"1.{lost}").unlink()
    assert len(load_labelled(config, lab.parent / "cache", needs=()).pairs) == 10


def test_the_flaws_of_several_processes_add_up():
    both = Flaws()
    both.leave_out(["p.csv:2: guid: empty"])
    assert both.unusable == [UnusablePair(guid="", row="p.csv:2", reason="guid: empty", outcome="dropped")]
    for guid, policy in (("1", "blank"), ("2", "blank"), ("3", "drop")):
        own, pair, lost = Flaws(), Pair(guid=guid, tag=None, text="a", image=None), Flaw("lost", ABSENT, f"{guid}.jpg")
        own.admit(CheckedPair(pair, broken={"image": lost}, remarks=("turned",)), policy, None)
        own.admit(CheckedPair(pair, missing={"image": lost}), policy, ("text",))
        both.add(Flaws.from_plain(json.loads(json.dumps(own.to_plain()))))
    assert (both.blanked, both.dropped, both.refused, len(both.problems)) == (2, 2, 2, 4)
    assert both.summary() == "3 images are files that do not exist, such as 1.jpg"
    assert both.notes(("text",)) == [
        "3 images turned: pairs 1, 2, 3",
        "3 pairs without a usable image; the model does not need it",
    ]


def test_no_pair_left_is_an_expected_failure(lab):
    for path in (lab / "data").glob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no pair"):
        load(lab, on_bad="drop")


def test_unreadable_files_are_a_problem_of_their_pair(lab, monkeypatch):
    from pathlib import Path

    read = Path.read_bytes

    def refuse(path):
        if path.name == "5.jpg":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"5\.jpg: Permission denied"):
        load(lab)


def test_undecodable_characters_are_counted_and_told(lab):
    (lab / "data/5.txt").write_bytes(b"caf\xe9 \xff")
    dataset = load(lab)
    assert dataset.pairs[4].replaced == 2
    assert any("2 characters in 1 text could" in note for note in dataset.notes)


@pytest.mark.parametrize("limit", [6, 20, 60])
def test_limit_keeps_every_class_in_proportion(tmp_path, limit):
    tags = {str(n): "positive" if n % 10 < 7 else "negative" if n % 10 < 9 else "neutral" for n in range(100)}
    folder = write_lab(tmp_path / "lab", tags)
    pairs = load(folder, limit=limit).pairs
    counts = Counter(pair.tag for pair in pairs)
    assert len(pairs) == limit
    assert min(counts.values()) >= 2 and len(counts) == 3
    assert abs(counts["positive"] - 0.7 * limit) <= 3
    assert [int(pair.guid) for pair in pairs] == sorted(int(pair.guid) for pair in pairs)
    assert pairs == load(folder, limit=limit).pairs


# Pairs to predict


def test_unlabelled_pairs_stream_in_order(lab):
    pairs = list(stream(lab))
    assert [(pair.guid, pair.tag) for pair in pairs] == [("20", None), ("3b", None), ("11", None)]
    assert all(pair.text and pair.image and pair.image_digest for pair in pairs)


def test_a_pair_with_one_modality_is_no_problem_when_predicting(lab):
    damage(lab, "missing text", "20")
    damage(lab, "missing image", "11")
    first, _, last = stream(lab)
    assert first.text is None and first.image is not None
    assert last.text is not None and last.image is None and last.image_digest == ""


def test_broken_files_follow_the_policy_when_predicting(lab):
    damage(lab, "truncated jpeg", "3b")
    damage(lab, "empty image", "11")
    received = []
    with pytest.raises(DataError, match=r"2 of 3 pairs.*3b.*11"):
        received.extend(stream(lab))
    assert received == []
    flaws = Flaws()
    assert [pair.guid for pair in stream(lab, flaws, on_bad="drop")] == ["20"]
    assert [problem.split(":")[0] for problem in flaws.problems] == ["pair 3b", "pair 11"]
    blanked = list(stream(lab, on_bad="blank"))
    assert [(pair.text is None, pair.image is None) for pair in blanked] == [
        (False, False),
        (False, True),
        (False, True),
    ]


@pytest.mark.parametrize("content", [b"", b" \r\n\t", "\u200b\u2060\ufeff".encode(), b"\0\0"])
def test_a_text_that_prints_nothing_is_a_missing_text(lab, content):
    (lab / "data/11.txt").write_bytes(content)
    *_, last = stream(lab)
    assert last.text is None and last.image is not None
    (lab / "data/5.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"1 of 10 pairs.*5\.txt is empty"):
        load(lab)


def test_a_row_without_text_and_image_is_a_problem_when_predicting(lab):
    damage(lab, "missing text", "3b")
    damage(lab, "missing image", "3b")
    with pytest.raises(DataError, match=r"1 of 3 pairs.*3b"):
        list(stream(lab))
    assert [pair.guid for pair in stream(lab, on_bad="blank")] == ["20", "11"]


def test_bad_rows_are_refused_before_the_first_pair(lab):
    with (lab / "test_without_label.txt").open("a") as file:
        file.write("20,null\n")
    with pytest.raises(DataError, match="duplicate guid 20"):
        next(stream(lab))


def test_streaming_does_not_hold_the_pairs(tmp_path):
    folder = tmp_path / "lab"
    (folder / "data").mkdir(parents=True)
    guids = [f"g{number}" for number in range(3000)]
    (folder / "test_without_label.txt").write_text("\n".join(["guid,tag", *(f"{guid},null" for guid in guids)]))
    for guid in guids:
        (folder / "data" / f"{guid}.txt").write_text("x" * 20_000)  # 60 MB in all
    tracemalloc.start()
    count = sum(1 for _ in stream(folder))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 3000
    assert peak < 40e6  # 12 MB, and what else is loaded meanwhile


# Manifests


def test_a_manifest_is_checked_like_a_folder(tmp_path):
    (tmp_path / "img").mkdir()
    lines = ["guid,text,image,tag"]
    for number in range(6):
        (tmp_path / "img" / f"{number}.png").write_bytes(image_bytes(number, kind="PNG"))
        lines.append(f"{number},text {number},img/{number}.png,{'good' if number % 2 else 'bad'}")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([*lines, "7,lost,img/7.png,good", "8,,img/5.png,bad"]))
    with pytest.raises(DataError, match=r"2 of 8 pairs.*7\.png.*pairs\.csv:9"):
        load(path)
    dataset = load(path, on_bad="drop")
    assert dataset.labels == ("bad", "good")
    assert [pair.text for pair in dataset.pairs] == [f"text {number}" for number in range(6)]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [("https://a.example/1.jpg", "download the images"), ("D:\\\\pictures\\\\1.jpg", "relative to the table's folder")],
)
def test_an_image_that_is_not_on_this_machine_says_what_to_do(tmp_path, cell, hint):
    rows = [f"{number},a text,{cell},{tag}" for number, tag in enumerate(TAGS)]
    (tmp_path / "pairs.csv").write_text("\n".join(["guid,text,image,tag", *rows]))
    with pytest.raises(DataError) as caught:
        load(tmp_path / "pairs.csv")
    assert hint in caught.value.hint


def test_a_folder_with_too_little_text_to_decide_its_encoding_is_refused(lab, tmp_path):
    (lab / "data" / "5.txt").write_bytes("é".encode("latin-1"))
    source, config = locate(str(lab)), DataConfig(data=str(lab))
    assert not guess_encoding(source, config, tmp_path / "cache").decided
    with pytest.raises(UndecidedEncoding):
        decide_encoding(source, config, tmp_path / "cache")


def test_the_encoding_of_a_table_is_that_of_its_own_bytes(tmp_path):
    (tmp_path / "pairs.csv").write_text("guid,text\n1,été\n", encoding="utf-16")
    decision = guess_encoding(locate(str(tmp_path / "pairs.csv")), DataConfig(), tmp_path / "cache")
    assert decision.encoding == "utf-16"


def test_a_legacy_manifest_is_decoded_like_files(tmp_path):
    (tmp_path / "1.png").write_bytes(image_bytes(kind="PNG"))
    path = tmp_path / "pairs.csv"
    path.write_bytes("guid,text,image,tag\n1,晴天…,1.png,good\n2,下雨了,1.png,bad\n".encode("gb18030"))
    dataset = load(path, encoding="gb18030")
    assert [pair.text for pair in dataset.pairs] == ["晴天…", "下雨了"]


def manifest(folder, name, content):
    (folder / "1.png").write_bytes(image_bytes(kind="PNG"))
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("name", "content", "settings", "replaced"),
    [
        ("p.csv", b"guid,text,image,tag\n1,caf\xe9 \xff,1.png,a\n2,fine,1.png,b\n", {"encoding": "utf-8"}, [2, 0]),
        (
            "p.csv",
            "guid,text,image,tag\n1,晴天,1.png,a\n2,雨,1.png,b\n".encode("gb18030").replace(b"\xd3\xea", b"\xd3\xff"),
            {"encoding": "gb18030"},
            [0, 2],
        ),
        (
            "p.jsonl",
            b'{"guid": "1", "text": "cut \\ud83d and \\ude00", "image": "1.png", "tag": "a"}\n'
            b'{"guid": "2", "text": "told \xef\xbf\xbd", "image": "1.png", "tag": "b"}\n',
            {"encoding": "auto"},
            [2, 1],
        ),
    ],
    ids=["csv", "legacy csv", "jsonl"],
)
def test_replaced_characters_of_a_manifest_are_counted(tmp_path, name, content, settings, replaced):
    dataset = load(manifest(tmp_path, name, content), **settings)
    assert [pair.replaced for pair in dataset.pairs] == replaced
    assert [pair.text.count("\ufffd") for pair in dataset.pairs] == replaced
    texts = sum(count > 0 for count in replaced)
    assert (
        dataset.notes[-1]
        == f"{sum(replaced)} characters in {texts} text{'s' * (texts > 1)} could not be decoded and became U+FFFD"
    )


@pytest.mark.parametrize("blank", [" ", "\t ", "\u3000", "\xa0\u2003"])
def test_a_blank_text_of_a_manifest_is_no_text(tmp_path, blank):
    rows = f"guid,text,image,tag\n1,word,1.png,a\n2,more,1.png,b\n3,{blank},1.png,a\n"
    path = manifest(tmp_path, "p.csv", rows.encode())
    with pytest.raises(DataError, match=r"1 of 3 pairs.*pair 3: the text is empty \(p\.csv:4\)"):
        load(path)
    assert [pair.guid for pair in load(path, on_bad="drop").pairs] == ["1", "2"]
    assert [pair.text for pair in load(path, on_bad="blank").pairs] == ["word", "more", None]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_whole_numbers_that_became_floats_name_pairs_without_a_point(tmp_path, kind):
    """A column of numbers with a gap is stored as floats: 12.0 is the guid 12, and 2.5 stays 2.5."""
    import pandas as pd

    image = manifest(tmp_path, "unused", b"").parent / "1.png"
    frame = pd.DataFrame(
        {"guid": [12.0, 1e15, 2.5], "text": [7.0, float("nan"), 0.5], "image": str(image), "tag": [1.0, 2.0, 1.0]}
    )
    path = tmp_path / f"p.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_json(path, orient="records", lines=True)
    pairs = load(path, on_bad="blank", encoding="auto").pairs
    assert [(pair.guid, pair.text, pair.tag) for pair in pairs] == [
        ("12", "7", "1"),
        ("1000000000000000", None, "2"),
        ("2.5", "0.5", "1"),
    ]


def test_names_of_a_manifest_are_read_in_the_named_encoding(tmp_path):
    (tmp_path / "图.png").write_bytes(image_bytes(kind="PNG"))
    content = "guid,text,image,tag\n一,晴天,图.png,好\n二,下雨,图.png,坏\n".encode("gb18030")
    path = manifest(tmp_path, "p.csv", content)
    dataset = load(path, encoding="gb18030")
    assert [(pair.guid, pair.text, pair.tag) for pair in dataset.pairs] == [("一", "晴天", "好"), ("二", "下雨", "坏")]
    assert {pair.image for pair in dataset.pairs} == {tmp_path / "图.png"}
    assert dataset.decision.encoding == "gb18030"
    with pytest.raises(DataError, match="encoding"):
        load(path, encoding="auto")
    with pytest.raises(
        DataError, match=r"2 of 2 rows have errors: p\.csv:2: the tag has characters that cannot be decoded"
    ):
        load(path, encoding="ascii")


def test_a_named_encoding_counts_even_where_the_bytes_are_utf8_by_chance(tmp_path):
    content = "guid,text,image,tag\n1,(笑) www,1.png,a\n2,fine,1.png,b\n".encode("gb18030")
    assert content.decode("utf-8") != content.decode("gb18030")
    path = manifest(tmp_path, "p.csv", content)
    assert [pair.text for pair in load(path, encoding="gb18030").pairs] == ["(笑) www", "fine"]


def test_a_limit_and_dropped_pairs_are_both_told(lab):
    kept = load(lab, limit=6).pairs
    (lab / "data" / f"{kept[0].guid}.jpg").write_bytes(b"no image")
    loaded = load(lab, limit=6, on_bad="drop")
    assert len(loaded.pairs) == 5
    assert "only 5 labelled pairs are used (--limit 6, 1 of them dropped)" in loaded.notes


def test_a_limit_is_told(lab):
    assert load(lab, limit=6).notes[-1] == "only 6 labelled pairs are used (--limit 6)"
    assert len(load(lab).notes) == 2
    assert "10 rows: 6 used, 4 skipped (4 over --limit), 0 with errors" in load(lab, limit=6).notes[1]


@pytest.mark.parametrize(("damaged", "is_refused"), [(1, False), (8, True)])
def test_an_encoding_that_does_not_decode_the_texts_is_refused(lab, damaged, is_refused):
    paths = sorted((lab / "data").glob("*.txt"))
    for path in paths[:damaged]:
        path.write_bytes("今天天气".encode("gb18030"))
    if is_refused:
        with pytest.raises(DataError, match="have bytes that are invalid in utf-8"):
            load(lab, encoding="utf-8")
    else:
        assert len(load(lab, encoding="utf-8").pairs) == 10


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("photo.jpg", "{0}"),  # a file without an ending
        ("see https://x.org/{0}.png", "missing{0}"),
        ("a day at the sea.jpg", "missing{0}"),
        ("photo.jpg", "https://x.org/media/{0}?format=jpg"),
    ],
)
def test_texts_that_end_like_a_file_name_are_not_taken_for_images(tmp_path, text, image):
    rows = [f"{number},{text.format(number)},{image.format(number)}" for number in range(3)]
    (tmp_path / "pairs.csv").write_text("\n".join(["guid,text,image", *rows]))
    for number in range(3):
        (tmp_path / str(number)).write_bytes(image_bytes(number))
    assert len(list(stream(tmp_path / "pairs.csv", on_bad="blank"))) == 3


def test_one_text_that_is_a_file_name_does_not_swap_the_columns(tmp_path):
    texts = ["a.jpg", "what a day", "so it goes"]
    rows = [f"{number},{text},no image {number}" for number, text in enumerate(texts)]
    (tmp_path / "pairs.csv").write_text("\n".join(["guid,text,image", *rows]))
    assert [pair.text for pair in stream(tmp_path / "pairs.csv", on_bad="blank")] == texts


def test_a_long_text_in_the_column_of_images_is_found_as_swapped(tmp_path):
    (tmp_path / "pairs.csv").write_text(f"guid,text,image\n1,a.jpg,{'so long a text ' * 300}\n")
    with pytest.raises(DataError, match="swapped"):
        list(stream(tmp_path / "pairs.csv"))


def test_the_hint_names_the_rows_that_leave_nothing_to_predict(tmp_path):
    (tmp_path / "pairs.csv").write_text("guid,text,image\n1,a\n")
    with pytest.raises(DataError) as refused:
        list(stream(tmp_path / "pairs.csv", on_bad="drop"))
    assert "pairs.csv:2" in refused.value.hint
    (tmp_path / "pairs.csv").write_text("guid,text,image\n")
    with pytest.raises(DataError, match="no pairs") as refused:
        list(stream(tmp_path / "pairs.csv", on_bad="drop"))
    assert "below the header" in refused.value.hint
