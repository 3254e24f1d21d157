"""`--quiet`: nothing on stderr but errors, and the same result on stdout."""

import json

import pytest
from typer.main import get_command

from mmsent_cli.commands.app import app
from tests.commands.running import QUICK, assert_refused, mmsent, succeed

SILENT = {"cache", "runs"}
"""Commands without progress."""


def test_each_command_with_progress_can_be_quiet():
    commands = get_command(app).commands
    having = {name for name, one in commands.items() if any("--quiet" in param.opts for param in one.params)}
    assert having == commands.keys() - SILENT
    assert len(having) > 12


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--data", "lab", *QUICK, "--epochs", 1),
        ("check", "--data", "lab", "--encoders", "light"),
        ("split", "--limit", 12, "--data", "lab", "--force"),
    ],
)
def test_a_quiet_command_prints_its_result_alone(work, arguments):
    usual = mmsent(*arguments)
    quiet = mmsent(*arguments, "--quiet")
    assert (usual.exit_code, quiet.exit_code, quiet.stderr) == (0, 0, "")
    assert usual.stderr != ""
    assert len(quiet.stdout.splitlines()) == len(usual.stdout.splitlines()) > 5


def test_a_quiet_command_prints_errors_and_json(work):
    assert_refused(mmsent("check", "--data", "nowhere", "-q"), "nowhere")
    result = succeed("split", "--data", "lab", "-q")
    assert result.stderr == ""
    assert json.loads(mmsent("check", "--data", "lab", "--encoders", "light", "-q", "--json").stdout)["usable"] == 18
