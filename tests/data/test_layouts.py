"""Layouts: which data is found, and which rows it gives or refuses."""

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsent_cli.config import DataConfig
from mmsent_cli.data.check import _exists
from mmsent_cli.data.layouts import documents, labelled_rows, locate, locate_all, text_paths, unlabelled_rows
from mmsent_cli.data.manifests import image_of, is_filled, name_of, plain
from mmsent_cli.data.pairs import PairRow, labels_of
from mmsent_cli.data.tables.opening import is_legacy_text
from mmsent_cli.errors import DataError
from tests.data.builders import TAGS, image_bytes, ten_tags, write_lab


def rows_of(path: Path, **settings):
    return labelled_rows(locate(str(path)), DataConfig(**settings))


def refusal(path: Path, **settings) -> DataError:
    with pytest.raises(DataError) as caught:
        rows_of(path, **settings)
    return caught.value


@pytest.fixture
def lab(tmp_path):
    return write_lab(tmp_path / "lab", ten_tags(), ("20", "3b", "11"))


# Where the data is


def test_data_is_looked_for_in_the_documented_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMSENT_DATA", raising=False)
    with pytest.raises(DataError):
        locate(None)
    write_lab(tmp_path / "data/sample", ten_tags())
    assert locate(None).path == Path("data/sample")
    (tmp_path / "data/train.txt").write_text("guid,tag\n")
    assert locate(None).path == Path("data")
    (tmp_path / "train.txt").write_text("guid,tag\n")
    assert locate(None).path == Path(), "the folder itself, whose files may be in its data/"
    write_lab(tmp_path / "other", ten_tags())
    monkeypatch.setenv("MMSENT_DATA", "other")
    assert locate(None).path == Path("other")
    assert locate("data/sample").path == Path("data/sample")
    assert "MMSENT_DATA" in locate(None).notice
    assert "--data" in locate("other").notice


@pytest.mark.parametrize("data", ["", "nowhere", "notes.pdf"])
def test_data_that_is_no_layout_is_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    Path("notes.pdf").write_bytes(b"%PDF")
    with pytest.raises(DataError, match=data or "no such"):
        locate(data)


def test_empty_folder_names_the_list_it_lacks(tmp_path):
    error = refusal(tmp_path)
    assert "train.txt" in error.message and str(tmp_path) in error.message
    with pytest.raises(DataError, match="no pairs to predict"):
        unlabelled_rows(locate(str(tmp_path)), DataConfig())
    with pytest.raises(DataError, match="no text files"):
        text_paths(locate(str(tmp_path)))


def test_the_folder_inside_points_to_the_folder_with_the_list(lab):
    with pytest.raises(DataError) as caught:
        labelled_rows(locate(str(lab / "data")), DataConfig())
    assert f"--data {lab}" in caught.value.hint
    for name, is_list in (("train.txt", True), ("notes.txt", False)):
        (lab / name).touch()
        with pytest.raises(DataError) as caught:
            locate(str(lab / name))
        assert (f"--data {lab}" in caught.value.hint) is is_list


def test_a_folder_with_a_manifest_points_to_the_file(tmp_path):
    (tmp_path / "pairs.csv").write_text("guid,text\n")
    assert "pairs.csv" in refusal(tmp_path).hint


