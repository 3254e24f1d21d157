"""A prediction's counts, warnings and bars come out as they are in the result."""

import io
import sys

import pytest

from mmsent_cli.reports.small_results import print_predict
from mmsent_cli.results import Prediction, PredictResult


def result(**changes):
    values = {
        "checkpoint": "runs/a/best_model.pt",
        "out": "submission.txt",
        "pairs": 50,
        "counts": {"negative": 10, "neutral": 0, "positive": 40},
        "missing_text": 0,
        "missing_image": 0,
        "replaced_characters": 0,
        "seconds": 1.0,
    }
    return PredictResult(**(values | changes))


def lines(capsys):
    return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_counts_shares_and_bars(capsys):
    print_predict(result())
    rows = {row[0]: row[1:] for row in lines(capsys)}
    assert rows["negative"] == ["10", "20.0", "%", "█" * 6]
    assert rows["neutral"] == ["0", "0.0", "%"]
    assert rows["positive"] == ["40", "80.0", "%", "█" * 24]
    assert rows["submission.txt"] == []


def test_warnings_appear_only_where_there_is_something_to_warn_of(capsys):
    print_predict(result())
    assert not {"Without", "Undecodable"} & {row[0] for row in lines(capsys)}
    print_predict(result(missing_text=2, missing_image=3, replaced_characters=1))
    rows = lines(capsys)
    assert [row[:3] for row in rows if row[0] == "Without"] == [["Without", "text", "2,"], ["Without", "image", "3"]]
    assert [row[:3] for row in rows if row[0] == "Undecodable"] == [["Undecodable", "1", "character"]]


def test_no_pairs_at_all_is_no_division_by_zero(capsys):
    print_predict(result(pairs=0, counts={"negative": 0, "positive": 0}))
    assert ["positive", "0", "0.0", "%"] in lines(capsys)


@pytest.mark.parametrize("missing", ["", "image"])
def test_a_single_pair_shows_its_tag_and_probabilities(capsys, missing):
    probabilities = {"negative": 0.1, "positive": 0.9}
    one = Prediction(guid="pair", tag="positive", probabilities=probabilities, missing=missing)
    print_predict(result(out=None, pairs=1, prediction=one))
    rows = lines(capsys)
    assert ["positive"] in rows
    assert ["negative", "10.0", "%", "█" * 3] in rows
    assert ["positive", "90.0", "%", "█" * 27] in rows
    assert any(row[:5] == ["This", "pair", "has", "no", "image:"] for row in rows) is bool(missing)


def test_bars_on_a_stream_without_block_characters(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    print_predict(result())
    stream.flush()
    assert "#" * 24 in stream.buffer.getvalue().decode("latin-1")
