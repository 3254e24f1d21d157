"""What commands return: plain values that renderers print and records write as JSON. Standard library only."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One encoding in the vote. `score` is log-plausibility in nats per non-ASCII byte; higher is better.

    `failures` counts the files of the vote that hold bytes the encoding does not have.
    """

    encoding: str
    score: float
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """Part of a text before (Latin-1, which never fails) and after decoding, with a per-file detector's word for it."""

    name: str
    before: str
    after: str
    detector: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileException:
    """A file that is read otherwise than the corpus: its encoding, or None where it cannot be decoded strictly."""

    name: str
    encoding: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingResult:
    """What `inspect-encoding` found. `encoding` is the best guess even when `decided` is false.

    `candidates` were weighed on the files in question: those that are not UTF-8, or all if there are none. `margin`
    is the lead over the best candidate that reads any of them otherwise, in nats over all evidence.
    `exceptions` are files read otherwise than by `encoding`; `undecodable` counts those with U+FFFD in their text.
    `detector_disagrees` of `detector_checked` files read otherwise by a per-file detector.
    """

    encoding: str
    decided: bool
    files: int
    non_ascii_files: int
    undecodable: int
    margin: float
    candidates: tuple[Candidate, ...]
    replaced_characters: int = 0
    exceptions: tuple[FileException, ...] = ()
    snippets: tuple[Snippet, ...] = ()
    detector_checked: int = 0
    detector_disagrees: int = 0
    converted_to: str | None = None
    converted_files: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """What `split` did: sizes and class counts per side, and what grouping caught.

    `groups`, `grouped_pairs`: near-duplicates (two pairs or more); `conflicting_groups`: those with several tags.
    `leaks` counts validation pairs with a near-duplicate in training, `leaks_without_groups` those of a plain
    stratified split of the same size and seed (None: too few pairs for one). With folds, sides and leaks are those
    of fold 1, `digest` has the digests of all folds, and `fold_counts` the validation counts of each.
    """

    path: str
    digest: str
    strategy: str
    seed: int
    val_size: float
    train: int
    val: int
    train_counts: dict[str, int]
    val_counts: dict[str, int]
    groups: int
    grouped_pairs: int
    conflicting_groups: int
    leaks: int
    leaks_without_groups: int | None
    folds: int | None = None
    fold_counts: tuple[dict[str, int], ...] = ()


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
class JudgeResult:
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

    No network and no expert saw the pair it is asked of. The stacker that joins them was fit without the pair's fold,
    though on answers of judges that trained on it.

    `accuracy`, `macro_f1` and `figures` belong to the ensemble's rule, `judges` to its parts alone, `folds` to the
    network of each fold. `calibration_error` is the expected calibration error of the probabilities (15 bins). The
    ensemble that is kept averages the networks and has its experts fit on all pairs, which these figures do not show.
    """

    run: str
    encoders: str
    fusion: str
    experts: tuple[str, ...]
    accuracy: float
    macro_f1: float
    majority_accuracy: float
    calibration_error: float
    epochs: int
    seconds: float
    prepare_seconds: float
    labels: tuple[str, ...]
    figures: Metrics
    judges: tuple[JudgeResult, ...]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One predicted pair. `missing` names the modality it lacked: text, image, or nothing (empty)."""

    guid: str
    tag: str
    probabilities: dict[str, float]
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """A finished prediction. `missing_text` and `missing_image` count pairs predicted from one modality alone."""

    checkpoint: str
    out: str | None
    pairs: int
    counts: dict[str, int]
    missing_text: int
    missing_image: int
    replaced_characters: int
    seconds: float
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpace:
    """One kind of feature on disk: `stages` reads "3 of 8", `entries` counts pairs or views."""

    space: str
    encoder: str
    stages: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreResult:
    """What the feature store holds, or held before it was cleared; beside it translated networks, unpacked weights."""

    folder: str
    spaces: tuple[StoredSpace, ...]
    bytes: int
    networks_bytes: int = 0
    weights_bytes: int = 0
    cleared: bool = False