def test_unreadable_folder_is_an_expected_failure(lab, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "data":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        error = refusal(lab)
    assert str(lab / "data") in error.message and "permissions" in error.hint


# The lab layout


def test_rows_keep_the_order_of_the_list_and_know_their_files(lab):
    rows = rows_of(lab)
    assert [(row.guid, row.tag) for row in rows] == list(ten_tags().items())
    assert rows[4].text_path == lab / "data/5.txt"
    assert rows[4].image == lab / "data/5.jpg"
    assert rows[4].where == "train.txt:6"


def test_unlabelled_rows_keep_the_order_of_the_list_and_have_no_tag(lab):
    (lab / "test_without_label.txt").write_text("guid,tag\n20,positive\n11,null\n3b,\n")
    rows = list(unlabelled_rows(locate(str(lab)), DataConfig()))
    assert [(row.guid, row.tag) for row in rows] == [("20", None), ("11", None), ("3b", None)]


def test_a_folder_without_lists_gives_every_guid_in_natural_order(tmp_path):
    for guid in ("10", "9", "a2", "a10"):
        (tmp_path / f"{guid}.txt").write_text("hello")
    (tmp_path / "11.jpg").write_bytes(image_bytes())
    source = locate(str(tmp_path))
    assert "every guid" in source.notice
    rows = list(unlabelled_rows(source, DataConfig()))
    assert [row.guid for row in rows] == ["9", "10", "11", "a2", "a10"]
    assert rows[2].text_path is None and rows[2].image == tmp_path / "11.jpg"


def test_text_paths_are_those_of_both_lists_and_no_other(lab):
    (lab / "notes.txt").write_text("not a pair")
    names = [path.name for path in text_paths(locate(str(lab)))]
    assert names == [*(f"{n}.txt" for n in (1, 2, 3)), "3b.txt", *(f"{n}.txt" for n in (*range(4, 12), 20))]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpeg", ".JPG", ".Png"])
def test_image_suffixes_of_any_kind_and_case(lab, suffix):
    (lab / "data/4.jpg").unlink()
    (lab / f"4{suffix}").write_bytes(image_bytes(kind="PNG"))
    assert rows_of(lab)[3].image == lab / f"4{suffix}"


def test_missing_files_leave_none_in_the_row(lab):
    (lab / "data/1.jpg").unlink()
    (lab / "data/2.txt").unlink()
    first, second = rows_of(lab)[:2]
    assert first.image is None and first.text_path is not None
    assert second.text_path is None and second.image is not None


@pytest.mark.parametrize(
    "content",
    [
        b"guid,tag\r\n1,negative\r\n2,positive\r\n",
        b"\xef\xbb\xbfguid,tag\n1,negative\n2,positive",
        b" guid , Tag \n 1 , negative \n\n\t2,positive\n\n",
        "guid,tag\n1,negative\n2,positive\n".encode("utf-16"),
        b"guid,tag\r1,negative\r2,positive\r",
    ],
    ids=["crlf", "bom", "spaces", "utf-16", "cr"],
)
def test_line_ends_byte_order_marks_and_spaces_are_tolerated(lab, content):
    (lab / "train.txt").write_bytes(content)
    assert [(row.guid, row.tag) for row in rows_of(lab)] == [("1", "negative"), ("2", "positive")]


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("1,positive\n2,negative\n", ("train.txt:1", "'1,positive'", "guid,tag")),
        ("", ("train.txt is empty",)),
        ("guid,tag\n", ("no labelled pairs",)),
        ("guid,tag\n1,positive\n1,negative\n", ("train.txt:3", "duplicate guid 1", "train.txt:2")),
        ("guid,tag\n1,positive\n2,postive\n3,negative\n", ("train.txt:3", "unknown tag 'postive'", "mean positive")),
        ("guid,tag\n1,positive\n2\n3,negative\n", ("train.txt:3", "1 column instead")),
        ("guid,tag\n1,positive\n2,a,b\n3,negative\n", ("train.txt:3", "3 columns")),
        ("guid,tag\n,positive\n3,negative\n", ("train.txt:2", "the guid is empty")),
        ("guid,tag\n1,positive\n2,null\n3,negative\n", ("train.txt:3", "pair 2 has no tag")),
        ("guid,tag\n../1,positive\n3,negative\n", ("train.txt:2", "'../1'")),
        ("guid,tag\n..,positive\na\\b,negative\n", ("train.txt:2", "train.txt:3")),
        ("guid,tag\n1,positive\n2,positive\n", ("two or more classes",)),
    ],
)
def test_bad_rows_are_refused_with_file_and_line(lab, content, reported):
    (lab / "train.txt").write_text(content)
    message = refusal(lab).message
    assert [part for part in reported if part not in message] == []


