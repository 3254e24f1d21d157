"""The search space: what may be tuned, how it is written, and what is said of a space that cannot be."""

from dataclasses import fields

import pytest

from mmsent_cli.config import FitConfig, ModelConfig
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.tuning.space import NOT_TUNABLE, TUNABLE, Choices, Range, combinations, parse_space


def test_every_setting_is_tunable_or_has_a_reason_why_not():
    names = [field.name for section in (ModelConfig, FitConfig) for field in fields(section)]
    assert len(names) == 34
    assert sorted(names) == sorted((*TUNABLE, *NOT_TUNABLE))
    assert all(NOT_TUNABLE.values())


def test_values_have_the_type_of_their_setting():
    space = parse_space(["encoder_lr=1e-5| 3e-5 |1", "batch-size = 8|16", "schedule=cosine|linear", "fusion=concat"])
    assert space == (
        Choices("encoder_lr", (1e-5, 3e-5, 1.0)),
        Choices("batch_size", (8, 16)),
        Choices("schedule", ("cosine", "linear")),
        Choices("fusion", ("concat",)),
    )
    assert [type(value) for item in space for value in item.values] == [float] * 3 + [int] * 2 + [str] * 3


def test_ranges():
    space = parse_space(["head_lr=1e-5:1e-2:log", "epochs=2:5", "batch_size=4:64:log", "warmup=0:1"])
    assert space == (
        Range("head_lr", 1e-5, 1e-2, is_log=True),
        Range("epochs", 2, 5),
        Range("batch_size", 4, 64, is_log=True),
        Range("warmup", 0.0, 1.0),
    )
    assert [type(item.low) for item in space if isinstance(item, Range)] == [float, int, int, float]


def test_a_range_proposes_whole_numbers_for_whole_numbers():
    import optuna

    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(0)).ask()
    proposed = {item.name: item.suggest(trial) for item in parse_space(["epochs=2:3", "warmup=0:1", "fusion=gmu|blip"])}
    assert type(proposed["epochs"]) is int
    assert proposed["epochs"] in (2, 3)
    assert type(proposed["warmup"]) is float
    assert proposed["fusion"] in ("gmu", "blip")


def test_a_value_given_twice_is_tried_once():
    assert parse_space(["warmup=0.1|0.10|1e-1"]) == (Choices("warmup", (0.1,)),)


def test_combinations_are_all_and_the_last_setting_varies_fastest():
    found = combinations(parse_space(["epochs=1|2|3", "fusion=concat|gmu"]))
    assert len(found) == 6
    assert found[:3] == [
        {"epochs": 1, "fusion": "concat"},
        {"epochs": 1, "fusion": "gmu"},
        {"epochs": 2, "fusion": "concat"},
    ]


@pytest.mark.parametrize(
    ("item", "expected", "hint"),
    [
        ("encodr_lr=1|2", "did you mean encoder_lr?", "weight_decay"),
        ("=1", "unknown name ''", "weight_decay"),
        ("freeze_text=1|2", "freeze_text cannot be tuned", "weight_decay"),
        ("seed=1|2", "--seeds", "weight_decay"),
        ("epochs", "epochs has no values", "NAME=A|B|C"),
        ("epochs=", "epochs has no values", "NAME=A|B|C"),
        ("epochs=1|", "the value '' of epochs is not a whole number", "NAME=A|B|C"),
        ("epochs=1.5", "the value '1.5' of epochs is not a whole number", "NAME=A|B|C"),
        ("warmup=much", "the value 'much' of warmup is not a number", "NAME=A|B|C"),
        ("warmup=nan", "must be a finite number", ""),
        ("warmup=0.1|2", "--warmup 2: the value must lie between 0 and 1", ""),
        ("epochs=0:3", "--epochs 0: the value must be at least 1", ""),
        ("schedule=square", "must be one of cosine, linear, constant", ""),
        ("schedule=a:b", "the values of schedule are words", "schedule=A|B|C"),
        ("fusion=concat|wieghted", "did you mean weighted?", ""),
        ("warmup=0.5:0.1", "the range 0.5:0.1 of warmup is empty", "lower end first"),
        ("warmup=0:1:log", "cannot start at 0", "above 0"),
        ("warmup=0.1:1:cubic", "cannot be read", "NAME=LOW:HIGH:log"),
        ("warmup=0.1:1:log:log", "cannot be read", "NAME=LOW:HIGH:log"),
        ("warmup=0.1:0.2|0.3", "cannot be read", "NAME=LOW:HIGH:log"),
    ],
)
def test_what_cannot_be_searched_is_refused(item, expected, hint):
    with pytest.raises(ConfigError) as caught:
        parse_space([item])
    assert expected in caught.value.message
    assert hint in caught.value.hint


def test_a_setting_named_twice_and_a_range_in_a_grid_are_refused():
    with pytest.raises(ConfigError, match="epochs more than once"):
        parse_space(["epochs=1|2", "warmup=0", "epochs=3"])
    with pytest.raises(ConfigError, match="has a range for warmup") as caught:
        combinations(parse_space(["epochs=1|2", "warmup=0:1"]))
    assert "--strategy tpe" in caught.value.hint
