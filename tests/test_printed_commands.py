"""Command lines in messages: quoted for a shell, with absolute paths."""

import shlex
from pathlib import Path

import pytest

from mmsent_cli.printed_commands import command_line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": Path("my lab")}, ["--data", str(Path("my lab").absolute())]),
        ({"head_lr": 1e-3, "offline": True, "retrain": False, "limit": None}, ["--head-lr", "0.001", "--offline"]),
        ({"labels": ("a b", "c")}, ["--labels", "a b,c"]),
        ({"text": "-5 degrees; $HOME 'and' \"so\""}, ["--text=-5 degrees; $HOME 'and' \"so\""]),
    ],
)
def test_a_shell_reads_back_what_was_meant(options, words):
    assert shlex.split(command_line("train", options)) == ["mmsent", "train", *words]