def test_all_bad_rows_are_told_at_once(lab):
    (lab / "train.txt").write_text("guid,tag\n1,positive\n1,positive\n,neutral\n4,negative\n5,sad\n")
    message = refusal(lab).message
    assert message.startswith("3 of 5 rows have errors: ")
    places = [message.index(place) for place in ("train.txt:3", "train.txt:4", "train.txt:6")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("1,positive", ("a different guid",)),
        ("5,", ("test_without_label.txt",)),
        ("5,?", ("--exclude-labels '?'", "--labels 'negative,positive,?'")),
    ],
)
def test_the_hint_is_about_the_problem(lab, line, parts):
    """And about no other: a duplicate cannot be cured by --labels."""
    (lab / "train.txt").write_text(f"guid,tag\n1,positive\n2,negative\n{line}\n")
    hint = refusal(lab).hint
    assert [part in hint for part in parts] == [True] * len(parts)
    assert ("--labels" in hint) == ("?" in line) and "mmsent check" in hint


def test_a_list_that_is_not_utf8_is_refused(lab):
    (lab / "train.txt").write_bytes("guid,tag\n1,正面\n2,负面\n".encode("gb18030"))
    assert "train.txt" in refusal(lab).message
    assert [row.tag for row in rows_of(lab, encoding="gb18030")] == ["正面", "负面"]


def test_no_guid_leads_out_of_the_folder(lab):
    (lab.parent / "secret.txt").write_text("secret")
    (lab / "train.txt").write_text("guid,tag\n1,positive\n../secret,negative\n")
    assert "../secret" in refusal(lab).message


def test_two_files_for_one_guid_are_refused(lab):
    (lab / "5.png").write_bytes(image_bytes(kind="PNG"))
    message = refusal(lab).message
    assert "train.txt:6" in message and "5.png" in message


@pytest.mark.parametrize(
    ("tags", "order"),
    [
        ("正面 负面 中性", "负面 中性 正面"),
        ("积极 中性 消极", "消极 中性 积极"),
        ("pos neg neu", "neg neu pos"),
        ("2 0 1", "0 1 2"),
        ("joy anger", "anger joy"),
        ("pos joy neg", "joy neg pos"),
    ],
)
def test_usual_names_of_sentiments_have_their_order(tags, order):
    rows = [PairRow(guid=tag, tag=tag, text="a text", text_path=None, image=None, where="") for tag in tags.split()]
    assert labels_of(rows, None) == tuple(order.split())


def test_given_labels_decide_what_is_known(lab):
    (lab / "train.txt").write_text("guid,tag\n1,glad\n2,sad\n")
    assert len(rows_of(lab)) == 2
    assert len(rows_of(lab, labels=("sad", "glad"))) == 2
    assert "unknown tag 'glad'" in refusal(lab, labels=("sad", "mad")).message


NAMES = st.text(st.characters(categories=("L", "Nd"), include_characters="-_. "), min_size=1, max_size=12)
GUIDS = NAMES.map(str.strip).filter(lambda guid: guid and not guid.startswith("."))  # hidden files are no pairs


