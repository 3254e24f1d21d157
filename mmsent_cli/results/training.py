"""What a training run returns."""

from dataclasses import dataclass, field, fields
from typing import ClassVar

from mmsent_cli.results.frames import Tabular, records

Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """Precision, recall, F1 (each 0 to 1) and support (pairs) of one class."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One evaluation. Accuracy and macro-F1 lie in 0 to 1; `interval` is Wilson's 95 % interval of the accuracy.

    `confusion[i][j]` counts pairs of true class i that were predicted as class j.
    """

    loss: float
    accuracy: float
    macro_f1: float
    interval: Interval
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassMetrics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochScore:
    """One epoch of one model, counted from 1.

    Attributes:
        train_loss: cross-entropy of the main head, without smoothing or class weights, mean over the training pairs
            during the epoch: with dropout, and while the weights change.
        train_objective: what is minimised, mean over batches: with smoothing, class weights and auxiliary losses.
        val_loss: the same cross-entropy as `train_loss`, mean over the validation pairs after the epoch.
        gates: the fusion's learned weights by name, mean over pairs.
    """

    epoch: int
    train_loss: float
    train_objective: float
    val_loss: float
    accuracy: float
    macro_f1: float
    gates: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult(EpochScore):
    """One finished epoch of a training that can be watched: also learning rates, time, and whether it is the best."""

    encoder_lr: float
    head_lr: float
    skipped_steps: int
    seconds: float
    is_best: bool

    def score(self) -> EpochScore:
        """What does not depend on the clock or on the schedule."""
        return EpochScore(**{each.name: getattr(self, each.name) for each in fields(EpochScore)})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedResult(Tabular):
    """What the results of both kinds of training state: the run, its metrics in short, and how it was computed."""

    run: str
    encoders: str
    fusion: str
    accuracy: float
    macro_f1: float
    majority_accuracy: float
    epochs: int
    seconds: float
    prepare_seconds: float
    labels: tuple[str, ...]
    trainable_parameters: int
    total_parameters: int
    device: str
    precision: str
    encoding: str
    problems: int
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult(TrainedResult):
    """A finished training run. `accuracy`, `macro_f1`, `best` belong to the best epoch, chosen on the same pairs."""

    TABLES: ClassVar = {"epochs": records("history"), "classes": records("best", "per_class")}

    best_epoch: int
    best: Metrics
    last: Metrics
    history: tuple[EpochResult, ...]
    train_pairs: int
    val_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberResult:
    """One member of an ensemble alone, out of fold: `loss` is the cross-entropy of its probabilities."""

    name: str
    accuracy: float
    macro_f1: float
    interval: Interval
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """One fold's model on the pairs that it was not trained on, after its last epoch."""

    fold: int
    train_pairs: int
    val_pairs: int
    accuracy: float
    macro_f1: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldsResult(TrainedResult):
    """A finished training over folds, all metrics out of fold.

    Each pair is predicted by models and probes that were not trained on it. The stacker that joins them was fitted
    without the pair's fold, on predictions of members that were trained on that fold.

    `accuracy`, `macro_f1` and `metrics` belong to the ensemble, `members` to its parts alone, `folds` to the model of
    each fold. `calibration_error` is the expected calibration error of the probabilities (15 bins). The saved ensemble
    averages the models and has its probes fitted on all pairs; these metrics do not measure it.
    """

    TABLES: ClassVar = {
        "folds": records("folds"),
        "members": records("members"),
        "classes": records("metrics", "per_class"),
    }

    probes: tuple[str, ...]
    calibration_error: float
    metrics: Metrics
    members: tuple[MemberResult, ...]
    folds: tuple[FoldResult, ...]
    class_offsets: dict[str, float]
    pairs: int
