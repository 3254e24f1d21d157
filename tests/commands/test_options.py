"""Options built from the config dataclasses: each setting is one, and only what was typed is a choice."""

import json
import re
from dataclasses import fields
from typing import Literal, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner

from mmsent_cli.command_settings import COMMANDS, SECTIONS, CommandSettings, apply_options
from mmsent_cli.commands.app import app as mmsent
from mmsent_cli.commands.options import options
from mmsent_cli.config import (
    DataConfig,
    FitConfig,
    ModelConfig,
    RuntimeConfig,
    SplitConfig,
    TrainConfig,
    build,
    read_train_config,
    to_dict,
    value_type,
)
from mmsent_cli.config.command_settings import TuneSettings
from mmsent_cli.errors import ConfigError
from tests.commands.running import assert_refused
from tests.commands.test_app import ROOT


def example(setting):
    """What is typed for a setting, and the value it becomes."""
    kind = value_type(setting.type)
    if kind is bool:
        return (), True
    if setting.name == "device":
        return ("cpu",), "cpu"
    if get_origin(kind) is Literal:
        return (get_args(kind)[-1],), get_args(kind)[-1]
    if get_origin(kind) is tuple:
        if setting.name in ("probes", "optional_probes"):
            return ("image, lexicon",), ("image", "lexicon")
        if setting.name == "log":
            return ("mlflow, wandb",), ("mlflow", "wandb")
        if setting.name == "figure_format":
            return ("pdf, svg",), ("pdf", "svg")
        if setting.name == "label_map":
            return ("0=a, 1=b",), ("0=a", "1=b")
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
    assert {f"--{setting.name.replace('_', '-')}" for setting in fields(section)} <= offered


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_reaches_its_dataclass_and_no_other_is_given(section, monkeypatch):
    monkeypatch.setattr("mmsent_cli.commands.options.require_for_options", lambda given: None)
    seen, keywords = {}, CommandSettings((section,))

    @options(keywords)
    def command(given: dict) -> None:
        """Keep what comes."""
        seen.update(given=given)

    run(command)
    assert seen == {"given": {}}
    for setting in fields(section):
        typed, value = example(setting)
        others = {"split": "split.json"} if setting.name == "fold" else {}
        more = [part for name, each in others.items() for part in (f"--{name}", each)]
        run(command, f"--{setting.name.replace('_', '-')}", *typed, *more)
        assert seen["given"].keys() == {setting.name, *others}
        assert build(section, keywords.sort(seen["given"])[section]) == section(**{setting.name: value}, **others)


def test_options_can_be_left_out_and_renamed():
    keywords = CommandSettings((SplitConfig,), frozenset({"split", "fold"}), {(SplitConfig, "split_seed"): "seed"})
    assert not {"split", "fold", "split_seed"} & set(keywords.names())
    assert keywords.sort({"seed": 5}) == {SplitConfig: {"split_seed": 5}}


def test_no_command_has_two_settings_of_one_name():
    for name, keywords in COMMANDS.items():
        fields_left = [each.name for kind in keywords.types for each in fields(kind) if each.name not in keywords.omit]
        assert len(keywords.names()) == len(fields_left), name


def test_two_dataclasses_may_have_a_setting_of_one_name():
    given = COMMANDS["tune"].sort({"strategy": "sequence", "split_strategy": "plain-80-20"})
    assert (given[TuneSettings], given[SplitConfig]) == ({"strategy": "sequence"}, {"strategy": "plain-80-20"})