@settings(max_examples=40, deadline=None)
@given(
    pairs=st.dictionaries(GUIDS, st.sampled_from(TAGS), min_size=2, max_size=8),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
    pad=st.sampled_from(["", " ", "\t"]),
    places=st.lists(st.tuples(st.booleans(), st.sampled_from([".jpg", ".PNG", ".webp"])), min_size=8, max_size=8),
)
def test_any_guid_is_found_wherever_its_files_lie(tmp_path_factory, pairs, line_end, mark, pad, places):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "data").mkdir()
    lines = ["guid,tag", *(f"{pad}{guid}{pad},{pad}{tag}" for guid, tag in pairs.items())]
    (folder / "train.txt").write_bytes((mark + line_end.join(lines)).encode())
    expected = []
    for (guid, tag), (is_inside, suffix) in zip(pairs.items(), places, strict=False):
        home = folder / "data" if is_inside or guid in ("train", "test_without_label") else folder
        (home / f"{guid}.txt").write_text("x")
        (home / f"{guid}{suffix}").write_bytes(b"x")
        expected.append((guid, tag, home / f"{guid}.txt", home / f"{guid}{suffix}"))
    if len(set(pairs.values())) < 2:
        return
    rows = rows_of(folder)
    assert [(row.guid, row.tag, row.text_path, row.image) for row in rows] == expected


# Manifests


def write_manifest(folder: Path, kind: str, records: list[dict]) -> Path:
    import pandas as pd

    path = folder / f"pairs.{kind}"
    frame = pd.DataFrame(records)
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(record) for record in records) + "\n", encoding="utf-8")
    else:
        frame.to_parquet(path)
    return path


RECORDS = [
    {"id": 1, "words": 'said "hi", then left\nsecond line', "file": "img/1.jpg", "mood": "positive"},
    {"id": 2, "words": "naïve … 今天", "file": "/abs/2.png", "mood": "negative"},
    {"id": 3, "words": "to predict", "file": None, "mood": None},
    {"id": 4, "words": None, "file": "img/4.jpg", "mood": "neutral"},
]
COLUMNS = DataConfig(guid_column="id", text_column="words", image_column="file", tag_column="mood")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifests_of_all_kinds_give_the_same_rows(tmp_path, kind):
    source = locate(str(write_manifest(tmp_path, kind, RECORDS)))
    rows = labelled_rows(source, COLUMNS)
    assert [(row.guid, row.tag, row.text) for row in rows] == [
        ("1", "positive", RECORDS[0]["words"]),
        ("2", "negative", RECORDS[1]["words"]),
        ("4", "neutral", None),
    ]
    assert [row.image for row in rows] == [tmp_path / "img/1.jpg", Path("/abs/2.png"), tmp_path / "img/4.jpg"]
    (to_predict,) = unlabelled_rows(source, COLUMNS)
    assert (to_predict.guid, to_predict.text, to_predict.image) == ("3", "to predict", None)
    assert documents(source, COLUMNS) == []


def test_missing_columns_are_told_with_those_there_are(tmp_path):
    message = refusal(write_manifest(tmp_path, "csv", RECORDS)).message
    assert all(name in message for name in ("'text'", "id, words, file, mood"))
    assert "'guid'" not in message
    (tmp_path / "no_texts.csv").write_text("guid,image\n1,1.jpg\n")
    with pytest.raises(DataError, match="'nope'"):
        unlabelled_rows(locate(str(tmp_path / "no_texts.csv")), DataConfig(text_column="nope"))


def test_a_manifest_without_tag_column_is_all_to_be_predicted(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text("guid,text\na,hello\nb,there\n")
    assert [row.guid for row in unlabelled_rows(locate(str(path)), DataConfig())] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ("1,again,b.jpg,positive", ("pairs.csv:3", "duplicate guid 1")),
        (",nameless,b.jpg,positive", ("pairs.csv:3", "the guid is empty")),
        ("2,short", ("pairs.csv:3", "2 columns instead of 4")),
        ("2,text,b.jpg,postive", ("pairs.csv:3", "unknown tag 'postive'")),
    ],
)
def test_bad_manifest_rows_are_refused_with_file_and_line(tmp_path, line, reported):
    path = tmp_path / "pairs.csv"
    path.write_text(f"guid,text,image,tag\n1,hi,a.jpg,positive\n{line}\n9,hi,c.jpg,negative\n")
    message = refusal(path).message
    assert message.startswith("1 of 3 rows has an error: pairs.csv:3: ")
    assert [part for part in reported if part not in message] == []


