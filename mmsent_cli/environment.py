"""Record the versions, machine and git commit of a run, which are needed to repeat the run."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from mmsent_cli import __version__

PACKAGES = (
    "torch",
    "torchvision",
    "transformers",
    "timm",
    "accelerate",
    "openvino",
    "numpy",
    "scikit-learn",
    "vaderSentiment",
    "rapidocr",
    "pillow",
)
"""Packages whose version may affect metrics."""


def environment(device: str, precision: str, engine: str) -> dict[str, Any]:
    """Return versions, machine, git commit, device, precision and engine of a run."""
    return {
        "mmsent": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "device": device,
        "precision": precision,
        "engine": engine,
        "git_commit": _git_commit(),
    }


@cache
def _version(package: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def _git_commit() -> str | None:
    """Return the git commit of the source code; None if it cannot be found out."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
