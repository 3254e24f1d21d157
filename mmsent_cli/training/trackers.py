"""Log a training to experiment trackers, with Accelerate's tracker classes.

Each model has its own run in a tracker. For an ensemble, there is an additional run with its final metrics. Trackers
get the same values as `metrics.jsonl`, under the same names.
`trackers.json` in the run folder lists what has been logged, so that a resumed run continues each log.
"""

import contextlib
import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from mmsent_cli.config import to_dict
from mmsent_cli.errors import summarize
from mmsent_cli.extras import require_extra
from mmsent_cli.progress import Epoch, Event, ModelDone, Progress
from mmsent_cli.results import EpochResult
from mmsent_cli.results.training import TrainedResult, TrainResult
from mmsent_cli.run_folders import Run, as_file_name
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.predictions import METRICS

STATE = "trackers.json"
PROJECT = "mmsent"
LOGGED = ("train_loss", "val_loss", "accuracy", "macro_f1", "encoder_lr", "head_lr")
"""Names of the values of an epoch that are logged. They are the same as in `metrics.jsonl`."""


def require_trackers(names: tuple[str, ...]) -> None:
    """Check that the packages of trackers are installed.

    Raises:
        ConfigError: a package is not installed.
    """
    for name in names:
        require_extra(name, f"--log {name}", name)


