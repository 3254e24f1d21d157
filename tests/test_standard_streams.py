"""Every terminal: character sets, widths, and standard streams that are closed or full."""

import io
import os
import stat
import subprocess
import sys

import pytest

from mmsent_cli import standard_streams

HELPS = """
import sys
from mmsent_cli import standard_streams
standard_streams.prepare()
import typer.main
from mmsent_cli.commands.app import app
for name in sys.argv[1:] or ("", *typer.main.get_command(app).commands):
    app([name, "--help"] if name else ["--help"], standalone_mode=False)
standard_streams.finish()
"""
PROGRAM = (sys.executable, "-m", "mmsent_cli")


def run(*command, **changes):
    """Run a command with changes to the environment; None removes a variable."""
    environment = {name: value for name, value in {**os.environ, **changes}.items() if value is not None}
    return subprocess.run(command, capture_output=True, env=environment, check=False)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"PYTHONIOENCODING": "cp437:strict", "TERM": "no-such-terminal"}, ()),
        ({"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ("", "train", "predict")),
    ],
)
def test_every_help_is_printed(changes, names):
    """The lines of its frames are in neither ASCII nor, as some of its texts, in cp437."""
    done = run(sys.executable, "-c", HELPS, *names, **changes)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--runs-dir" in done.stdout


def test_an_impossible_width_is_no_width():
    usual, *shown = (
        run(*PROGRAM, "cache", "--help", **dict.fromkeys(standard_streams.SIZES, value)) for value in (None, "0", "²")
    )
    assert [(each.returncode, each.stdout, each.stderr) for each in shown] == [(0, usual.stdout, b"")] * 2


@pytest.mark.parametrize("name", standard_streams.SIZES)
def test_a_size_is_kept_where_a_terminal_may_have_it(monkeypatch, name):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    least = "2" if name == "LINES" else "20"
    for value in ("-5", "junk", "", "1", str(int(least) - 1), "10000", least, "9999"):
        monkeypatch.setenv(name, value)
        standard_streams.prepare()
        assert (name in os.environ) == (value in (least, "9999")), value


def test_a_closed_stream_is_opened_so_that_no_file_takes_its_place(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nfrom pathlib import Path\nfrom mmsent_cli import standard_streams as streams\n"
        "streams.prepare()\n"
        "file = open('data', 'w')\nPath('number').write_text(str(file.fileno()))\n"
        "os.write(1, b'stray')\nprint('stray')\nprint('stray', file=sys.stderr)\nstreams.finish()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    shell = f"exec {sys.executable} {script} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], cwd=tmp_path, env=environment, check=False).returncode == 0
    assert int((tmp_path / "number").read_text()) > 2
    assert (tmp_path / "data").read_text() == ""


@pytest.mark.parametrize("arguments", [("--help",), ("cache", "--help"), ("--version",), ("cache",)])
def test_a_full_standard_output_is_two_lines(tmp_path, arguments):
    full = tmp_path / "full"
    try:
        os.mknod(full, 0o600 | stat.S_IFCHR, os.makedev(1, 7))
        output = full.open("w")
    except OSError:
        pytest.skip("only root may make a device that is always full")
    with output:
        done = subprocess.run([*PROGRAM, *arguments], stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]
