"""The table of all epochs."""

import csv
import io
import math

from mmsent_cli.experiments.arms import epochs_csv
from mmsent_cli.results import EpochScore


def score(epoch, accuracy, **gates):
    figures = {
        "train_loss": 0.1 + 0.2,
        "train_objective": 0.5,
        "val_loss": math.nan,
        "accuracy": accuracy,
        "macro_f1": 1 / 3,
    }
    return EpochScore(epoch=epoch, **figures, gates=gates)


def rows(*curves):
    return list(csv.DictReader(io.StringIO(epochs_csv(curves))))


def test_a_row_an_epoch_with_what_names_its_model_first():
    first, second = {"name": 'a, "b"', "seed": 0}, {"name": "c", "seed": 1}
    table = rows((first, [score(1, 0.5), score(2, 0.25)]), (second, [score(1, 1.0)]))
    assert list(table[0]) == [
        "name",
        "seed",
        "epoch",
        "train_loss",
        "train_objective",
        "val_loss",
        "accuracy",
        "macro_f1",
    ]
    named = [(row["name"], row["seed"], row["epoch"], row["accuracy"]) for row in table]
    assert named == [('a, "b"', "0", "1", "0.5"), ('a, "b"', "0", "2", "0.25"), ("c", "1", "1", "1.0")]
    assert float(table[0]["train_loss"]) == 0.1 + 0.2
    assert float(table[0]["macro_f1"]) == 1 / 3
    assert math.isnan(float(table[0]["val_loss"]))


def test_gates_have_a_column_each_that_is_empty_where_a_fusion_has_none():
    table = rows(({"name": "concat"}, [score(1, 0.5)]), ({"name": "gmu"}, [score(1, 0.5, text=0.25, image=0.75)]))
    assert [(row["gate_text"], row["gate_image"]) for row in table] == [("", ""), ("0.25", "0.75")]


def test_no_epochs_are_no_rows():
    assert rows() == rows(({"name": "a"}, [])) == []
