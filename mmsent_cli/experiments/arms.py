"""The arms of an experiment (models to compare), the files of trained models, and nested selection.

A resumed experiment reads finished models from their files. Each model has two files: `<stem>.npz` with arrays, and
`<stem>.json` with the other data and a digest of all data. If a file is missing or damaged, the model is trained again.

Nested selection: each pair is predicted by the epoch that is best on other pairs. The best epoch on all pairs gives
optimistic scores, since it is chosen and measured on the same pairs.

Shape letters: E epochs, N pairs, C classes.
"""

import csv
import hashlib
import io
import json
import math
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmsent_cli.config import ResolvedConfig
from mmsent_cli.files import atomic_write
from mmsent_cli.model import count_parameters
from mmsent_cli.progress import Epoch
from mmsent_cli.results import EpochScore
from mmsent_cli.run_folders import as_file_name
from mmsent_cli.stats import confusion_counts, macro_f1
from mmsent_cli.training.metrics import Evaluation, Monitor
from mmsent_cli.training.workspace import Workspace

SCORE_COLUMNS = ("epoch", "train_loss", "train_objective", "val_loss", "accuracy", "macro_f1")


def epochs_csv(curves: Iterable[tuple[Mapping[str, object], Iterable[EpochScore]]]) -> str:
    """Make a CSV table with one row per epoch.

    Args:
        curves: for each model, the cells that identify the model (by column name), and the scores of its epochs. All
            models have the same columns.
    """
    rows = [
        {**named, **{name: getattr(score, name) for name in SCORE_COLUMNS}, **_gates(score)}
        for named, curve in curves
        for score in curve
    ]
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _gates(score: EpochScore) -> dict[str, float]:
    return {f"gate_{name}": value for name, value in score.gates.items()}


FOLDS = 5
FOLD_SEED = 0


class FoldScore(NamedTuple):
    """The monitored metric of an epoch, computed on the pairs outside a fold. The other metrics are NaN."""

    epoch: int
    val_loss: float = math.nan
    accuracy: float = math.nan
    macro_f1: float = math.nan


def assign_folds(count: int) -> np.ndarray:
    """Return the fold number of each of N = `count` pairs [N]. All arms and seeds get the same folds."""
    order = np.random.default_rng(FOLD_SEED).permutation(count)
    folds = np.empty(count, dtype=np.int64)
    folds[order] = np.arange(count) % FOLDS
    return folds


def nested_selection(
    predicted: np.ndarray, true: np.ndarray, monitor: str, classes: int, losses: np.ndarray
) -> np.ndarray:
    """Return, for the pairs of each fold, the predictions of the epoch that is best on the other folds.

    Of equally good epochs, the first is chosen.

    Args:
        predicted: predicted class numbers after each epoch [E, N].
        true: true class numbers [N], N at least 2.
        monitor: accuracy, macro_f1 or loss.
        classes: number of classes C.
        losses: cross-entropy after each epoch [E, N]; used only if `monitor` is loss.

    Returns:
        Predicted class numbers [N].
    """
    metric, folds, chosen = Monitor(monitor), assign_folds(len(true)), np.empty_like(true)
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        scores = _scores(predicted[:, outside], true[outside], monitor, classes, losses[:, outside])
        chosen[inside] = predicted[metric.best(scores).epoch - 1, inside]
    return chosen


def _scores(predicted: np.ndarray, true: np.ndarray, monitor: str, classes: int, losses: np.ndarray) -> list[FoldScore]:
    epochs = range(1, len(predicted) + 1)
    if monitor == "loss":
        return [FoldScore(epoch, val_loss=float(loss)) for epoch, loss in zip(epochs, losses.mean(axis=1), strict=True)]
    if monitor == "accuracy":
        shares = np.mean(predicted == true, axis=1)
        return [FoldScore(epoch, accuracy=float(share)) for epoch, share in zip(epochs, shares, strict=True)]
    f1s = [float(macro_f1(confusion_counts(true, row, classes))) for row in predicted]
    return [FoldScore(epoch, macro_f1=f1) for epoch, f1 in zip(epochs, f1s, strict=True)]


ARRAYS = ("predicted", "losses")
READ_ERRORS = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)
"""Exceptions that can be raised by reading a file that is missing, incomplete or of another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A model to train. Models with the same name form one arm of the experiment, and differ only by seed.

    A reference (`is_reference`) is a text-only or image-only model, which is shown but not tested.
    """

    name: str
    config: ResolvedConfig
    is_reference: bool = False

    @property
    def seed(self) -> int:
        """Seed of the model."""
        return self.config.fit.seed

    @property
    def stem(self) -> str:
        """Name of the model's files in the run folder, without suffix."""
        return as_file_name(f"{self.name}-seed-{self.seed}")


