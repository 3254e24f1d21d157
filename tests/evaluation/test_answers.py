"""Files of predictions: which forms are read, and what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.data.pairs import Dataset
from mmsent_cli.errors import DataError
from mmsent_cli.evaluation.answers import is_prediction_file, predict_labelled, read_answers
from mmsent_cli.inference.rows import PredictionFile, open_rows
from mmsent_cli.progress import Stage
from mmsent_cli.results import PredictedBy, Prediction
from tests.evaluation.builders import LABELS, numbered_pairs

PAIRS = Dataset(
    source="pairs.csv",
    pairs=tuple(numbered_pairs([0, 1, 2])),
    labels=LABELS,
    decision=EncodingDecision("utf-8"),
)
WITH_SHARES = ["0,negative,,0.8,0.1,0.1", "1,positive,,0.2,0.2,0.6", "2,positive,,0.1,0.1,0.8"]


def written(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "header",
    [
        "guid,tag,missing,negative,neutral,positive",
        "guid,label,missing," + ",".join(f"probability_{label}" for label in LABELS),
    ],
)
def test_a_file_of_predict_is_read_with_its_probabilities(tmp_path, header):
    answers = read_answers(written(tmp_path / "p.csv", header, *WITH_SHARES), PAIRS)
    assert answers.predicted.tolist() == [0, 2, 2]
    assert answers.true.tolist() == [0, 1, 2]
    assert answers.probabilities[1].tolist() == [0.2, 0.2, 0.6]
    assert [pair.guid for pair in answers.pairs] == ["0", "1", "2"]


def test_a_file_with_its_own_labels_needs_no_data(tmp_path):
    rows = ["a,x,y,0.4,0.6", "b,y,y,0.1,0.9"]
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,predicted,x,y", *rows))
    assert (answers.labels, answers.true.tolist(), answers.predicted.tolist()) == (("x", "y"), [0, 1], [1, 1])
    assert answers.pairs == ()


def test_a_label_that_is_a_number_is_no_probability(tmp_path):
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,predicted,0,1", "a,0,1,0.4,0.6", "b,1,1,0.1,0.9"))
    assert (answers.labels, answers.true.tolist(), answers.predicted.tolist()) == (("0", "1"), [0, 1], [1, 1])
    assert answers.probabilities.tolist() == [[0.4, 0.6], [0.1, 0.9]]


def test_json_lines_are_read(tmp_path):
    shares = {"negative": 0, "neutral": 0.1, "positive": 0.9}
    lines = [json.dumps({"guid": pair.guid, "label": "positive", "probabilities": shares}) for pair in PAIRS.pairs]
    answers = read_answers(written(tmp_path / "p.jsonl", *lines), PAIRS)
    assert answers.predicted.tolist() == [2, 2, 2]
    assert np.allclose(answers.probabilities.sum(axis=1), 1)
    lines[1] = json.dumps({"guid": "1", "label": None})  # its probability is below the threshold
    assert read_answers(written(tmp_path / "p.jsonl", *lines), PAIRS).guids == ("0", "2")


@pytest.mark.parametrize("suffix", ["", ".csv", ".txt", ".tsv", ".jsonl", ".parquet"])
def test_every_file_that_predict_writes_is_read(tmp_path, suffix):
    file = PredictionFile(out=tmp_path / f"p{suffix.upper()}", has_probabilities=True)
    shares = [(0.8, 0.1, 0.1), (0.2, 0.2, 0.6), (0.1, 0.1, 0.8)]
    with open_rows(file, LABELS, ((), iter(())), PredictedBy(run="r", checkpoint_digest="d", mmsent="1")) as rows:
        for pair, row in zip(PAIRS.pairs, shares, strict=True):
            label = LABELS[int(np.argmax(row))]
            rows.write(Prediction(guid=pair.guid, tag=label, probabilities=dict(zip(LABELS, row, strict=True))), True)
    assert is_prediction_file(file.out) == bool(suffix)
    if suffix:
        answers = read_answers(file.out, PAIRS)
        assert (answers.guids, answers.predicted.tolist()) == (("0", "1", "2"), [0, 2, 2])
        assert np.allclose(answers.probabilities, shares)


def test_labelled_pairs_are_predicted_in_their_order():
    rows, events = [(0.1, 0.2, 0.7), (0.5, 0.3, 0.2), (0.2, 0.6, 0.2)], []
    turned = [dict(zip(LABELS[::-1], row[::-1], strict=True)) for row in rows]
    predictor = SimpleNamespace(description=SimpleNamespace(labels=LABELS), notes=lambda: ["on a CPU"])
    predictor.predict = lambda pairs: (
        Prediction(guid=pair.guid, tag="", probabilities=shares) for pair, shares in zip(pairs, turned, strict=True)
    )
    data = replace(PAIRS, notes=("read",), problems=("4: dropped",))
    answers = predict_labelled(predictor, data, events.append)
    assert (answers.guids, answers.labels, answers.pairs) == (("0", "1", "2"), LABELS, PAIRS.pairs)
    assert (answers.true.tolist(), answers.predicted.tolist()) == ([0, 1, 2], [2, 0, 1])
    assert answers.probabilities.tolist() == [list(row) for row in rows]
    assert answers.notes == ("read", "4: dropped", "on a CPU")
    assert events == [Stage("predicting", done, 3) for done in (1, 2, 3)]


def test_pairs_on_one_side_only_are_left_out_and_counted(tmp_path):
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag", "2,neutral", "0,neutral", "1,", "9,neutral"), PAIRS)
    assert answers.guids == ("2", "0")
    assert [note.split()[:3] for note in answers.notes] == [["not", "used:", "2"], ["not", "used:", "1"]]


def test_numbers_that_are_no_probabilities_are_not_taken_for_them(tmp_path):
    rows = ["0,negative,3,4,5", "1,neutral,1,2,3"]
    path = written(tmp_path / "p.csv", "guid,tag,negative,neutral,positive", *rows)
    assert read_answers(path, PAIRS).probabilities is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("guid,tag", "0,bad", "1,neutral"), "p.csv:2: unknown label 'bad'"),
        (("guid,tag", "0,neutral", "0,neutral"), "p.csv:3: the guid 0 occurs again"),
        (("guid,tag", "0,neutral", "1"), "p.csv:3: the row has 1 column instead of 2"),
        (("guid,colour", "0,red"), "colour"),
        (("guid,tag",), "no predictions"),
        (("guid,tag", "7,neutral", "8,neutral"), "0 guids"),
        (("",), "no columns"),
    ],
)
def test_what_is_no_file_of_predictions_is_refused_with_its_line(tmp_path, lines, said):
    with pytest.raises(DataError, match=said.replace("(", "\\(")):
        read_answers(written(tmp_path / "p.csv", *lines), PAIRS)


def test_a_file_without_labels_asks_for_data(tmp_path):
    with pytest.raises(DataError, match="no true labels") as caught:
        read_answers(written(tmp_path / "p.csv", "guid,tag", "0,neutral"))
    assert "--data" in caught.value.hint


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"guid": 1, "label": "a", "probabilities": {"a": 1%s}}' % ("0" * 400)]
)
def test_json_that_cannot_be_a_prediction_is_refused_with_its_line(tmp_path, line):
    with pytest.raises(DataError, match=r"p\.jsonl:1: "):
        read_answers(written(tmp_path / "p.jsonl", line))


def test_labels_of_json_lines_are_read_as_text(tmp_path):
    rows = [{"guid": 1, "tag": ["x"], "predicted": 0}, {"guid": "\ud800", "tag": 0, "predicted": 0}]
    answers = read_answers(written(tmp_path / "p.jsonl", *map(json.dumps, rows)))
    assert answers.labels == ("0", "['x']") and answers.true.tolist() == [1, 0]
    assert all(guid.encode() for guid in answers.guids)
