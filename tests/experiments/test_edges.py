"""The best value of a search at the end of the tried values."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.tuning import tune
from mmsent_cli.results import ONE_CLASS, Finding
from tests.reports.experiments import trial, tune_result


@pytest.fixture(autouse=True)
def valid(monkeypatch):
    def configure(plan, settings):
        if settings.get("label_smoothing", 0) >= 1:
            raise ConfigError("label_smoothing is 1 or more", "")

    monkeypatch.setattr(tune, "configure", configure)


def noted(trials, best):
    return tune.edge_notes(SimpleNamespace(), trials, best)


def test_a_best_value_at_an_end_has_the_next_value_to_try():
    trials = tune_result().trials
    assert noted(trials, 5) == ["the best encoder_lr, 5e-05, is the largest tried: try 8.3e-05"]
    assert noted(trials, 0) == [
        "the best encoder_lr, 1e-05, is the smallest tried: try 5e-06",
        "the best weight_decay, 0.0001, is the smallest tried: try 3.3e-05",
    ]
    assert noted(trials[1:4], 1) == []


@pytest.mark.parametrize(
    ("phase", "values", "notes"),
    [
        ("grid", {"epochs": (2, 4)}, ["the best epochs, 4, is the largest tried: try 8"]),
        ("grid", {"weight_decay": (0.1, 0.0)}, []),
        ("grid", {"label_smoothing": (0.1, 0.5)}, []),
        ("grid", {"fusion": ("concat", "gmu")}, []),
        ("tpe", {"epochs": (2, 4)}, []),
    ],
)
def test_ends_without_a_next_value_are_not_noted(phase, values, notes):
    ((name, both),) = values.items()
    trials = [trial(number, phase, {name: value}, 0.6 + 0.1 * number) for number, value in enumerate(both)]
    assert noted(trials, 1) == notes


def test_a_best_value_that_ties_or_has_learned_nothing_is_no_end():
    tied = [trial(number, "grid", {"epochs": 2 + number}, 0.7) for number in range(2)]
    assert noted(tied, 1) == []
    better = [tied[0], replace(tied[1], accuracy=0.8)]
    assert noted(better, 1) == ["the best epochs, 3, is the largest tried: try 4"]
    nothing = replace(better[1], findings=(Finding(kind=ONE_CLASS, message="it answers one class"),))
    assert noted([tied[0], nothing], 1) == []
