"""`mmsent inspect-encoding` on small folders: its JSON, its UTF-8 copies, and what it says of bad input."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmsent_cli.commands.app import app
from mmsent_cli.run_list import list_runs

SENTENCES = (
    "今天天气很好，我们去公园走走吧。",
    "这本书太无聊了，我看不下去。",
    "谢谢大家的祝福，我爱你们！",
    "地铁又晚点了，上班迟到半小时。",
    "小猫在窗边睡了一整天。",
)
KEYS = {"encoding", "decided", "files", "non_ascii_files", "undecodable", "candidates", "exceptions"}


def run(*arguments):
    return CliRunner().invoke(app, ["inspect-encoding", *map(str, arguments)])


def error_of(result):
    """The two lines of an expected failure, which is no crash."""
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    error, hint = result.stderr.strip().splitlines()[-2:]
    assert error.startswith("error: ") and hint.startswith("hint: ")
    return error, hint


@pytest.fixture(autouse=True)
def work(tmp_path_factory, monkeypatch):
    """A folder for the runs, apart from the texts."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))


@pytest.fixture
def folder(tmp_path):
    """Ten texts in a lab folder: four GB18030, one UTF-8, five ASCII."""
    texts = tmp_path / "corpus" / "data"
    texts.mkdir(parents=True)
    guids = (*range(5), *range(10, 15), "damaged")
    (tmp_path / "corpus" / "train.txt").write_text("guid,tag\n" + "".join(f"{guid},positive\n" for guid in guids))
    for number, sentence in enumerate(SENTENCES):
        (texts / f"{number}.txt").write_bytes(sentence.encode("utf-8" if number == 4 else "gb18030") + b"\r\n")
        (texts / f"1{number}.txt").write_bytes(b"plain words\r\n")
    return tmp_path / "corpus"


def test_json_holds_the_decision_and_nothing_else_is_on_stdout(folder):
    result = run("--data", folder, "--json")
    found = json.loads(result.stdout)
    assert set(found) >= KEYS
    assert (found["encoding"], found["decided"], found["files"]) == ("gb18030", True, 10)
    assert (found["non_ascii_files"], found["undecodable"]) == (5, 0)
    assert found["candidates"][0]["encoding"] == "gb18030" and set(found["candidates"][0]) == {
        "encoding",
        "score",
        "failures",
    }
    assert [(each["name"], each["encoding"]) for each in found["exceptions"]] == [("4.txt", "utf-8")]
    assert {each["after"].strip() for each in found["snippets"]} == set(SENTENCES)
    assert found["detector_checked"] == 5
    assert any(str(folder) in note for note in found["notes"])


def test_the_tables_name_encoding_candidates_and_snippets(folder):
    result = run("--data", folder)
    assert result.exit_code == 0
    assert all(word in result.stdout for word in ("gb18030", "4.txt", "utf-8", "小猫"))