@pytest.mark.parametrize(
    "line", ["not json", "[1, 2]", '{"id": {"a": 1}, "words": "x", "file": "y", "mood": "positive"}']
)
def test_bad_json_lines_are_refused_with_file_and_line(tmp_path, line):
    path = write_manifest(tmp_path, "jsonl", RECORDS)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"pairs\.jsonl:5"):
        labelled_rows(locate(str(path)), COLUMNS)


@pytest.mark.parametrize(
    "content",
    [
        '{"guid": 1, "text": "a", "image": "a.jpg"},\n{"guid": 2, "text": "b", "image": "b.jpg"},\n',
        '{"guid": 1, "text": "a", "image": "a.jpg"} {"guid": 2, "text": "b", "image": "b.jpg"}\n',
        '{"1":\n{"text": "a", "image": "a.jpg"},\n"2": {"text": "b", "image": "b.jpg"}}\n',
        '{\n"guid": 1, "text": "a", "image": "a.jpg"}\n{\n"guid": 2, "text": "b", "image": "b.jpg"}\n',
    ],
)
def test_objects_that_are_not_one_a_line_are_read_from_json_lines_too(tmp_path, content):
    (tmp_path / "pairs.jsonl").write_text(content)
    rows = unlabelled_rows(locate(str(tmp_path / "pairs.jsonl")), DataConfig())
    assert [(row.guid, row.text) for row in rows] == [("1", "a"), ("2", "b")]


def test_each_broken_line_of_json_lines_is_named_even_the_first_two(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"guid": 1, "text": "a"\n{"guid"\n{"guid": 3, "text": "c", "image": "c.jpg", "tag": "positive"}\n')
    with pytest.raises(DataError, match=r"pairs\.jsonl:1: .*pairs\.jsonl:2: ") as caught:
        labelled_rows(locate(str(path)), DataConfig())
    assert caught.value.message.startswith("2 of 3 rows have errors")


@pytest.mark.parametrize("content", ['{"guid": 1\n{"guid": 2\n', '["a"]\n["b"]\n', "[1, 2]"])
def test_json_without_any_object_names_its_entries(tmp_path, content):
    (tmp_path / "pairs.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"pairs\.jsonl[:\[]1\]?: .*pairs\.jsonl[:\[]2\]?: "):
        labelled_rows(locate(str(tmp_path / "pairs.jsonl")), DataConfig())


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_manifest_of_noise_is_an_expected_failure(tmp_path, kind):
    path = tmp_path / f"pairs.{kind}"
    path.write_bytes(os.urandom(500) + b"\x00\n\xff")
    refusal(path)


def test_bytes_of_a_legacy_manifest_reach_the_encoding_decision(tmp_path):
    path = tmp_path / "pairs.csv"
    texts = ['他说"你好", 然后走了', "晴天…"]
    lines = ["guid,text,image,tag", '1,"他说""你好"", 然后走了",1.jpg,positive', "2,晴天…,2.jpg,negative"]
    path.write_bytes("\r\n".join(lines).encode("gb18030"))
    found = documents(locate(str(path)), DataConfig())
    assert [raw.decode("gb18030").strip() for _, raw in found] == lines[1:]
    assert found[0][0] == "pairs.csv:2"
    rows = labelled_rows(locate(str(path)), DataConfig(encoding="gb18030"))
    assert [row.text for row in rows] == texts


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark_in_csv(tmp_path, separator):
    path = tmp_path / "pairs.csv"
    lines = [["guid", "text", "image", "tag"], ["1", "a, b", "1.jpg", "good"], ["2", "c", "2.jpg", "bad"]]
    path.write_text("\n".join(separator.join(line) for line in lines), encoding="utf-8-sig")
    assert [(row.guid, row.text, row.tag) for row in rows_of(path)] == [("1", "a, b", "good"), ("2", "c", "bad")]


def test_half_an_emoji_in_json_becomes_a_replacement_character(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"guid": "1", "text": "cut \\ud83d", "image": "1.jpg"}\n')
    (row,) = unlabelled_rows(locate(str(path)), DataConfig())
    assert row.text == "cut \ufffd"


@pytest.mark.parametrize(("encoding", "is_legacy"), [("gb18030", True), ("utf-8", False)])
@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "guid,text\n1,你好\n"), ("a.json", '[{"guid": "1", "text": "你好"}]')]
)
def test_the_texts_of_a_table_that_is_no_utf8_are_legacy(tmp_path, name, content, encoding, is_legacy):
    (tmp_path / name).write_bytes(content.encode(encoding))
    assert is_legacy_text(tmp_path / name) is is_legacy


