"""Options built from the config dataclasses: each setting is one, and only what was typed is a choice."""

import inspect
import json
from dataclasses import fields
from typing import Literal, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner

from mmsent_cli.commands.options import options
from mmsent_cli.commands.train import SECTIONS, layer
from mmsent_cli.config import (
    DataConfig,
    FitConfig,
    ModelConfig,
    RuntimeConfig,
    SplitConfig,
    TrainConfig,
    read_train_config,
    to_dict,
    value_type,
)
from mmsent_cli.experiments.settings import TuneSettings
from tests.commands.test_app import ROOT


def example(setting):
    """What is typed for a setting, and the value it becomes."""
    kind = value_type(setting.type)
    if kind is bool:
        return (), True
    if get_origin(kind) is Literal:
        return (get_args(kind)[-1],), get_args(kind)[-1]
    if get_origin(kind) is tuple:
        if setting.name == "probes":
            return ("image, lexicon",), ("image", "lexicon")
        values = {str: ("urls", "mentions"), int: (8, 4), float: (0.5, 0.25)}[get_args(kind)[0]]
        return (", ".join(map(str, values)),), values
    value = {int: 64, float: 0.5, str: "2"}[kind]
    return (value,), value


def run(command, *arguments):
    """Run a function as the only command of an application; its parameters as it received them."""
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_an_option_of_train(section):
    offered = {option for parameter in ROOT.commands["train"].params for option in parameter.opts}
    of_comparisons = {"--jobs"}  # a training is one model
    assert {f"--{setting.name.replace('_', '-')}" for setting in fields(section)} - of_comparisons <= offered


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_reaches_its_dataclass_and_no_other_is_given(section):
    seen = {}

    @options(section)
    def command(given: dict, config: section) -> None:
        """Keep what comes."""
        seen.update(given=given, config=config)

    run(command)
    assert seen == {"given": {section: {}}, "config": section()}
    for setting in fields(section):
        typed, value = example(setting)
        run(command, f"--{setting.name.replace('_', '-')}", *typed)
        assert seen["config"] == section(**{setting.name: value})
        assert list(seen["given"][section]) == [setting.name]


def test_options_can_be_left_out_and_renamed():
    seen = {}

    @options(SplitConfig, omit={"split", "fold"}, rename={(SplitConfig, "split_seed"): "seed"})
    def command(config: SplitConfig) -> None:
        """Keep what comes."""
        seen["config"] = config

    assert not {"SplitConfig_split", "SplitConfig_fold"} & set(inspect.signature(command).parameters)
    run(command, "--seed", 5)
    assert seen["config"] == SplitConfig(split_seed=5)


def test_two_dataclasses_may_have_a_setting_of_one_name():
    seen = {}

    @options(TuneSettings, SplitConfig, rename={(SplitConfig, "strategy"): "split_strategy"})
    def command(settings: TuneSettings, config: SplitConfig) -> None:
        """Keep what comes."""
        seen.update(settings=settings, config=config)

    run(command, "--strategy", "sequence", "--split-strategy", "plain-80-20")
    assert (seen["settings"].strategy, seen["config"].strategy) == ("sequence", "plain-80-20")


def given(**sections):
    names = {name: kind for kind, name in SECTIONS.items()}
    return {kind: {} for kind in SECTIONS} | {names[name]: values for name, values in sections.items()}


def test_options_lie_over_an_earlier_configuration_and_defaults_do_not(tmp_path):
    earlier = TrainConfig(
        data=DataConfig(on_bad="drop", labels=("a", "b")),
        model=ModelConfig(encoders="compact", text_encoder="minilm", image_encoder="efficientnet-lite0"),
        fit=FitConfig(epochs=9, seed=4),
        runtime=RuntimeConfig(offline=True),
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_dict(earlier)))
    base = read_train_config(path)
    assert layer(base, given()) == earlier
    changed = layer(base, given(fit={"epochs": 2}, data={"on_bad": "stop"}))
    assert (changed.fit, changed.data) == (FitConfig(epochs=2, seed=4), DataConfig(labels=("a", "b")))
    other = layer(base, given(model={"encoders": "light"}))
    assert (other.model.encoders, other.model.text_encoder, other.model.image_encoder) == ("light", None, None)
    assert layer(TrainConfig(), given(fit={"epochs": 2})) == TrainConfig(fit=FitConfig(epochs=2))