@pytest.mark.parametrize(
    ("command", "typed", "meant"),
    [
        ("train", "--learning-rate", ["--head-lr", "--encoder-lr"]),
        ("train", "--lr", ["--head-lr", "--encoder-lr"]),
        ("train", "--batch", ["--batch-size"]),
        ("train", "--model", ["--encoders"]),
        ("predict", "--model", ["--checkpoint"]),
        ("predict", "--output", ["--out"]),
        ("predict", "--input", ["--data"]),
        ("train", "--num-epochs", ["--epochs"]),
        ("train", "--gpu", ["--device"]),
        ("train", "--num-workers", ["--workers"]),
        ("split", "--seed", ["--split-seed"]),
        ("train", "--epoch", ["--epochs"]),
        ("train", "--temperature", []),
    ],
)
def test_an_unknown_option_names_what_is_usually_called_so(command, typed, meant):
    result = CliRunner().invoke(mmsent, [command, typed, "1"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 2
    assert re.findall(r"--[a-z-]+", result.stderr.partition(typed)[2]) == sorted(meant)


def test_a_wrong_choice_is_told_in_plain_words():
    result = CliRunner().invoke(mmsent, ["split", "--strategy", "plain-70-30"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 2
    assert "Value error" not in result.stderr
    assert "plain-80-20" in result.stderr


def test_no_choice_is_cut_in_the_help():
    """At 80 columns, the names of choices stand in the text or fit into their column."""
    text = CliRunner().invoke(mmsent, ["train", "--help"], env={"COLUMNS": "80", "TERM": "dumb"}).stdout
    words = set(re.findall(r"[\w-]+", text))
    for each in fields(FitConfig):
        kind = value_type(each.type)
        assert set(get_args(kind) if get_origin(kind) is Literal else ()) <= words, each.name


def test_an_unknown_keyword_names_near_ones():
    with pytest.raises(ConfigError, match="unknown setting 'epoch'") as caught:
        COMMANDS["train"].sort({"epoch": 3})
    assert "did you mean epochs" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        COMMANDS["train"].sort({"zzz": 3})
    assert "known settings: data" in caught.value.hint


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
    assert apply_options(base, given()) == earlier
    changed = apply_options(base, given(fit={"epochs": 2}, data={"on_bad": "stop"}))
    assert (changed.fit, changed.data) == (FitConfig(epochs=2, seed=4), DataConfig(labels=("a", "b")))
    other = apply_options(base, given(model={"encoders": "light"}))
    assert (other.model.encoders, other.model.text_encoder, other.model.image_encoder) == ("light", None, None)
    assert apply_options(TrainConfig(), given(fit={"epochs": 2})) == TrainConfig(fit=FitConfig(epochs=2))


@pytest.mark.parametrize("command", [[], ["ablate"], ["runs"], ["runs", "rm"], ["cache"]])
def test_the_help_of_a_switch_shows_no_value(command):
    assert "bool" not in CliRunner().invoke(mmsent, [*command, "--help"]).stdout


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (["train", "--device", ""], "--device"),
        (["train", "--split="], "--split"),
        (["train", "--data", "", "--epochs", "3"], "--data"),
        (["predict", "--out", "", "--force"], "--out"),
        (["predict", "--text", "", "--checkpoint", ""], "--checkpoint"),
        (["evaluate", ""], "an argument"),
        (["compare", "--json", "", "b"], "an argument"),
        (["runs", "show", ""], "an argument"),
        (["runs", "--runs-dir", ""], "--runs-dir"),
        (["runs", "--runs-dir=", "show"], "--runs-dir"),
    ],
)
def test_an_empty_value_is_named(typed, named):
    """As from a variable of the shell that is not set. It is neither the current folder nor a default."""
    assert_refused(
        CliRunner().invoke(mmsent, typed), f"{named}{' is' if named == 'an argument' else ': the value is'} empty"
    )


@pytest.mark.parametrize("typed", [["--image-column", ""], ["--label-map="], ["--text-cleaning", ""]])
def test_no_column_and_an_empty_list_are_written_as_empty_values(tmp_path, typed):
    assert_refused(CliRunner().invoke(mmsent, ["train", "--data", str(tmp_path / "none.csv"), *typed]), "none.csv")


@pytest.mark.parametrize("value", [" cpu", "gpu 1", "ｃｐｕ"])
def test_a_wrong_value_is_shown_as_typed_in_a_shell(value):
    assert_refused(CliRunner().invoke(mmsent, ["train", "--device", value]), f"--device '{value}': the value must be")


@pytest.mark.parametrize("value", ["=b", "a", "a=", "a= ", "\n=b"])
def test_a_label_map_names_a_label_and_its_new_name(value):
    assert_refused(
        CliRunner().invoke(mmsent, ["train", "--label-map", value]), "--label-map", "must have the form OLD=NEW"
    )


def test_a_label_map_gives_each_label_one_name():
    refused = CliRunner().invoke(mmsent, ["train", "--label-map", "a=b,a =c,a=d,x=b"])
    assert_refused(refused, "the value contains 'a' twice, with different new names")
    assert build(DataConfig, {"label_map": "a=b,a =b,c=b"}).label_map


def test_a_text_may_look_like_an_empty_option(tmp_path):
    typed = ["predict", "--text", "--great day=", "--runs-dir", str(tmp_path)]
    assert_refused(CliRunner().invoke(mmsent, typed), "no trained model")
