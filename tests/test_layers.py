"""Imports flow one way, and the command line loads nothing heavy. See DESIGN.md, "Rooms"."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mmsent_cli

ROOT = Path(mmsent_cli.__file__).parent
PACKAGE = "mmsent_cli"
STANDARD = {"config", "errors", "findings", "presets", "results"}
"""Standard library only, and each other."""

BELOW = {
    "fusion": {"encoders"},
    "data": {"files", "stats"},
    "features": {"files"},
    "files": set(),
    "stats": set(),
    "records": {"files"},
    "encoders": {"data", "files"},
    "model": {"encoders", "fusion"},
    "ensemble": {"model", "encoders", "data", "files"},
    "training": {"ensemble", "model", "encoders", "fusion", "data", "features", "records", "files", "stats"},
    "experiments": {"training", "model", "encoders", "fusion", "data", "features", "records", "files", "stats"},
    "render": {"files", "stats"},
}
"""What each room may import beside itself and STANDARD; `commands` may import everything."""

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


def test_every_module_lies_in_a_known_room():
    assert len(modules()) > 60
    known = {*BELOW, *STANDARD, "commands", "__init__"}
    assert {name.split(".")[0] for name, _ in modules()} <= known


@pytest.mark.parametrize(("name", "path"), modules())
def test_imports_flow_one_way(name, path):
    room = name.split(".")[0]
    if room in STANDARD:
        outside = {module.split(".")[0] for module in imports(path)} - set(sys.stdlib_module_names) - {PACKAGE}
        assert outside == set()
        assert rooms(path) <= STANDARD
    elif room in BELOW:
        assert rooms(path) <= BELOW[room] | STANDARD | {room}
        if room != "render":
            assert {module.split(".")[0] for module in imports(path)} & (DRAWING | {"typer"}) == set()
    elif room == "commands":
        assert {module.split(".")[0] for module in imports(path)} & DRAWING == set()


def test_the_command_line_loads_nothing_heavy():
    code = f"import sys, mmsent_cli.commands.app; print([m for m in {HEAVY!r} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == "[]"
