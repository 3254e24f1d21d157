"""Tables as people have them: every way to write the same six rows gives the same rows, and every row is counted."""

import json
import sys
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig
from mmsent_cli.data.layouts import labelled_rows, locate, unlabelled_rows
from mmsent_cli.data.tables import Report, open_table
from mmsent_cli.data.tables.delimited import find_dialect
from mmsent_cli.data.tables.opening import table_decision
from mmsent_cli.errors import DataError, MmsentError, listed
from tests.data.builders import image_bytes

TAGS = ["positive", "negative", "neutral"] * 2
ROWS = [{"guid": f"g{n}", "text": f"word, {n}", "image": f"{n}.jpg", "tag": tag} for n, tag in enumerate(TAGS)]
EXPECTED = [tuple(row.values()) for row in ROWS]
NAMES = list(ROWS[0])


def read(path, **config):
    report = Report()
    rows = labelled_rows(locate(str(path)), DataConfig(**config), report)
    return [(row.guid, row.text, row.image.name, row.tag) for row in rows], report


def written(tmp_path, content, name="pairs.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def delimited(mark, before="", after="", end="\n", extra="", quote=""):
    def cell(value):
        return f'"{value}"' if mark in value or quote else value

    lines = [mark.join(NAMES), *(mark.join(map(cell, row.values())) + extra for row in ROWS)]
    return before + "".join(line + end for line in lines) + after


def plain_rows(mark="\t"):
    """Lines without commas in the texts, for tables without quotes."""
    return [
        mark.join(NAMES),
        *(mark.join([row["guid"], f"word {row['guid']}", row["image"], row["tag"]]) for row in ROWS),
    ]


FORMS = {
    "comma": delimited(","),
    "semicolon": delimited(";"),
    "tab": delimited("\t"),
    "bar": delimited("|"),
    "sep line": delimited(";", before="sep=;\n"),
    "quoted sep line": delimited("|", before='"sep=|"\r\n', end="\r\n"),
    "SEP in capitals": delimited("\t", before="SEP=\t\n"),
    "trailing delimiter": delimited(",", extra=","),
    "trailing delimiters": delimited(";", extra=";;;"),
    "trailing delimiter in the header too": delimited(",", extra=",").replace(",tag\n", ",tag,\n", 1),
    "old Mac": delimited(",", end="\r"),
    "Windows": delimited(",", end="\r\n"),
    "all quoted": delimited(",", quote='"'),
    "spaces after commas": delimited(",").replace('"word', ' "word'),
    "mark": "\ufeff" + delimited(","),
    "blank lines first": delimited(",", before="\n\n"),
    "utf-16": delimited(",").encode("utf-16"),
    "utf-16 without mark": delimited("\t").encode("utf-16-le"),
    "utf-16 big end without mark": delimited(";").encode("utf-16-be"),
    "utf-32": delimited(",").encode("utf-32"),
    "row numbers without a name, as R writes them": "".join(
        f"{number},{line}\n" if number else f"{line}\n" for number, line in enumerate(delimited(",").splitlines())
    ),
    "NUL at the end": delimited(",").replace("word, 3", "word, 3\0"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_a_table_gives_the_same_rows(tmp_path, form):
    rows, report = read(written(tmp_path, FORMS[form]))
    assert rows == EXPECTED
    assert (report.read, report.skipped.total(), report.problems) == (6, 0, [])


@pytest.mark.parametrize(
    ("name", "mark"), [("pairs.tsv", "\t"), ("pairs.TSV", ","), ("pairs.tab", "\t"), ("P.CSV", ";")]
)
def test_the_suffix_does_not_decide_the_delimiter(tmp_path, name, mark):
    assert read(written(tmp_path, delimited(mark), name))[0] == EXPECTED


JSON_FORMS = {
    "lines": "\n".join(map(json.dumps, ROWS)),
    "array": json.dumps(ROWS),
    "indented": json.dumps(ROWS, indent=1),
    "an item alone on the third line": '{"data":\n[\n' + "\n,\n".join(map(json.dumps, ROWS)) + "\n]}",
    "a line an item": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]",
    "in an object": json.dumps({"version": 1, "data": ROWS}),
    "pandas columns": json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in NAMES}),
    "lists by column": json.dumps({name: [row[name] for row in ROWS] for name in NAMES}),
    "rows by id": json.dumps({row["guid"]: {name: row[name] for name in NAMES[1:]} for row in ROWS}),
    "objects in a row": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "mark": "\ufeff" + json.dumps(ROWS),
}