def test_a_name_that_no_folder_can_have_does_not_exist(tmp_path):
    assert _exists(tmp_path)
    assert not _exists(tmp_path / ("a" * 300))


def test_the_files_of_a_pattern_come_in_the_order_of_their_numbers(tmp_path, monkeypatch):
    for number in (10, 9, 1):
        (tmp_path / f"part{number}.csv").write_text("guid,text\n1,a\n")
    (tmp_path / "part2.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    for pattern in ("part*.csv", str(tmp_path / "part*.csv")):
        assert [source.path.name for source in locate_all(pattern)] == ["part1.csv", "part9.csv", "part10.csv"]
    assert [source.path.name for source in locate_all("part9.csv")] == ["part9.csv"]


def test_a_name_loses_the_white_space_around_it_and_nothing_else():
    assert name_of('="007"', "guid") == "007" and name_of("a\0b", "guid") == "ab"
    with pytest.raises(ValueError, match="guid has characters"):
        name_of("a\ufffd", "guid")
    for mark in "\ufeff \t\r\n\xa0\u3000":
        assert name_of(f"{mark}X 1 X{mark}", "guid") == "X 1 X"


RAW = b"an image"
NAN = float("nan")


@pytest.mark.parametrize(
    ("cell", "image", "elsewhere"),
    [
        ("a b.jpg ", Path("a b.jpg"), ""),
        (7.0, Path("7"), ""),
        (12, Path("12"), ""),
        (Path("x.png"), Path("x.png"), ""),
        (memoryview(RAW), RAW, ""),
        ({"bytes": RAW, "path": "x.jpg"}, RAW, ""),
        ({"bytes": None, "path": "x.jpg"}, Path("x.jpg"), ""),
        (f"data:image/png;base64,{base64.b64encode(RAW).decode()}", RAW, ""),
        ("file:///a%20b.jpg", Path("/a b.jpg"), ""),
        ("HTTPS://a.example/1.jpg", None, "HTTPS://a.example/1.jpg"),
        ("C:\\1.jpg", None, "C:\\1.jpg"),
        ("\\\\host\\1.jpg", None, "\\\\host\\1.jpg"),
        *((nothing, None, "") for nothing in (None, NAN, "", " ", {"bytes": None, "path": None})),
    ],
)
def test_what_an_image_cell_means(cell, image, elsewhere):
    assert image_of(cell) == (image, elsewhere)


@pytest.mark.parametrize("cell", [True, [1], 1j, {"a": 1}, "data:image/png;base64,a"])
def test_what_is_no_image_cell(cell):
    with pytest.raises(ValueError, match="image"):
        image_of(cell)


def test_filled_cells_and_their_text():
    filled = {"a": "a", 0: "0", 2.5: "2.5", 3.0: "3", -1e15: "-1000000000000000"}
    assert {cell: plain(cell, "text") for cell in filled} == filled
    assert all(map(is_filled, filled))
    assert [plain(cell, "text") for cell in (None, NAN, "")] == [""] * 3
    assert not any(map(is_filled, (None, NAN, "", " \t\u3000")))
    for cell in ([], {}, (), b"a", memoryview(b"a")):
        with pytest.raises(ValueError, match="the text has the type"):
            plain(cell, "text")
