"""The monitored metric: what is better, and which epoch is the best."""

import math

import pytest

from mmsent_cli.results import EpochScore
from mmsent_cli.training.metrics import Monitor


def score(epoch=1, val_loss=9.0, accuracy=0.0, macro_f1=0.0):
    return EpochScore(
        epoch=epoch, train_loss=0.0, train_objective=0.0, val_loss=val_loss, accuracy=accuracy, macro_f1=macro_f1
    )


@pytest.mark.parametrize(("name", "field"), [("accuracy", "accuracy"), ("macro_f1", "macro_f1"), ("loss", "val_loss")])
def test_better_is_higher_or_a_lower_loss_and_equal_is_not_better(name, field):
    monitor, low, high = Monitor(name), score(**{field: 0.2}), score(**{field: 0.3})
    assert (monitor.value(low), monitor.value(high)) == (0.2, 0.3)
    assert monitor.is_better(low, high) is (name == "loss")
    assert monitor.is_better(high, low) is (name != "loss")
    assert not monitor.is_better(low, low)


def test_the_first_of_equal_epochs_is_the_best():
    curve = [score(epoch, accuracy=value) for epoch, value in enumerate((0.5, 0.7, 0.6, 0.7), start=1)]
    assert Monitor("accuracy").best(curve).epoch == 2


def test_a_loss_that_is_no_number_is_never_the_best():
    curve = [score(epoch, val_loss=value) for epoch, value in enumerate((math.nan, 0.4, math.nan, 0.3), start=1)]
    assert Monitor("loss").best(curve).epoch == 4