@pytest.mark.parametrize("form", JSON_FORMS)
@pytest.mark.parametrize("suffix", ["json", "jsonl", "ndjson"])
def test_every_way_to_write_json_gives_the_same_rows(tmp_path, form, suffix):
    path = written(tmp_path, JSON_FORMS[form], f"pairs.{suffix}")
    assert read(path)[0] == EXPECTED
    columns = open_table(path).columns
    assert open_table(path.rename(tmp_path / "no_suffix")).columns == columns


@pytest.mark.parametrize(
    ("lines", "delimiter", "header"),
    [
        (["sep=;", "guid,text,tag;more", "1,a,b;c"], ";", ("guid,text,tag", "more")),  # as said, not as it fits best
        (["guid,text;tag;", "1;b;"], ";", ("guid,text", "tag")),
        (["guid;text,tag", "1;a,b", "2;c;d"], ",", ("guid;text", "tag")),  # one line more has as many cells
        ([","], ",", ("",)),
        (['guid,"the" text,tag', "1,a b,c"], ",", ("guid", '"the" text', "tag")),  # no quotes by the rules
    ],
)
def test_the_first_lines_tell_delimiter_and_names(lines, delimiter, header):
    found = find_dialect([f"{line}\n" for line in lines], ())
    assert (found.delimiter, found.header) == (delimiter, header)


def test_json_is_utf8_also_where_all_of_it_is_ascii(tmp_path):
    path = written(tmp_path, JSON_FORMS["array"], "pairs.json")
    assert open_table(path).decision.encoding == table_decision(path).encoding == "utf-8"
    path, legacy = written(tmp_path, '[{"text": "你好"}]'.encode("gb18030"), "b.json"), EncodingDecision("gb18030")
    assert open_table(path, decision=legacy).decision == legacy
    assert table_decision(path, "gb18030").encoding == "gb18030"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("[" * 100_000 + "\n" + JSON_FORMS["lines"], "pairs.jsonl:1"),
        (JSON_FORMS["lines"] + "\n" + '{"a":' * 100_000, "pairs.jsonl:7"),
        (JSON_FORMS["lines"] + '\n{"guid": "7", "text": "a", "text": "b"}', "pairs.jsonl:7"),
        (JSON_FORMS["array"][:-20], "pairs.jsonl:1"),
        ("[" * 100_000, "pairs.jsonl"),
        ("3", "pairs.jsonl"),
    ],
)
def test_bad_json_is_named_with_its_line(tmp_path, content, place):
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, content, "pairs.jsonl"))
    assert place in caught.value.message


def test_an_excel_sheet_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.create_sheet("pairs")
    for values in ([None], NAMES, *EXPECTED, [None, None], ["", " ", "", ""]):
        book["pairs"].append(values)
    book.save(tmp_path / "pairs.xlsx")
    rows, report = read(tmp_path / "pairs.xlsx")
    assert rows == EXPECTED and report.skipped["blank"] >= 1
    (tmp_path / "renamed.csv").write_bytes((tmp_path / "pairs.xlsx").read_bytes())
    assert read(tmp_path / "renamed.csv")[0] == EXPECTED
    book["pairs"].append([*EXPECTED[0], "more"])
    book.save(tmp_path / "pairs.xlsx")
    with pytest.raises(DataError, match=r"error: pairs\.xlsx:11: the row has 5 columns instead of 4"):
        read(tmp_path / "pairs.xlsx")


def test_an_item_of_a_json_array_that_is_no_object_is_named(tmp_path):
    with pytest.raises(DataError, match=rf"error: pairs.json\[{len(ROWS) + 1}\]: the entry is not a JSON object"):
        read(written(tmp_path, json.dumps([*ROWS, "more"]), "pairs.json"))


