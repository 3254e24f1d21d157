"""The root command: what every command has in common."""

import errno
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import mmsent_cli
from mmsent_cli import __version__
from mmsent_cli.commands import app as module
from mmsent_cli.commands.app import app
from mmsent_cli.errors import DataError, MmsentError, in_python_words
from tests.commands.running import assert_refused, mmsent

README = Path(__file__).parents[2] / "README.md"
ROOT = typer.main.get_command(app)
COMMANDS_OF_HINTS = ("predict", "train", "check", "split")
COMMANDS = ("inspect-encoding", "split", "train", "predict", "cache")


@pytest.fixture
def failing(monkeypatch):
    """Let `mmsent cache` raise."""

    def fail(error):
        def refuse(*_):
            raise error

        monkeypatch.setattr("mmsent_cli.features.store_report.store_report", refuse)
        return mmsent("cache")

    return fail


def test_all_commands_are_swept():
    assert set(ROOT.commands) >= set(COMMANDS)


@pytest.mark.parametrize("name", ROOT.commands)
def test_every_command_and_option_is_documented(name):
    command = ROOT.commands[name]
    assert command.help
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []
    has_json = any("--json" in parameter.opts for parameter in command.params)
    assert has_json == (name != "serve")  # a server has no result
    assert f"mmsent {name}" in README.read_text(encoding="utf-8")


def test_the_help_fits_80_columns_and_names_every_command(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in ((), *((name,) for name in ROOT.commands)):
        text = mmsent(*arguments, "--help").stdout
        assert max(map(len, text.splitlines())) <= 80
    text = mmsent("--help").stdout
    assert all(name in text for name in ROOT.commands)


def test_the_version():
    assert mmsent("--version").stdout.strip() == f"mmsent {__version__}"


@pytest.mark.parametrize(
    "arguments",
    [("trian",), ("train", "--epoch", 1), ("train", "--epochs", "x"), ("train", "--schedule", "up"), ("train", "x")],
)
def test_usage_errors_exit_2(arguments):
    result = mmsent(*arguments)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "Usage" in result.stderr
    assert not result.stdout


def test_an_expected_failure_is_two_lines_whatever_it_says(failing):
    result = failing(DataError("first\nsecond\tline [bold]x[/bold]", "type this"))
    assert_refused(result)
    assert result.stderr.splitlines() == ["error: first second line [bold]x[/bold]", "hint: type this"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_anywhere_is_an_expected_failure(failing, number):
    assert_refused(failing(OSError(number, os.strerror(number), "some/file")), "some/file", "free some space")
    assert_refused(failing(OSError(number, os.strerror(number))), "no space left")


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.EIO, "input/output error")])
def test_a_bug_keeps_its_traceback(failing, error):
    assert failing(error).exception is error


def test_an_interruption_exits_130(failing):
    again = f"interrupted; {module.AGAIN}"
    for error, said in ((KeyboardInterrupt(), again), (KeyboardInterrupt("go on so"), "go on so")):
        result = failing(error)
        assert isinstance(result.exception, SystemExit)
        assert (result.exit_code, result.stderr.strip()) == (module.INTERRUPTED, said)


def test_help_into_a_closed_pipe_shows_no_traceback():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", "from mmsent_cli.__main__ import main; main()", "train", "--help"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""


def test_the_options_of_train_stand_in_panels_with_their_defaults():
    panels = {option.rich_help_panel for option in ROOT.commands["train"].params if option.name != "help"}
    assert panels == {"Data", "Split", "Model", "Ensemble", "Optimization", "Runtime", "Run"}
    text = help_of("train")
    assert text.count("[default:") + text.count("[env") >= 50
    assert "depends on the encoders" in text


@pytest.mark.parametrize("command", sorted(ROOT.commands))
def test_short_and_long_help_are_one_and_keep_square_brackets(command):
    assert help_of(command) == help_of(command, "-h")
    assert (".[ocr]" in help_of(command)) == ("--probes" in help_of(command))
    assert (f"pip install '.[{command}]'" in help_of(command)) == (command in ("explain", "export", "serve"))


@pytest.mark.parametrize("command", sorted(set(ROOT.commands) - {"runs"}))
def test_the_help_shows_each_text_whole(command):
    """Rich takes words in square brackets for a style and hides them, unless they are escaped."""
    texts = [parameter.help.replace("\\[", "[") for parameter in ROOT.commands[command].params]
    assert [text for text in texts if " ".join(text.split()) not in help_of(command)] == []


