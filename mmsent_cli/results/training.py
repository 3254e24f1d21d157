"""What a training run returns."""

from dataclasses import dataclass, field


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
    interval: tuple[float, float]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassMetrics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """One finished epoch, counted from 1. `gates` holds the fusion's learned weights by name, mean over pairs."""

    epoch: int
    train_loss: float
    val_loss: float
    accuracy: float
    macro_f1: float
    encoder_lr: float
    head_lr: float
    skipped_steps: int
    seconds: float
    is_best: bool
    gates: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """A finished training run. `accuracy`, `macro_f1`, `best` belong to the best epoch, chosen on the same pairs."""

    run: str
    encoders: str
    fusion: str
    accuracy: float
    macro_f1: float
    majority_accuracy: float
    best_epoch: int
    epochs: int
    seconds: float
    prepare_seconds: float
    labels: tuple[str, ...]
    best: Metrics
    last: Metrics
    history: tuple[EpochResult, ...]
    train_pairs: int
    val_pairs: int
    trainable_parameters: int
    total_parameters: int
    device: str
    precision: str
    encoding: str
    problems: int
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberResult:
    """What one judge of an ensemble is worth alone: `loss` is the cross-entropy of its out-of-fold probabilities."""

    name: str
    accuracy: float
    macro_f1: float
    interval: tuple[float, float]
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """One fold's network on the pairs that it did not see, after its last epoch."""

    fold: int
    train_pairs: int
    val_pairs: int
    accuracy: float
    macro_f1: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldsResult:
    """A finished training over folds, all figures out of fold.

    No network and no probe saw the pair it is asked of. The stacker that joins them was fit without the pair's fold,
    though on answers of members that trained on it.

    `accuracy`, `macro_f1` and `figures` belong to the ensemble's rule, `members` to its parts alone, `folds` to the
    network of each fold. `calibration_error` is the expected calibration error of the probabilities (15 bins). The
    ensemble that is kept averages the networks and has its probes fit on all pairs, which these figures do not show.
    """

    run: str
    encoders: str
    fusion: str
    probes: tuple[str, ...]
    accuracy: float
    macro_f1: float
    majority_accuracy: float
    calibration_error: float
    epochs: int
    seconds: float
    prepare_seconds: float
    labels: tuple[str, ...]
    figures: Metrics
    members: tuple[MemberResult, ...]
    folds: tuple[FoldResult, ...]
    class_offsets: dict[str, float]
    pairs: int
    trainable_parameters: int
    total_parameters: int
    device: str
    precision: str
    encoding: str
    problems: int
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
