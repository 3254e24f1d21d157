"""The run folder of a command that uses trained models."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmsent_cli.config import RuntimeConfig, to_dict
from mmsent_cli.environment import environment
from mmsent_cli.finished_run import FinishedRun, write_result
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.run_folders import CONFIG, ENVIRONMENT, EXPERIMENT, Run, create_run, discard_run

STAMP = re.compile(r"^\d{8}-\d{6}-")
"""Date and time before a run's own name."""
NOTHING_COMPUTED = ("none", "none", "none")
"""Device, precision and engine where predictions are read from files."""


def how_computed(predictor: Predictor) -> tuple[str, str, str]:
    """Return the device, precision and engine of a loaded model."""
    compute = predictor.compute
    return compute.device, compute.precision, compute.engine_name


def name_of(path: Path) -> str:
    """Return a short name: the run without its time for a checkpoint, the name without ending for another file."""
    return STAMP.sub("", path.parent.name) if path.suffix == ".pt" else path.stem


def not_usual(runtime: RuntimeConfig) -> dict[str, Any]:
    """Return the runtime settings that differ from their defaults."""
    usual = to_dict(RuntimeConfig())
    return {name: value for name, value in to_dict(runtime).items() if value != usual[name]}


def start_run(runs_dir: Path, command: str, name: str, how: tuple[str, str, str], config: Mapping[str, Any]) -> Run:
    """Create a run folder, and write its configuration. `how` is device, precision and engine."""
    run = create_run(runs_dir, command, name)
    run.write_json(CONFIG, config)
    run.write_json(ENVIRONMENT, environment(*how))
    run.write_json(EXPERIMENT, {"command": command, "asked": {}, "settings": {}, "subject": {}})
    return run


def write_run(run: Run, result: Any, **parts: Any) -> FinishedRun:
    """Write report, tables and result (see `finished_run.write_result`). If this fails, the run folder is removed."""
    try:
        return write_result(run, result, **parts)
    except Exception:  # whatever it is: such a run cannot be continued, and would be the latest one
        discard_run(run)
        raise