@cache
def help_of(command, option="--help"):
    """The help of a command on one line, without the frame of its panels."""
    shown = CliRunner().invoke(app, [command, option], env={"COLUMNS": "200", "TERM": "dumb"}).output
    return " ".join(shown.replace("│", " ").split())


def test_python_m_runs_the_program():
    done = subprocess.run([sys.executable, "-m", "mmsent_cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"mmsent {__version__}"


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (("serve",), "fastapi"),
        (("explain", "--text", "a"), "captum"),
        (("export",), "onnx"),
        (("predict", "--data", "new.parquet", "--out", "a.csv"), "pyarrow"),
        (("train", "--data", "pairs.xlsx"), "openpyxl"),
        (("predict", "--out", "a", "--engine", "ray"), "ray"),
        (("train", "--log", "wandb"), "wandb"),
    ],
)
def test_a_missing_package_is_found_before_anything_is_loaded(tmp_path, monkeypatch, command, module):
    """There is neither a run nor data; the package is what is reported, with the extra that has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "mmsent_cli.inference.predictor", None)
    assert_refused(mmsent(*command), module, "pip install '.[")


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (
            ("predict", "--out", "a.csv", "--abstain-below", 60),
            ("--abstain-below 60: the value must lie between 0 and 1", "predict"),
        ),
        (("train", "--val-size", 1.5), ("--val-size 1.5: the value must be more than 0 and less than 1", "train")),
        (("check", "--limit=-3"), ("--limit -3: the value must be at least 2", "check")),
        (
            ("train", "--text-cleaning", "stopwords"),
            ("--text-cleaning: unknown name 'stopwords'; did you mean stop-words?",),
        ),
        (("split", "--labels", "positive"), ("--labels positive: the value must contain two or more", "split")),
        (("train", "--preset", "quick"), ("--preset: unknown name 'quick'", "known names: fast, best")),
        (
            ("train", "--epochs", 0, "--patience=-1"),
            ("--epochs 0: the value must be", "--patience -1: the value must not", "train"),
        ),
        (("predict", "--out", "a.csv", "--text", "hi"), ("--out cannot be combined with --text or --image",)),
        (("cache", "--cache-dir", "nowhere"), ("there is no folder nowhere",)),
    ],
)
def test_a_refused_option_is_named_as_it_is_typed_with_the_command(tmp_path, monkeypatch, command, parts):
    monkeypatch.chdir(tmp_path)
    *told, last = parts if parts[-1] in COMMANDS_OF_HINTS else (*parts, "")
    assert_refused(mmsent(*command), *told, f"mmsent {last} --help" if last else "hint: ")


def test_errors_of_functions_name_keywords(tmp_path):
    with pytest.raises(MmsentError) as caught:
        mmsent_cli.check(str(tmp_path), val_size=1.5)
    assert (
        caught.value.message.startswith("val_size=1.5: the value must be") and str(caught.value) == caught.value.message
    )
    assert caught.value.__notes__ == [f"hint: {caught.value.hint}"]
    kept = "go on with: mmsent train --resume runs/a; or use on_bad drop"
    assert in_python_words(kept.replace("on_bad", "--on-bad")) == kept
    columns = "use: --tag-column y --text-column 'the post', or --guid-column and --on-bad"
    advice = "try more epochs (--epochs 10), --head-lr 1e-05, or classes (--class-weights balanced); --json is missing"
    said = 'try more epochs (epochs=10), head_lr=1e-05, or classes (class_weights="balanced"); json is missing'
    assert in_python_words(advice) == said
    assert in_python_words(columns) == 'use: tag_column="y" text_column="the post", or guid_column and on_bad'

    assert mmsent_cli.check is mmsent_cli.check and "Args:" in mmsent_cli.check.__doc__


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("predict", "--text", "what", "a", "day"), "quotes around"),
        (("compare-fusions", "--fusions", "concat,", "gmu"), "without spaces"),
        (("train", "--epochs", "two"), "'two'"),
    ],
)
def test_usage_errors_name_the_value_or_the_remedy(arguments, told):
    result = mmsent(*arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("\u2502", " ").split())


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("compare-fusions", "--fusions", "concat,gmuu"), "did you mean gmu?"),
        (("compare-fusions", "--fusions", "gated"), "did you mean gmu?"),
        (("augment-compare", "--policies", "flipp"), "did you mean flip?"),
    ],
)
def test_unknown_arms_are_found_before_the_data_are_read(arguments, meant):
    assert_refused(mmsent(*arguments, "--data", "nowhere"), meant)