class Tracking:
    """A function for progress events that also logs each epoch.

    Args:
        plan: the plan of the run.
        run: the run.
        progress: receives all events.

    Attributes:
        failures: error messages of trackers. A tracker with an error is no longer used.
    """

    def __init__(self, plan: Plan, run: Run, progress: Progress) -> None:
        self.failures: list[str] = []
        self._plan, self._run, self._progress = plan, run, progress
        self._names = plan.config.runtime.log if run.is_writable else ()
        self._open: dict[str, Any] = {}
        self._current = ""
        self._state: dict[str, dict[str, Any]] = run.read_json(STATE) if run.path(STATE).is_file() else {}

    def __call__(self, event: Event) -> None:
        """Pass an event on. Log a finished epoch, and end the open runs of the trackers after a finished model."""
        self._progress(event)
        if isinstance(event, Epoch):
            self._log_epoch(self._model_name(event.model, event.seed), event.result)
        elif isinstance(event, ModelDone):
            self.close()

    def finish(self, result: TrainedResult) -> TrainedResult:
        """Log the final metrics. Returns the result, with a note for each tracker that failed."""
        final = {"final_accuracy": result.accuracy, "final_macro_f1": result.macro_f1}
        if isinstance(result, TrainResult):
            final["best_epoch"] = result.best_epoch
            name, step = self._model_name(result.fusion, self._plan.config.fit.seed), result.epochs
        else:
            name, step = "ensemble", self._plan.config.fit.epochs
        if self._names and not self._state.get(name, {}).get("is_done"):
            self._start(name)
            self._log_missed(name, step + 1)
            self._each(lambda tracker: tracker.log(final, step=step))
            self.close()
            self._state[name]["is_done"] = True
            self._run.write_json(STATE, self._state)
        return replace(result, notes=(*result.notes, *self.failures))

    def _model_name(self, model: str, seed: int) -> str:
        return as_file_name(f"{model}-seed-{seed}")

    def _log_epoch(self, name: str, result: EpochResult) -> None:
        """Log an epoch. Earlier epochs that a killed run has not logged are logged first."""
        if not self._names:
            return
        if name != self._current:
            self.close()
            self._start(name)
        self._log_missed(name, result.epoch)
        self._log(name, result.epoch, _values(asdict(result)))

    def _log(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch, unless it is logged already."""
        own = self._state[name]
        if epoch > own["epochs"]:
            self._each(lambda tracker: tracker.log(values, step=epoch))
            own["epochs"] = epoch
            self._run.write_json(STATE, self._state)

    def _log_missed(self, name: str, end: int) -> None:
        """Log the epochs before `end` that an interrupted training recorded but did not log.

        With folds, no epochs are missed, since an interrupted model is trained again from its first epoch.
        """
        if not self._plan.folds:
            for epoch, values in self._recorded(self._state[name]["epochs"] + 1, end):
                self._log(name, epoch, values)

    def _recorded(self, first: int, end: int) -> list[tuple[int, dict[str, float]]]:
        """Return the numbers and the logged values of the epochs `first` to `end - 1`, read from `metrics.jsonl`."""
        if first >= end:
            return []
        lines = [json.loads(line) for line in self._run.path(METRICS).read_text(encoding="utf-8").splitlines()]
        return [(line["epoch"], _values(line)) for line in lines if first <= line["epoch"] < end]

    def _start(self, name: str) -> None:
        """Open a new run for a model in each tracker, or continue the run of an interrupted training."""
        is_new = name not in self._state
        own = self._state.setdefault(name, {"id": uuid.uuid4().hex[:12], "epochs": 0})
        self._current = name
        for tracker in self._names:
            with self._guarded(tracker):
                opened = OPEN[tracker](self._run.folder, name, own, self._plan.config.runtime.offline)
                opened.start()
                if tracker == "mlflow":
                    own["mlflow"] = opened.tracker.info.run_id
                if is_new:
                    opened.store_init_configuration(_flat(to_dict(self._plan.config)))
                self._open[tracker] = opened
        self._run.write_json(STATE, self._state)

    def _each(self, use: Callable[[Any], None]) -> None:
        for name in list(self._open):
            with self._guarded(name):
                use(self._open[name])

    def close(self) -> None:
        """End the open runs of all trackers. An unfinished run can be continued later."""
        self._each(lambda tracker: tracker.finish())
        self._open.clear()
        self._current = ""

    @contextlib.contextmanager
    def _guarded(self, name: str) -> Any:
        """Redirect what a tracker prints from stdout to stderr, and stop using a tracker that fails."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # no error of a tracker may stop the training
            self._open.pop(name, None)
            self._names = tuple(each for each in self._names if each != name)
            what = summarize(str(error).strip().splitlines()[:1]) or type(error).__name__
            self.failures.append(f"--log {name} failed, and the training went on without it: {what}")


def _values(epoch: Mapping[str, Any]) -> dict[str, float]:
    """Return the logged values of an epoch."""
    gates = {f"gate_{name}": value for name, value in epoch["gates"].items()}
    return {name: epoch[name] for name in LOGGED} | gates


def _flat(config: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Return all settings in one dict with keys such as `section.name`. Values that are not numbers become text."""
    named = {f"{section}.{name}": value for section, own in config.items() for name, value in own.items()}
    return {name: value if isinstance(value, bool | int | float) else str(value) for name, value in named.items()}


def _open_tensorboard(folder: Path, name: str, own: Mapping[str, Any], offline: bool) -> Any:
    from accelerate.tracking import TensorBoardTracker

    # TensorBoard ignores what an interrupted training has logged from this step on.
    return TensorBoardTracker(name, folder / "tensorboard", purge_step=own["epochs"] + 1 if own["epochs"] else None)


def _open_mlflow(folder: Path, name: str, own: Mapping[str, Any], offline: bool) -> Any:
    mlflow: Any = import_module("mlflow")  # an optional package, which type checkers may not find
    from accelerate.tracking import MLflowTracker

    if offline or "MLFLOW_TRACKING_URI" not in os.environ:
        (folder / "mlflow").mkdir(exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow' / 'mlflow.db').absolute()}")
        files = (folder / "mlflow" / "artifacts").absolute().as_uri()
    else:
        files = None
    return MLflowTracker(PROJECT, files, run_id=own.get("mlflow"), run_name=f"{folder.name}/{name}")


def _open_wandb(folder: Path, name: str, own: Mapping[str, Any], offline: bool) -> Any:
    from accelerate.tracking import WandBTracker

    return WandBTracker(
        PROJECT,
        dir=str(folder),
        id=own["id"],
        name=f"{folder.name}/{name}",
        group=folder.name,
        resume="allow",
        mode="offline" if offline else os.environ.get("WANDB_MODE", "offline"),
        settings={"silent": True},
    )


def _open_swanlab(folder: Path, name: str, own: Mapping[str, Any], offline: bool) -> Any:
    from accelerate.tracking import SwanLabTracker

    (folder / "swanlab").mkdir(exist_ok=True)
    return SwanLabTracker(
        PROJECT,
        log_dir=str(folder / "swanlab"),
        name=f"{folder.name}/{name}",
        group=folder.name,
        id=own["id"],
        resume="allow",
        mode="offline" if offline else os.environ.get("SWANLAB_MODE", "offline"),
    )


OPEN: dict[str, Callable[[Path, str, Mapping[str, Any], bool], Any]] = {
    "tensorboard": _open_tensorboard,
    "mlflow": _open_mlflow,
    "wandb": _open_wandb,
    "swanlab": _open_swanlab,
}
"""For each tracker by name, the function that opens it. Nothing is sent over a network, unless the user has set the
environment variable of the tracker for this."""
