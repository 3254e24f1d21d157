"""Prediction files: which forms are read, and what is refused."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.data.pairs import Dataset
from mmsent_cli.errors import DataError
from mmsent_cli.evaluation.answers import predict_labelled, read_answers
from mmsent_cli.evaluation.prediction_file import is_prediction_file
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


@pytest.mark.parametrize(
    "shares", [("3", "4", "5"), ("0.5", "0.5", ""), ("nan", "0.5", "0.5"), ("-1", "1", "1"), ("a", "b", "c")]
)
def test_numbers_that_are_no_probabilities_are_not_used_and_the_first_such_row_is_named(tmp_path, shares):
    rows = ["0,negative,0.8,0.1,0.1", f"1,neutral,{','.join(shares)}"]
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,negative,neutral,positive", *rows), PAIRS)
    assert answers.probabilities is None
    assert [note for note in answers.notes if "p.csv:3 " in note]


def test_a_label_without_the_highest_probability_is_noted(tmp_path):
    rows = ["0,negative,0.8,0.1,0.1", "1,neutral,0.2,0.2,0.6", "2,positive,0.3333334,0.3333333,0.3333333"]
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,negative,neutral,positive", *rows), PAIRS)
    assert answers.probabilities.shape == (3, 3)
    assert [note for note in answers.notes if "in 1 row, such as p.csv:3" in note]


@pytest.mark.parametrize("extra", ["7,8,9", "x,y,z", ",,"])
def test_classes_without_a_prediction_are_known_from_the_probabilities(tmp_path, extra):
    shares = zip(("0.1,0.9", "0.5,0.5", "0,1"), extra.split(","), strict=True)
    rows = [f"{number},a,{'' if number == 1 else 'a'},{share},{more}" for number, (share, more) in enumerate(shares)]
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,predicted,b,a,more", *rows))
    assert answers.labels == ("b", "a")
    assert answers.probabilities.tolist() == [[0.1, 0.9], [0, 1]]


@pytest.mark.parametrize(
    "shares", [{"probabilities": {"b": 0.1, "a": 0.9}}, {"probability_b": 0.1, "probability_a": 0.9}]
)
def test_named_probabilities_are_not_mixed_with_other_numbers(tmp_path, shares):
    rows = [{"guid": guid, "tag": "a", "predicted": "a", "confidence": 0.9, "a": 3, **shares} for guid in (0, 1)]
    answers = read_answers(written(tmp_path / "p.jsonl", *map(json.dumps, rows)))
    assert answers.labels == ("b", "a")
    assert answers.probabilities.tolist() == [[0.1, 0.9]] * 2


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("name", ["missing", "predicted", "prediction", "label", "tag", "guid", "probabilities"])
def test_predictions_of_a_class_called_like_a_column_are_read(tmp_path, suffix, name):
    file, labels = PredictionFile(out=tmp_path / f"p{suffix}", has_probabilities=True), (name, "other")
    with open_rows(file, labels, ((), iter(())), PredictedBy(run="r", checkpoint_digest="d", mmsent="1")) as rows:
        for guid, share in enumerate((0.7, 0.2)):
            shares = {name: share, "other": 1 - share}
            rows.write(Prediction(guid=str(guid), tag=max(shares, key=shares.get), probabilities=shares), True)
    data = replace(PAIRS, pairs=tuple(replace(pair, tag=name) for pair in PAIRS.pairs[:2]), labels=labels)
    answers = read_answers(file.out, data)
    assert (answers.predicted.tolist(), answers.true.tolist()) == ([0, 1], [0, 0])
    assert np.allclose(answers.probabilities, [[0.7, 0.3], [0.2, 0.8]])


@pytest.mark.parametrize("name", ["predicted", "prediction", "pred"])
def test_labels_beside_predictions_are_the_true_ones_in_any_order(tmp_path, name):
    rows = ["0,negative,positive", "1,positive,positive"]
    for header in (f"guid,label,{name}", f"guid,tag,{name}"):
        answers = read_answers(written(tmp_path / "p.csv", header, *rows))
        assert (answers.true.tolist(), answers.predicted.tolist()) == ([0, 1], [1, 1])
    turned = read_answers(
        written(tmp_path / "p.csv", f"guid,{name},label", "0,positive,negative", "1,positive,positive")
    )
    assert turned.true.tolist() == [0, 1]


def test_what_was_read_otherwise_is_noted(tmp_path):
    answers = read_answers(
        written(tmp_path / "p.csv", "guid,tag,text", '0,negative,"a', "1,neutral,b", "2,neutral,c"), PAIRS
    )
    assert [note for note in answers.notes if "p.csv:2" in note and "quote" in note]


def test_columns_that_are_not_used_may_be_repeated(tmp_path):
    path = written(
        tmp_path / "p.csv", "guid,tag,note,note,probability_neutral,neutral", "0,neutral,a,b,1,5", "1,neutral,a,b,1,5"
    )
    assert read_answers(path, PAIRS).predicted.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", "guid;tag\n0;negative\n1;positive\n2;positive\n"),
        ("p.csv", "guid\ttag\n0\tnegative\n1\tpositive\n2\tpositive\n"),
        ("p.tsv", "guid,tag\n0,negative\n1,positive\n2,positive\n"),
        ("p.csv", " guid , Tag \n0, negative\n1 ,positive\n2,positive \n"),
        ("p.csv", "\n\nguid,tag\n\n0,negative\n1,positive\n2,positive\n"),
        ("p.csv", "tag,guid\nnegative,0\npositive,1\npositive,2\n"),
        ("p.csv", "text,id,label\nx,0,negative\ny,1,positive\nz,2,positive\n"),
        ("p.csv", 'guid,tag,text\n0,negative,"a\n1,positive,b\n2,positive,c\n'),
        ("p.txt", "guid,tag,predicted\n0,positive,negative\n1,negative,positive\n2,negative,positive\n"),
        (
            "p.json",
            '[{"guid": 0, "label": "negative"}, {"guid": 1, "label": "positive"}, {"guid": 2, "label": "positive"}]',
        ),
        ("p.jsonl", '{"guid": 0, "tag": "negative"}\n{"guid": 1, "tag": "positive"}\n{"guid": 2, "tag": "positive"}\n'),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_other_programs_are_read(tmp_path, name, content, encoding):
    (tmp_path / name).write_text(content, encoding=encoding)
    assert is_prediction_file(tmp_path / name)
    answers = read_answers(tmp_path / name, PAIRS)
    assert dict(zip(answers.guids, answers.predicted.tolist(), strict=True)) == {"0": 0, "1": 2, "2": 2}
    assert answers.true.tolist() == [0, 1, 2]


def test_a_class_may_be_called_like_a_column(tmp_path):
    path = written(tmp_path / "p.csv", "guid,tag,predicted,tag,guid", "0,tag,guid,0.4,0.6", "1,guid,guid,0.3,0.7")
    answers = read_answers(path)
    assert (answers.labels, answers.true.tolist(), answers.predicted.tolist()) == (("tag", "guid"), [0, 1], [1, 1])
    assert answers.probabilities.tolist() == [[0.4, 0.6], [0.3, 0.7]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("guid,tag", "0,bad", "1,neutral"), "p.csv:2: unknown label 'bad'"),
        (("guid,tag", "0,neutral", "0,neutral"), "p.csv:3: duplicate guid 0"),
        (("guid,tag", "0,neutral", "1"), "p.csv:3: the row has 1 column instead of 2"),
        (("guid,tag", "0,neutral", ",neutral"), "p.csv:3: the guid is empty"),
        (("guid,tag,tag", "0,neutral,neutral", "1,neutral,positive"), "columns 2 and 3 are both called 'tag'"),
        (("guid,tag,neutral,neutral", "0,neutral,1,0", "1,neutral,1,0"), "columns 3 and 4 are both called 'neutral'"),
        (("guid,colour", "0,red"), "no column predicted, tag or label; its columns are guid, colour"),
        (("name,tag", "0,red"), "no column guid;"),
        (("guid,tag,label", "0,neutral,negative"), "columns tag and label, so it is not clear"),
        (("guid,pred,predicted", "0,neutral,negative"), "columns pred and predicted, so it is not clear"),
        (("guid,tag",), "no predictions"),
        (("guid,tag", "7,neutral", "8,neutral"), "0 guids"),
        (("",), "is empty"),
    ],
)
def test_what_is_no_file_of_predictions_is_refused_with_its_line(tmp_path, lines, said):
    with pytest.raises(DataError, match=said.replace("(", "\\(")):
        read_answers(written(tmp_path / "p.csv", *lines), PAIRS)


def test_guids_that_do_not_meet_are_shown(tmp_path):
    with pytest.raises(DataError) as caught:
        read_answers(written(tmp_path / "p.csv", "guid,tag", "7.txt,neutral", "8.txt,neutral"), PAIRS)
    assert "'7.txt'" in caught.value.hint and "'0'" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.csv.gz", b"\x1f\x8b\x08", "is a compressed file"),
        ("p.xlsx", b"no workbook", "is not an Excel workbook"),
        ("p.parquet", b"no parquet", "is not a parquet file"),
        ("p.csv", b"guid,tag\n0,\xe4\n1,\xe4\n", "is not UTF-8"),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_answers(tmp_path / name, PAIRS)


def test_a_pipe_is_refused_at_once_and_a_folder_is_no_file(tmp_path):
    (tmp_path / "d.csv").mkdir()
    os.mkfifo(tmp_path / "p.csv")
    assert not is_prediction_file(tmp_path / "d.csv")
    assert is_prediction_file(tmp_path / "p.csv")
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        read_answers(tmp_path / "p.csv", PAIRS)


def test_a_file_without_labels_asks_for_data(tmp_path):
    with pytest.raises(DataError, match="no true labels") as caught:
        read_answers(written(tmp_path / "p.csv", "guid,tag", "0,neutral"))
    assert "--data" in caught.value.hint


def test_json_that_is_nested_too_deeply_is_refused(tmp_path):
    with pytest.raises(DataError, match="nested too deeply"):
        read_answers(written(tmp_path / "p.jsonl", "[" * 100_000))


def test_a_probability_that_is_no_number_of_the_machine_is_not_used(tmp_path):
    row = '{"guid": 1, "label": "neutral", "probabilities": {"neutral": 1%s}}' % ("0" * 400)
    answers = read_answers(written(tmp_path / "p.jsonl", '{"guid": 0, "label": "neutral"}', row), PAIRS)
    assert answers.probabilities is None


def test_labels_of_json_lines_are_read_as_text(tmp_path):
    rows = [{"guid": 1, "tag": "x", "predicted": 0}, {"guid": "2", "tag": 0, "predicted": 0.0}]
    answers = read_answers(written(tmp_path / "p.jsonl", *map(json.dumps, rows)))
    assert answers.labels == ("0", "x") and answers.true.tolist() == [1, 0]


@pytest.mark.parametrize("row", [{"guid": None, "tag": "x"}, {"guid": "\ud800", "tag": "x"}, {"guid": 2, "tag": ["x"]}])
def test_values_that_are_no_names_are_refused_with_their_line(tmp_path, row):
    with pytest.raises(DataError, match=r"p\.jsonl:2: the"):
        read_answers(written(tmp_path / "p.jsonl", json.dumps({"guid": 1, "tag": "x"}), json.dumps(row)), PAIRS)


def test_scores_instead_of_classes_are_refused(tmp_path):
    rows = [f"{number},{number / 7},{number / 9}" for number in range(200)]
    with pytest.raises(DataError, match=r"different labels, such as .*at most 100"):
        read_answers(written(tmp_path / "p.csv", "guid,tag,predicted", *rows))


def test_a_missing_true_label_is_no_class_unless_it_is_predicted(tmp_path):
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,predicted", "0,null,a", "1,a,a", "2,b,b"))
    assert (answers.labels, answers.guids) == (("a", "b"), ("1", "2"))
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,predicted", "0,none,none", "1,a,a"))
    assert answers.labels == ("a", "none")
    answers = read_answers(written(tmp_path / "p.csv", "guid,tag,predicted,a,null", "0,null,a,0.6,0.4", "1,a,a,1,0"))
    assert answers.true.tolist() == [1, 0]
