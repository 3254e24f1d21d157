"""`mmsent predict --shard`, and tables from standard input."""

import csv
import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mmsent_cli import api
from mmsent_cli.commands.app import app
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.rows import Shard
from mmsent_cli.progress import Stage
from tests.commands.running import assert_refused, interrupted, mmsent, small_lab, succeed


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A trained run, a manifest of 22 pairs, and a model that predicts four pairs at a time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Predictor, "chunk_pairs", 4)
    shutil.copytree(trained, Path("runs", trained.name))
    small_lab(tmp_path / "lab")
    rows = [
        {"guid": f"p{n}", "text": "word " * (n % 5 + 1), "image": f"lab/data/{n % 18 + 1}.jpg", "who": f"user {n}"}
        for n in range(22)
    ]
    pd.DataFrame(rows).to_csv("new.csv", index=False)
    return Path("new.csv")


def predict(out, *arguments, data="new.csv"):
    values = succeed("predict", "--data", data, "--out", out, "--probabilities", *arguments, "--json")
    return values, Path(out).read_bytes()


@given(st.integers(0, 500), st.integers(1, 12), st.integers(1, 40))
def test_shards_are_whole_chunks_and_hold_each_row_once(total, count, chunk):
    parts = [Shard(number, count).rows(total, chunk) for number in range(1, count + 1)]
    assert [row for part in parts for row in part] == list(range(total))
    assert all(part.start % chunk == 0 for part in parts if part)
    sizes = [-(-len(part) // chunk) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("out", "count"), [("out.csv", 9), ("out.jsonl", 3)])
def test_the_shards_together_are_the_whole_prediction_to_the_byte(ready, count, out):
    _, whole = predict(out, "--keep", "who")
    header, rows = (whole.split(b"\n", 1)[0] + b"\n", whole.split(b"\n", 1)[1]) if out == "out.csv" else (b"", whole)
    joined, pairs = b"", 0
    for number in range(1, count + 1):
        values, part = predict(f"{number}-{out}", "--keep", "who", "--shard", f"{number}/{count}")
        assert part.startswith(header)
        joined, pairs = joined + part.removeprefix(header), pairs + values["pairs"]
        assert any("more shards than batches" in note for note in values["notes"]) == (not values["pairs"])
    assert (joined, pairs) == (rows, 22)


def test_a_shard_is_resumed_as_itself(ready, monkeypatch):
    monkeypatch.setattr("mmsent_cli.inference.stream.PROGRESS_STEP", 1)
    _, whole = predict("whole.csv", "--shard", "2/2")
    words = ("predict", "--data", "new.csv", "--out", "out.csv", "--probabilities")
    stopped = interrupted(monkeypatch, Stage, 6, *words, "--shard", "2/2")
    assert stopped.exit_code == 130
    assert "--shard 2/2" in stopped.stderr
    assert_refused(mmsent(*words, "--shard", "1/2", "--resume"), "another --shard")
    assert predict("out.csv", "--shard", "2/2", "--resume")[1] == whole


@pytest.mark.parametrize("written", ["0/2", "3/2", "1/0", "1", "a/b", "1/2/3", "-1/2", "1 / 2", "１/２"])
def test_what_is_no_shard(ready, written):
    assert_refused(mmsent("predict", "--data", "new.csv", "--out", "out.csv", "--shard", written), "--shard", "I/N")
    assert not Path("out.csv").exists()
    words = ("predict", "--data", "new.csv", "--out", "out.csv", "--shard", "1/2", "--engine", "ray")
    assert_refused(mmsent(*words), "--shard cannot be combined", "leave out one of the two options")


def from_input(content, *arguments):
    """The result of a prediction of a table on standard input."""
    return CliRunner().invoke(app, ["predict", "--data", "-", *arguments], input=content)


def as_json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows):
    file = io.BytesIO()
    pd.DataFrame(rows).to_parquet(file)
    return file.getvalue()


FORMS = {
    "csv": lambda rows: pd.DataFrame(rows).to_csv(index=False).encode(),
    "csv with a byte-order mark": lambda rows: pd.DataFrame(rows).to_csv(index=False).encode("utf-8-sig"),
    "tsv": lambda rows: pd.DataFrame(rows).to_csv(index=False, sep="\t").encode(),
    "utf-16": lambda rows: pd.DataFrame(rows).to_csv(index=False).encode("utf-16"),
    "JSON lines": as_json_lines,
    "a JSON array": lambda rows: json.dumps(rows, indent=1).encode(),
    "parquet": as_parquet,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_on_standard_input_is_read_by_what_it_contains(ready, form):
    """Paths of images start in the current folder."""
    rows = list(csv.DictReader(ready.open()))
    _, expected = predict("file.csv")
    result = from_input(FORMS[form](rows), "--out", "piped.csv", "--probabilities", "--json")
    assert result.exit_code == 0, result.output
    assert Path("piped.csv").read_bytes() == expected
    assert "data: standard input (--data -)" in json.loads(result.stdout)["notes"]


def test_the_copy_of_standard_input_is_removed(ready, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "kept"))
    Path("kept").mkdir()
    content = ready.read_bytes()
    assert from_input(content, "--out", "-").exit_code == 0
    assert_refused(from_input(content, "--out", "out.csv", "--resume"), "standard input", "save the table")
    assert_refused(from_input(content, "--out", "out.csv", "--text-column", "none"), "none")
    monkeypatch.setattr(api, "predict", lambda **arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    assert from_input(content, "--out", "out.csv").exit_code == 130
    assert list(Path("kept").iterdir()) == []
    for empty in (b"", b" \n\n", b"\xef\xbb\xbf"):
        assert_refused(from_input(empty, "--out", "out.csv"), "standard input is empty", "--data -")


def test_a_text_on_standard_input_may_have_several_lines(ready):
    text = 'first line\nsecond line, with "quotes"\n\nlast'
    typed = succeed("predict", "--text", text, "--json")["prediction"]
    piped = CliRunner().invoke(app, ["predict", "--text", "-", "--json"], input=text + "\n")
    assert json.loads(piped.stdout)["prediction"] == typed


def test_the_shards_together_count_a_row_that_cannot_be_read_once(ready):
    rows = Path("new.csv").read_text().splitlines()
    Path("new.csv").write_text("\n".join([*rows[:2], "one cell", *rows[2:], rows[1]]))
    dropped = [
        predict(f"{part}.csv", "--shard", f"{part}/9", "--on-bad", "drop")[0]["dropped"] for part in range(1, 10)
    ]
    assert sum(dropped) == predict("whole.csv", "--on-bad", "drop")[0]["dropped"] == 2
