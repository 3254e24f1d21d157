"""Imports flow one way, and the command line loads nothing heavy. See DESIGN.md, "Rooms"."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mmsent_cli
from mmsent_cli import __main__

ROOT = Path(mmsent_cli.__file__).parent
PACKAGE = "mmsent_cli"
FLOORS = (
    ("clock", "errors", "interrupts", "standard_streams"),
    ("files",),
    ("results",),
    ("config",),
    ("extras", "stats", "printed_commands"),
    ("environment",),
    ("progress", "run_folders", "outputs"),
    ("run_list", "run_time"),
    ("charsets",),
    ("data",),
    ("encoders",),
    ("fusion",),
    ("model",),
    ("compute",),
    ("features",),
    ("ensemble",),
    ("training",),
    ("inference",),
    ("evaluation",),
    ("server",),
    ("experiments",),
    ("command_settings",),
    ("reports",),
    ("finished_run", "next_steps"),
    ("after_training",),
    ("checks",),
    ("api", "estimator"),
    ("__init__",),
    ("commands",),
    ("__main__",),
)
"""The rooms from the ground up. A room imports from those below it, never from its own floor or above."""
STANDARD = {
    "clock",
    "errors",
    "interrupts",
    "standard_streams",
    "printed_commands",
    "results",
    "config",
    "progress",
    "command_settings",
}
"""Standard library only; results import pandas when a table is made."""
DRAWN_FROM = {"errors", "interrupts", "results", "config", "progress", "files", "stats", "data"}
"""All that `reports` may import: a page is drawn from values, and from pairs that it shows."""

DRAWING = {"rich", "matplotlib", "jinja2"}
HEAVY = (
    "torch",
    "transformers",
    "pandas",
    "sklearn",
    "scipy",
    "PIL",
    "numpy",
    "matplotlib",
    "rich.live",
    "accelerate",
    "optuna",
)


def modules():
    """Each module's file with its dotted name below the package."""
    files = sorted(ROOT.rglob("*.py"))
    return [(".".join(path.relative_to(ROOT).with_suffix("").parts), path) for path in files]


def imports(path):
    """Every module that a file imports, anywhere in it, for types or not."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names} if node.module == PACKAGE else set()
            found |= names or {node.module}
    return found


def rooms(path):
    """The rooms of this package that a file imports from."""
    return {name.split(".")[1] for name in imports(path) if name.startswith(f"{PACKAGE}.")} - {"__version__"}


def floor(room):
    """Number of a room's floor, counted from the ground."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_every_module_lies_in_a_known_room():
    assert len(modules()) > 60
    known = {room for rooms in FLOORS for room in rooms}
    assert {name.split(".")[0] for name, _ in modules()} <= known


def test_imports_flow_downwards():
    offenders = [
        f"{name} imports {below}"
        for name, path in modules()
        for below in rooms(path) - {name.split(".")[0]}
        if floor(below) >= floor(name.split(".")[0])
    ]
    assert offenders == []


def test_each_room_imports_only_what_suits_it():
    offenders = []
    for name, path in modules():
        room = name.split(".")[0]
        outside = {module.split(".")[0] for module in imports(path)} - {PACKAGE}
        if room in STANDARD:
            allowed = set(sys.stdlib_module_names) | ({"pandas"} if name == "results.frames" else set())
            offenders += [f"{name} imports {other}" for other in outside - allowed]
        if room == "reports":
            offenders += [f"{name} imports {other}" for other in rooms(path) - DRAWN_FROM - {room}]
        else:
            offenders += [f"{name} imports {other}" for other in outside & DRAWING]
        if room not in ("commands", "__main__"):
            offenders += [f"{name} imports {other}" for other in outside & {"typer"}]
    assert offenders == []


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("mmsent_cli.commands.app", HEAVY),
        (
            "mmsent_cli; mmsent_cli.load",
            ("sklearn", "scipy", "pandas", "transformers", "accelerate", "matplotlib", "optuna", "psutil"),
        ),
        ("mmsent_cli.next_steps", ("torch", "accelerate", "psutil")),
    ],
)
def test_what_answers_at_once_loads_nothing_heavy(imported, absent):
    code = f"import sys, {imported}; print([m for m in {absent!r} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "driver", "absent"),
    [
        ("predict", ".", {"openvino.tools.ovc"}),
        ("predict", "no", {"openvino.tools.ovc", "cuda.bindings"}),
        ("export", "no", {"cuda.bindings"}),
    ],
)
def test_the_program_leaves_out_what_it_never_uses(command, driver, absent, monkeypatch):
    modules: dict[str, object] = {"typer": 1}
    monkeypatch.setattr(__main__, "NVIDIA_DRIVER", (driver,))
    monkeypatch.setattr(__main__.sys, "platform", "linux")
    monkeypatch.setattr(__main__.sys, "argv", ["mmsent", command])
    monkeypatch.setattr(__main__.sys, "modules", modules)
    __main__.leave_out_unused()
    monkeypatch.undo()
    assert modules == {"typer": 1} | dict.fromkeys(absent)


def test_openvino_does_without_its_converter():
    code = "import sys; sys.modules['openvino.tools.ovc'] = None; from openvino import Core; Core().get_versions('CPU')"
    subprocess.run([sys.executable, "-c", code], check=True)