@pytest.mark.parametrize("start", [b"\xd0\xcf\x11\xe0old", b"\x1f\x8bzip", b"%PDF-1", b"version https://git-lfs.git"])
def test_a_file_that_is_no_table_is_called_what_it_is(tmp_path, start):
    with pytest.raises(DataError, match=r"pairs\.csv is (an old Excel|a compressed|a PDF|a pointer)"):
        read(written(tmp_path, start + bytes(100)))


def test_a_broken_workbook_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "pairs.xlsx", "w") as archive:
        archive.writestr("a", "b")
    for path in (tmp_path / "pairs.xlsx", written(tmp_path, delimited(","), "text.xlsx")):
        with pytest.raises(DataError, match="is not an Excel workbook"):
            read(path)


def test_a_workbook_that_breaks_inside_a_sheet_is_refused(tmp_path):
    """The amplification of entities is one way in which the XML of a sheet cannot be read."""
    openpyxl = pytest.importorskip("openpyxl")
    openpyxl.Workbook().save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as whole, zipfile.ZipFile(tmp_path / "pairs.xlsx", "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, b"<worksheet><a" if "sheet1" in name else whole.read(name))
    with pytest.raises(DataError, match="is not an Excel workbook"):
        read(tmp_path / "pairs.xlsx")


def test_an_error_names_the_first_of_very_many_columns():
    shown = listed([f"c{number}" for number in range(100_000)] + ["x"])
    assert shown.startswith("c0, c1, ") and shown.endswith(" and 99,981 more") and len(shown) < 200
    assert listed(["a" * 1000]) == "a" * 60 + "…" and listed(["a", "b"]) == "a, b"


# Images in a parquet file


@pytest.mark.parametrize("kind", ["bytes and path", "bytes", "path"])
def test_images_in_a_parquet_file(tmp_path, kind):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    raws = [image_bytes(n) for n in range(6)]
    for row, raw in zip(ROWS, raws, strict=True):
        (tmp_path / row["image"]).write_bytes(raw)
    forms = {
        "bytes and path": [{"bytes": raw, "path": "x.jpg"} for raw in raws],
        "bytes": raws,
        "path": [{"bytes": None, "path": row["image"]} for row in ROWS],
    }
    classes = {"info": {"features": {"tag": {"names": ["negative", "neutral", "positive"], "_type": "ClassLabel"}}}}
    columns = {"text": [row["text"] for row in ROWS], "image": forms[kind], "tag": [2, 0, 1, 2, 0, 1]}
    table = pyarrow.table(columns).replace_schema_metadata({"huggingface": json.dumps(classes)})
    for shard in range(2):
        parquet.write_table(table.slice(3 * shard, 3), tmp_path / f"train-{shard:05}-of-00002.parquet")
    rows = labelled_rows(locate(str(tmp_path / "train-00000-of-00002.parquet")), DataConfig())
    assert [(row.guid, row.tag) for row in rows] == [(str(n), tag) for n, tag in enumerate(TAGS, 1)]
    images = [row.image if isinstance(row.image, bytes) else row.image.read_bytes() for row in rows]
    assert images == raws


# Quotes


STRAY = {
    "opens and never closes": ('"I loved it', "plain"),
    "closed by another row": ('"I loved it', 'so he left"'),
    "two rows open": ('"I loved it', '"so it begins'),
    "inches": ('5" screen', '"'),
    "a quoted beginning": ('"Yes" he said', 'and "no" too'),
}


@pytest.mark.parametrize("case", STRAY)
@pytest.mark.parametrize("mark", ["\t", ","])
def test_a_stray_quote_swallows_no_row(tmp_path, case, mark):
    lines = plain_rows(mark)
    for place, text in zip((2, 5), STRAY[case], strict=True):
        lines[place] = lines[place].replace(f"word g{place - 1}", text)
    rows, report = read(written(tmp_path, "\n".join(lines)))
    assert [row[0] for row in rows] == [row["guid"] for row in ROWS]
    assert [row[2:] for row in rows] == [row[2:] for row in EXPECTED]
    assert rows[1][1] == STRAY[case][0]
    assert report.read == 6


def test_texts_of_several_lines_and_doubled_or_escaped_quotes_are_read(tmp_path):
    texts = ['one, two\nthree, "four", five\n\nsix', 'he said ""', "a\r\nb", "plain", ",,,", '"']
    content = "guid,text,image,tag\n" + "".join(
        f'g{n},"{text.replace(chr(34), chr(34) * 2)}",{n}.jpg,{TAGS[n]}\n' for n, text in enumerate(texts)
    )
    assert [row[1] for row in read(written(tmp_path, content))[0]] == texts
    unlike = (
        'guid,text\nalpha,"first\nbeta,gamma\nlast"\ndelta,plain\n'  # no column has a form, so no line looks like a row
    )
    table = open_table(written(tmp_path, unlike, "unlike.csv"))
    assert [cells for _, cells in table.records(Report())] == [["alpha", "first\nbeta,gamma\nlast"], ["delta", "plain"]]
    escaped = delimited(",").replace('"word, 2"', r'"say \"hi\", you"')
    assert read(written(tmp_path, escaped))[0][2][1] == 'say "hi", you'


def test_a_quote_that_swallows_rows_and_cannot_be_read_otherwise_is_named_with_its_line(tmp_path):
    lines = plain_rows(",")
    lines[3] = 'g2,"Hello, you, there,2.jpg,neutral'
    with pytest.raises(DataError, match=r"pairs\.csv:4: a quotation mark opens here"):
        read(written(tmp_path, "\n".join(lines)))


def test_long_texts_are_read_whole(tmp_path):
    long = "a long story " * 12_000
    assert read(written(tmp_path, delimited(",").replace("word, 2", long)))[0][2][1] == long


# Columns


@pytest.mark.parametrize(
    "names",
    [
        ["post_id", "caption", "photo_path", "label"],
        ["编号", "文本", "图片", "标签"],
        ["ID", "Tweet Text", "Image-File", "Sentiment"],
        ["Unnamed: 0", "content", "img", "emotion"],
        ["", "TEXT", "filename", "class"],
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_usual_names_of_columns_are_found_and_told(tmp_path, names, encoding):
    content = delimited(",").replace(",".join(NAMES), ",".join(names), 1).replace("word", "今天天气很好，我们去公园玩")
    given = {"encoding": encoding} if encoding == "gb18030" else {}
    rows, report = read(written(tmp_path, content.encode(encoding)), **given)
    assert [(row[0], *row[2:]) for row in rows] == [(row[0], *row[2:]) for row in EXPECTED]
    assert rows[0][1] == "今天天气很好，我们去公园玩, 0"
    found = ", ".join(f"{field} from {name or 1!r}" for field, name in zip(NAMES, names, strict=True))
    assert f": {found}; " in report.said[0] and "--tag-column" in report.said[0]


def test_two_columns_of_one_name_are_chosen_by_number_or_suffix(tmp_path):
    content = "guid,text,text,image,tag\n" + "".join(f"g{n},first {n},second {n},{n}.jpg,{TAGS[n]}\n" for n in range(6))
    path = written(tmp_path, content)
    with pytest.raises(DataError, match="columns 2 and 3 are both called 'text'"):
        read(path)
    for column, word in (("2", "first"), ("3", "second"), ("text.0", "first"), ("text.1", "second")):
        assert read(path, text_column=column)[0][1][1] == f"{word} 1"


def test_rows_without_ids_are_numbered_and_a_path_is_a_name(tmp_path):
    lines = [line.split("\t", 1)[1] for line in plain_rows()]
    path = written(tmp_path, "\n".join([lines[0], lines[1], "\t\t", *lines[2:]]))
    rows, report = read(path)
    assert [row[0] for row in rows] == list("123456") and "numbered from 1" in report.said[0]
    (tmp_path / "b.csv").write_text("text\timage\ttag\n" + "\n".join(f"w\ta/b/{n}.jpg\t{TAGS[n]}" for n in range(6)))
    assert [row[0] for row in read(tmp_path / "b.csv", guid_column="image")[0]] == [f"a/b/{n}.jpg" for n in range(6)]


def test_missing_columns_are_asked_for_ready_to_paste(tmp_path):
    content = delimited(",").replace("guid,text,image,tag", "id,caption,post,tag", 1)
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, content))
    assert "--text-column caption" in caught.value.hint
    headless = "\n".join(delimited(",").splitlines()[1:])
    with pytest.raises(DataError, match="has no header line"):
        read(written(tmp_path, headless))


def test_a_column_that_is_left_out_by_its_option_is_not_missing(tmp_path):
    path = written(tmp_path, "guid,image,tag\ng1,1.jpg,positive\ng2,2.jpg,negative\n")
    assert read(path, text_column="")[0] == [("g1", None, "1.jpg", "positive"), ("g2", None, "2.jpg", "negative")]


# Rows are accounted for


def test_every_row_is_read_skipped_or_refused(tmp_path):
    content = delimited(",", after=",,,\n\n ,,, \n") + "g7,w,7.jpg,\ng8,w,8.jpg,nan\n"
    rows, report = read(written(tmp_path, content))
    assert len(rows) == report.read == 6
    assert report.skipped == {"blank": 3, "without a tag": 2}
    assert [(what.count("'nan'"), places) for what, places in report.remarks.items()] == [(1, ["pairs.csv:12"])]
    assert report.counts() == "11 rows: 6 used, 5 skipped (3 blank, 2 without a tag), 0 with errors"
    assert report.numbers() == {"read": 11, "used": 6, "skipped": 5, "refused": 0}
    report.remark("odd", "pairs.csv:3")
    report.remark("odd", "pairs.csv:5")
    assert "pairs.csv:3" in report.notes("")[-1] and "pairs.csv:5" not in report.notes("")[-1]
    path = written(tmp_path, content + "g1,again,1.jpg,positive\nshort\n,no name,9.jpg,neutral\n")
    with pytest.raises(DataError, match=r"^3 of 14 rows have errors: "):
        read(path)


CELLS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def mutated(data, lines):
    """A manifest with bytes deleted, inserted or replaced at some places."""
    raw = bytearray("\n".join(lines).encode())
    for place, what, value in data:
        place %= len(raw) or 1
        if what == "cut":
            raw = raw[:place]
        elif what == "insert":
            raw[place:place] = value
        elif raw:
            raw[place : place + 1] = value
    return bytes(raw)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["cut", "insert", "replace", "replace", "insert"]),
        st.sampled_from(
            [b'"', b",", b"\n", b"\t", b"\0", b"\xff", b"\xe4\xbd", b"[", b"{", b'\\"', b";", b"\r", b"sep=;\n"]
        ),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(changes=CHANGES, suffix=st.sampled_from(["csv", "tsv", "jsonl", "json"]))
def test_a_mutated_manifest_is_read_or_refused_and_its_rows_are_counted(tmp_path_factory, changes, suffix):
    folder = tmp_path_factory.mktemp("mutated")
    lines = list(map(json.dumps, ROWS)) if "json" in suffix else plain_rows("\t" if suffix == "tsv" else ",")
    path = written(folder, mutated(changes, lines), f"pairs.{suffix}")
    report = Report()
    try:
        rows = labelled_rows(locate(str(path)), DataConfig(), report)
    except MmsentError as error:
        assert error.message and error.hint
        return
    assert report.read == len(rows) <= 7
    assert len({row.guid for row in rows}) == len(rows)
    list(map(str, rows))


def test_rows_to_predict_are_counted_too(tmp_path):
    path = written(tmp_path, delimited(",") + "g7,w,7.jpg,\ng8,w,8.jpg,N/A\n")
    assert [row.guid for row in unlabelled_rows(locate(str(path)), DataConfig())] == ["g7", "g8"]
    assert sys.getrecursionlimit() >= 1000