def test_too_little_evidence_is_an_answer_not_a_failure(tmp_path):
    (tmp_path / "1.txt").write_bytes(b"caf\xe9")
    result = run("--data", tmp_path, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["decided"] is False
    shown = run("--data", tmp_path).stdout
    assert "Undecided" in shown and "--encoding" in shown


def test_a_terminal_is_never_steered_by_wrongly_decoded_controls(tmp_path):
    (tmp_path / "1.txt").write_bytes(b"red \x9b31m text \x1b[31m \x85")
    assert not {"\x9b", "\x1b", "\x85"} & set(run("--data", tmp_path).stdout)


def test_copies_are_utf8_under_the_same_names(folder, tmp_path):
    copies = tmp_path / "copies"
    found = json.loads(run("--data", folder, "--convert-to", copies, "--json").stdout)
    written = {path.relative_to(copies).as_posix() for path in copies.rglob("*") if path.is_file()}
    assert written == {f"data/{name}.txt" for name in (*range(5), *range(10, 15))}
    for number, sentence in enumerate(SENTENCES):
        assert (copies / "data" / f"{number}.txt").read_bytes() == sentence.encode() + b"\r\n"
    assert (found["converted_to"], found["converted_files"]) == (str(copies), 10)


def test_copies_overwrite_only_by_force(folder, tmp_path):
    copies = tmp_path / "copies"
    (copies / "data").mkdir(parents=True)
    (copies / "data" / "3.txt").write_text("mine")
    error, hint = error_of(run("--data", folder, "--convert-to", copies))
    assert "3.txt" in error and "--force" in hint
    assert [path.read_text() for path in (copies / "data").iterdir()] == ["mine"]
    assert run("--data", folder, "--convert-to", copies, "--force").exit_code == 0
    assert (copies / "data" / "3.txt").read_text(encoding="utf-8").strip() == SENTENCES[3]


def test_the_data_itself_is_never_converted_in_place(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.txt")}
    error_of(run("--data", folder, "--convert-to", folder, "--force"))
    assert {path: path.read_bytes() for path in folder.rglob("*.txt")} == before


def test_nothing_is_converted_on_a_guess(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.txt").write_bytes(b"caf\xe9")
    _, hint = error_of(run("--data", tmp_path / "in", "--convert-to", tmp_path / "out"))
    assert "--encoding" in hint and not (tmp_path / "out").exists()
    assert run("--data", tmp_path / "in", "--convert-to", tmp_path / "out", "--encoding", "latin-1").exit_code == 0
    assert (tmp_path / "out" / "1.txt").read_text(encoding="utf-8") == "café"


def test_lost_characters_are_told(folder, tmp_path):
    (folder / "data" / "damaged.txt").write_bytes("今天".encode("gb18030") + b"\xff\n")
    result = run("--data", folder, "--convert-to", tmp_path / "out", "--json")
    found = json.loads(result.stdout)
    assert (found["undecodable"], found["replaced_characters"]) == (1, 1)
    assert any("damaged.txt (1)" in note for note in found["notes"])


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: None, lambda path: path.write_text("x")])
def test_a_place_without_texts_is_an_error(tmp_path, make):
    make(tmp_path / "place")
    error, _ = error_of(run("--data", tmp_path / "place"))
    assert "place" in error


def test_a_target_that_cannot_be_written_is_an_error(folder, tmp_path):
    (tmp_path / "file").write_text("")
    error, _ = error_of(run("--data", folder, "--convert-to", tmp_path / "file"))
    assert "cannot write" in error


def test_an_unknown_encoding_gets_near_matches(folder):
    _, hint = error_of(run("--data", folder, "--encoding", "gb1803"))
    assert "gb18030" in hint


def test_a_manifest_in_a_legacy_encoding_is_decided(tmp_path):
    rows = "".join(f"{number},{sentence.rstrip('。！')},a.jpg,a\n" for number, sentence in enumerate(SENTENCES))
    manifest = tmp_path / "pairs.csv"
    manifest.write_bytes(f"guid,text,image,tag\n{rows}".replace("，", "、").encode("gb18030"))
    found = json.loads(run("--data", manifest, "--json").stdout)
    assert (found["encoding"], found["decided"], found["files"]) == ("gb18030", True, 5)
    manifest.write_bytes(f"guid,text,image,tag\n{rows}".encode())
    found = json.loads(run("--data", manifest, "--json").stdout)
    assert (found["encoding"], found["decided"], found["non_ascii_files"]) == ("utf-8", True, 5)
    error_of(run("--data", manifest, "--convert-to", tmp_path / "out"))


def test_the_run_is_listed_and_the_pairs_are_checked_next(folder):
    assert run("--data", folder).stdout.splitlines()[-1].split() == ["mmsent", "check", "--data", str(folder)]
    assert list_runs(Path("runs")).runs[0].command == "inspect-encoding"


def test_texts_are_not_translated(folder):
    """A comma in a text is no comma of a sentence."""
    (folder / "data" / "0.txt").write_bytes("plain, 今天, words".encode("gb18030"))
    shown = run("--data", folder, "--lang", "zh").stdout
    assert "plain, 今天, words" in shown


def test_examples_stay_out_of_the_page_if_asked(folder):
    assert json.loads(run("--data", folder, "--no-examples", "--json").stdout)["snippets"] == []
