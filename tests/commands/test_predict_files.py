"""`mmsent predict --out`: the form of each ending, rows that are left out, and what is refused before any work."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mmsent_cli.inference.predictor import Predictor
from tests.commands.running import assert_refused, mmsent, small_lab, succeed

LABELS = ("negative", "neutral", "positive")


@pytest.fixture
def ready(tmp_path, monkeypatch, trained):
    """A trained run and a table of six pairs with a column more; the image of the third is broken."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, Path("runs", trained.name))
    small_lab(tmp_path / "lab")
    rows = [{"guid": f"p{n}", "text": "word " * n, "image": f"lab/data/{n}.jpg", "who": f"u{n}"} for n in range(1, 7)]
    pd.DataFrame(rows).to_csv("new.csv", index=False)
    return trained


def predict(out, *arguments):
    return succeed("predict", "--data", "new.csv", "--out", out, *arguments, "--json")


def in_columns(path):
    """A prediction file in the names of Parquet; the readers know the form by the ending alone."""
    if path.endswith(".parquet"):
        return pd.read_parquet(path)
    if path.endswith(".jsonl"):
        rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
        shares = [{f"probability_{label}": row["probabilities"][label] for label in LABELS} for row in rows]
        return pd.DataFrame([{**row, **share} for row, share in zip(rows, shares, strict=True)])
    table = pd.read_csv(path, sep="\t" if path.lower().endswith(".tsv") else ",", keep_default_na=False)
    return table.rename(columns={"tag": "label", **{label: f"probability_{label}" for label in LABELS}})


@pytest.mark.parametrize("out", ["out.csv", "out.txt", "out", "out.TSV", "out.jsonl", "out.parquet"])
def test_each_ending_gives_its_form_with_the_same_rows(ready, out):
    predict("plain.csv", "--probabilities", "--keep", "who")
    values = predict(out, "--probabilities", "--keep", "who")
    found, plain = in_columns(out), in_columns("plain.csv")
    for name in ("guid", "label", "missing", "who"):
        assert found[name].tolist() == plain[name].tolist()
    for label in LABELS:
        assert found[f"probability_{label}"].tolist() == pytest.approx(plain[f"probability_{label}"].tolist(), abs=1e-6)
    assert values["pairs"] == len(found) == 6


def test_parquet_and_json_name_the_model(ready):
    import pyarrow.parquet as parquet

    model = predict("out.parquet", "--abstain-below", 1)["model"]
    schema = parquet.read_schema("out.parquet")
    assert json.loads(schema.metadata[b"predicted_by"]) == model
    assert (model["run"], len(model["checkpoint_digest"])) == (ready.name, 32)
    assert schema.names == ["guid", "label", "missing", *(f"probability_{label}" for label in LABELS)]
    assert parquet.read_table("out.parquet")["label"].to_pylist() == [None] * 6
    assert succeed("predict", "--text", "a", "--json")["model"] == model


@pytest.mark.parametrize("out", ["out.xlsx", "out.json", "out.csv.gz", "out.html", "out.feather"])
def test_an_ending_that_is_not_written_is_refused_with_the_list(ready, out):
    assert_refused(mmsent("predict", "--data", "new.csv", "--out", out), out, ".csv, .txt, .tsv, .jsonl, .parquet")
    assert not Path(out).exists()


def test_parquet_without_its_package(ready, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert_refused(mmsent("predict", "--data", "new.csv", "--out", "out.parquet"), ".[parquet]")


@pytest.mark.parametrize(("on_bad", "pairs"), [("drop", 4), ("blank", 5)])
def test_pairs_that_are_left_out_or_blanked_are_listed(ready, on_bad, pairs):
    table = pd.read_csv("new.csv").astype(object)
    Path("broken.jpg").write_bytes(b"no image")
    table.loc[2, "image"] = "broken.jpg"
    table.loc[4, ["text", "image"]] = [None, "nowhere.jpg"]
    table.to_csv("new.csv", index=False)
    values = predict("out.jsonl", "--on-bad", on_bad)
    first, second = values["unusable"]
    outcome = "blanked" if on_bad == "blank" else "dropped"
    assert (first["guid"], first["row"], first["outcome"]) == ("p3", "new.csv:4", outcome)
    assert (second["guid"], second["row"], second["outcome"]) == ("p5", "new.csv:6", "dropped")
    assert "broken.jpg" in first["reason"] and "nowhere.jpg" in second["reason"]
    assert (values["pairs"], values["dropped"], values["blanked"]) == (pairs, 6 - pairs, int(on_bad == "blank"))
    assert any(f"6 rows: {pairs} used, 0 skipped, {6 - pairs} with errors" in note for note in values["notes"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--out", "there.csv"), "--force"),
        (("--out", "o.csv", "--shard", "4/3"), "4/3"),
        (("--out", "o.csv", "--keep", "nope"), "nope"),
        (("--out", "o.xlsx"), ".parquet"),
    ],
)
def test_simple_mistakes_are_refused_before_the_model_is_loaded(ready, monkeypatch, arguments, told):
    Path("there.csv").write_text("mine")
    monkeypatch.setattr(Predictor, "load", lambda *_: pytest.fail("loaded"))
    assert_refused(mmsent("predict", "--data", "new.csv", *arguments), told)


@pytest.mark.parametrize(
    "arguments", [("--out", "there.csv"), ("--out", "o.csv", "--shard", "4/3"), ("--out", "o.xls")]
)
def test_simple_mistakes_are_refused_without_torch(tmp_path, arguments):
    (tmp_path / "there.csv").write_text("mine")
    code = "import sys, mmsent_cli.commands.app as m\ntry: m.app()\nfinally: print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    how = [sys.executable, "-c", code, "predict", "--data", "new.csv", *arguments]
    done = subprocess.run(how, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "False\n"), done.stderr


@pytest.mark.parametrize(
    ("name", "near"),
    [("nope/model.pt", None), ("runs/RUN/best_mode.pt", "best_model.pt"), ("runs/RUM", "runs/RUN"), ("/nope.pt", None)],
)
def test_a_checkpoint_that_does_not_exist_is_named_as_typed(ready, name, near):
    name, near = (part and part.replace("RUN", ready.name).replace("RUM", ready.name + "x") for part in (name, near))
    assert_refused(
        mmsent("predict", "--text", "a", "--checkpoint", name), f"{name} does not exist", *filter(None, [near])
    )