def arms_of(name: str, config: ResolvedConfig, seeds: Sequence[int], is_reference: bool = False) -> list[Arm]:
    """Make the models of an arm, one per seed."""
    configs = [replace(config, fit=replace(config.fit, seed=seed)) for seed in seeds]
    return [Arm(name=name, config=seeded, is_reference=is_reference) for seeded in configs]


def seeds_of(config: ResolvedConfig, count: int) -> tuple[int, ...]:
    """Return `count` consecutive seeds, starting with the seed of the configuration."""
    return tuple(range(config.fit.seed, config.fit.seed + count))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedArm:
    """A trained model, with its predictions for the validation pairs after each epoch.

    Attributes:
        name: name of the arm.
        is_reference: True for text-only and image-only models, which are shown but not tested.
        monitor: the metric that selects the best epoch: accuracy, macro_f1 or loss.
        curve: scores of E epochs.
        predicted: predicted class numbers [E, N], int64.
        losses: cross-entropy of each pair after each epoch [E, N], float64.
    """

    name: str
    fusion: str
    augmentation: str
    seed: int
    is_reference: bool
    trainable_parameters: int
    monitor: str
    curve: tuple[EpochScore, ...]
    predicted: np.ndarray
    losses: np.ndarray

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.predicted, self.losses)}
        if len(shapes) != 1 or self.predicted.ndim != 2 or len(self.curve) != len(self.predicted) or not self.curve:
            raise ValueError(f"{self.name}: {len(self.curve)} epochs do not fit arrays of shape {sorted(shapes)}")

    @property
    def best(self) -> EpochScore:
        """Scores of the best epoch."""
        return Monitor(self.monitor).best(self.curve)

    @property
    def best_predicted(self) -> np.ndarray:
        """Class numbers [N] predicted by the model of the best epoch."""
        return self.predicted[self.best.epoch - 1]


def train_arm(workspace: Workspace, arm: Arm, shown_as: str = "") -> Iterator[TrainedArm]:
    """Train a model, and yield its scores and predictions so far after each epoch. The caller may stop early.

    The workspace's `progress` receives progress events. In these events, the model has the name `shown_as`, or the
    name of the arm if `shown_as` is empty.
    """
    model, table, trainer = workspace.trainer(arm.config)
    trainable, _ = count_parameters(model)
    order = np.argsort(table.val)  # the table is sorted by text length
    evaluations: list[Evaluation] = []
    name = shown_as or arm.name
    for result in trainer.fit(workspace.progress, name):
        workspace.progress(Epoch(name, arm.seed, result))
        evaluations.append(trainer.last)
        yield TrainedArm(
            name=arm.name,
            fusion=arm.config.model.fusion,
            augmentation=arm.config.fit.augmentation,
            seed=arm.seed,
            is_reference=arm.is_reference,
            trainable_parameters=trainable,
            monitor=arm.config.fit.monitor,
            curve=tuple(epoch.score() for epoch in trainer.history),
            predicted=np.stack([evaluation.logits.argmax(axis=1) for evaluation in evaluations])[:, order],
            losses=np.stack([evaluation.losses() for evaluation in evaluations])[:, order],
        )


def train_to_the_end(workspace: Workspace, arm: Arm) -> TrainedArm:
    """Train a model to its last epoch, and return its scores and predictions after each epoch."""
    return deque(train_arm(workspace, arm), maxlen=1).pop()


def save(folder: Path, stem: str, trained: TrainedArm) -> None:
    """Write `<stem>.npz`, then `<stem>.json`, both atomically.

    Raises:
        MmsentError: a file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: getattr(trained, name) for name in ARRAYS})
    arrays = buffer.getvalue()
    plain = {name: getattr(trained, name) for name in TrainedArm.__slots__ if name not in (*ARRAYS, "curve")}
    plain["curve"] = [asdict(score) for score in trained.curve]
    content = {"digest": _digest(plain, arrays), "model": plain}
    atomic_write(folder / f"{stem}.npz", arrays)
    atomic_write(folder / f"{stem}.json", (json.dumps(content, indent=1) + "\n").encode("utf-8"))


def load(folder: Path, stem: str) -> TrainedArm | None:
    """Read a trained model from the files that `save` wrote. Returns None if a file is missing or damaged."""
    try:
        content = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        arrays, plain = (folder / f"{stem}.npz").read_bytes(), content["model"]
        if content["digest"] != _digest(plain, arrays):
            return None
        with np.load(io.BytesIO(arrays), allow_pickle=False) as stored:
            plain |= {name: stored[name] for name in ARRAYS}
        plain["curve"] = tuple(EpochScore(**score) for score in plain["curve"])
        return TrainedArm(**plain)
    except READ_ERRORS:
        return None


def _digest(plain: dict[str, Any], arrays: bytes) -> str:
    return hashlib.sha256(json.dumps(plain).encode("utf-8") + arrays).hexdigest()
