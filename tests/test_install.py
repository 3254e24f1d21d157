"""The package as `pip install .` leaves it, without extras, used from another folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from mmsent_cli.commands.app import app

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a Typer application is a group
EXTRAS = ("rapidocr", "pyarrow", "pytest", "hypothesis", "statsmodels", "xdist")
HIDING = f"""
from importlib.machinery import PathFinder

found = PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {EXTRAS!r} else found(name, path, target)


PathFinder.find_spec = find_spec
"""
"""Runs as Python starts: what the extras bring is not found."""

pytestmark = pytest.mark.install


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs Python with the installed package, in a folder of its own."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "mmsent_cli", source / "mmsent_cli")  # a build in the repository would leave files there
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(source)]
    subprocess.run(pip, check=True)
    (site / "sitecustomize.py").write_text(HIDING)
    environment = {**os.environ, "PYTHONPATH": str(site), "MMSENT_CACHE": str(folder / "cache"), "COLUMNS": "200"}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=folder, env=environment, capture_output=True, text=True
        )

    where = run("-c", "import mmsent_cli; print(mmsent_cli.__file__)").stdout
    assert Path(where.strip()).is_relative_to(site)
    run.folder = folder  # type: ignore[attr-defined]  # where its files lie
    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_is_there(installed, command):
    answer = installed("-m", "mmsent_cli", command, "--help")
    assert answer.returncode == 0, answer.stderr
    assert f"{command} [OPTIONS]" in answer.stdout


def test_the_main_job_runs_on_the_sample(installed):
    data = ROOT / "data" / "sample"
    trained = installed("-m", "mmsent_cli", "train", "--data", data, "--limit", 60, "--epochs", 1, "--offline")
    assert trained.returncode == 0, trained.stderr
    answer = installed("-m", "mmsent_cli", "predict", "--data", data, "--out", "submission.txt", "--offline")
    assert answer.returncode == 0, answer.stderr
    rows = (installed.folder / "submission.txt").read_text().splitlines()
    assert rows[0] == "guid,tag"
    assert len(rows) == len((data / "test_without_label.txt").read_text().splitlines())
    assert (next((installed.folder / "runs").glob("*-train-*")) / "report.html").is_file()


def test_the_python_door_opens(installed):
    answer = installed("-c", "from mmsent_cli import train, load, SentimentClassifier; print(callable(train))")
    assert answer.stdout.strip() == "True", answer.stderr


def test_a_probe_of_an_extra_says_what_to_install(installed):
    data = ROOT / "data" / "sample"
    words = ("--limit", 60, "--epochs", 1, "--folds", 2, "--probes", "ocr")
    answer = installed("-m", "mmsent_cli", "train", "--data", data, *words)
    assert answer.returncode == 1
    assert ".[ocr]" in answer.stderr
    assert "Traceback" not in answer.stderr
