"""The results of training and prediction, and the findings about a model that has learned too little."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from mmsent_cli.errors import in_python_words
from mmsent_cli.results.frames import Tabular, records

ONE_CLASS, MAJORITY, NEVER_ANSWERED = "one class", "majority", "never answered"
IGNORES_TEXT, IGNORES_IMAGE = "ignores text", "ignores image"
TRAINED_ON = "training pairs"
"""Kinds of findings; `Finding` explains them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A reason why a model's predictions are of little use.

    Attributes:
        kind: ONE_CLASS (nearly every pair gets the same class), MAJORITY (no better than always predicting the most
            frequent class), NEVER_ANSWERED (a class is never predicted), IGNORES_TEXT or IGNORES_IMAGE (predictions do
            not depend on this modality), TRAINED_ON (the model was trained on the evaluated pairs).
        message: the finding with its numbers, as a sentence without a full stop.
        advice: what to try next, as a sentence without a full stop; empty if there is no advice.
    """

    kind: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.advice}" if self.advice else self.message


def noted(findings: Iterable[Finding], notes: Iterable[str]) -> tuple[str, ...]:
    """Return notes with the findings first."""
    return (*map(str, findings), *notes)


def has_learned_nothing(findings: Iterable[Finding]) -> bool:
    """Return True if a model predicts the same class for nearly all pairs."""
    return any(finding.kind == ONE_CLASS for finding in findings)


def warn_of_findings(result: Any) -> None:
    """Give a Python warning if a model predicts one class for nearly all pairs, or was trained on evaluated pairs."""
    for finding in getattr(result, "findings", ()):
        if finding.kind in (ONE_CLASS, TRAINED_ON):
            warnings.warn(in_python_words(str(finding)), stacklevel=3)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prediction:
    """A predicted pair. `missing` is the modality that the pair lacks: text, image, or empty.

    Example:
        >>> Prediction(guid="-", tag="positive", probabilities={"negative": 0.25, "positive": 0.75})
        Prediction(label='positive', probabilities={'negative': 0.25, 'positive': 0.75}, missing='')
    """

    guid: str
    tag: str
    probabilities: dict[str, float]
    missing: str = ""

    @property
    def label(self) -> str:
        """The predicted class, which files call `tag`."""
        return self.tag

    def __repr__(self) -> str:
        shares = {label: round(share, 4) for label, share in self.probabilities.items()}
        guid = "" if self.guid == "-" else f"guid={self.guid!r}, "
        return f"Prediction({guid}label={self.label!r}, probabilities={shares}, missing={self.missing!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusablePair:
    """A row with a text or an image that cannot be used.

    `row` is the place of the row. `outcome` is `dropped`, or `blanked` (predicted from the other modality alone).
    """

    guid: str
    row: str
    reason: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedBy:
    """The origin of a prediction: name of the run, BLAKE2b digest of the checkpoint, version of mmsent."""

    run: str
    checkpoint_digest: str
    mmsent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """The result of `predict`. `missing_text` and `missing_image` count the pairs without text or image.

    `dropped` and `blanked` count the pairs with unusable files. A dropped pair is not predicted; a blanked pair is
    predicted from the other modality alone. `unusable` lists both. `abstained` counts the pairs with a probability
    below `threshold`. Their label is empty, and `counts` does not include them. `findings` report that nearly all
    predictions are of one class, or that the model has learned too little in training.
    """

    checkpoint: str
    out: str | None
    pairs: int
    counts: dict[str, int]
    missing_text: int
    missing_image: int
    replaced_characters: int
    seconds: float
    model: PredictedBy | None = None
    dropped: int = 0
    blanked: int = 0
    unusable: tuple[UnusablePair, ...] = ()
    abstained: int = 0
    threshold: float | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None


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
    """The metrics of an evaluation. Shares are from 0 to 1.

    `interval` is Wilson's 95 % interval of the accuracy. `macro_f1_interval` is the 95 % interval of the macro-F1 over
    the pairs. `confusion[i][j]` is the number of pairs of class i that were predicted as class j.
    """

    loss: float
    accuracy: float
    macro_f1: float
    interval: Interval
    macro_f1_interval: Interval
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassMetrics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochScore:
    """The scores of an epoch of a model. Epochs are counted from 1.

    Attributes:
        train_loss: cross-entropy of the main head without smoothing and class weights, averaged over the training pairs
            during the epoch, with dropout.
        train_objective: the training objective, with label smoothing, class weights and auxiliary losses, averaged over
            batches.
        val_loss: the same cross-entropy as `train_loss`, averaged over the validation pairs after the epoch.
        gates: learned weights of the fusion by name, averaged over pairs.
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
    """An epoch of a training: its scores, learning rates and time, and whether it is the best so far."""

    encoder_lr: float
    head_lr: float
    skipped_steps: int
    seconds: float
    is_best: bool

    def score(self) -> EpochScore:
        """Return the scores, without learning rates and times."""
        return EpochScore(**{each.name: getattr(self, each.name) for each in fields(EpochScore)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """A part of a model. An attribute that does not apply is empty.

    Attributes:
        part: "text encoder", "image encoder", "fusion", "head" or "probe".
        name: name of the part in the settings.
        summary: what the part computes, in words.
        formula: what the part computes, in symbols.
        training: which weights of the part are trained.
        licence: licence of the pretrained weights.
        source: source of the pretrained weights or of the formula.
    """

    part: str
    name: str
    summary: str
    formula: str = ""
    training: str = ""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedResult(Tabular):
    """The attributes that `TrainResult` and `FoldsResult` have in common.

    `source` is the name of the data; `parts` describe the model. `gpu_memory_bytes` is the peak memory of tensors on a
    GPU; 0 on a CPU. `findings` report that the model has learned too little; `notes` begins with them.
    """

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
    gpu_memory_bytes: int = 0
    findings: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    parts: tuple[ModelPart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult(TrainedResult):
    """The result of a training. `accuracy`, `macro_f1` and `best` belong to the best epoch (optimistic)."""

    TABLES: ClassVar = {"epochs": records("history"), "classes": records("best", "per_class")}

    best_epoch: int
    best: Metrics
    last: Metrics
    history: tuple[EpochResult, ...]
    train_pairs: int
    val_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberResult:
    """The out-of-fold metrics of one ensemble member. `loss` is the cross-entropy of its probabilities."""

    name: str
    accuracy: float
    macro_f1: float
    interval: Interval
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOff:
    """The out-of-fold metrics of an ensemble for one strength of the logit adjustment (0 is off)."""

    logit_adjustment: float
    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """The metrics of a fold's model after its last epoch, on the pairs that it was not trained on."""

    fold: int
    train_pairs: int
    val_pairs: int
    accuracy: float
    macro_f1: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldsResult(TrainedResult):
    """The result of cross-validation. All metrics are out of fold.

    Each pair is predicted by models and probes that were not trained on it, and by a stacker that was fit on the other
    folds.

    `accuracy`, `macro_f1` and `metrics` are metrics of the ensemble. `members` has the metrics of each member, and
    `folds` has the metrics of the models of each fold. `calibration_error` is the expected calibration error of the
    probabilities (15 bins). `trade_off` has the ensemble's metrics for several strengths of the logit adjustment;
    `logit_adjustment` is the strength that was used. The saved ensemble itself cannot be evaluated, since its probes
    were fit on all pairs.
    """

    TABLES: ClassVar = {
        "folds": records("folds"),
        "members": records("members"),
        "trade_off": records("trade_off"),
        "classes": records("metrics", "per_class"),
    }

    probes: tuple[str, ...]
    calibration_error: float
    metrics: Metrics
    members: tuple[MemberResult, ...]
    folds: tuple[FoldResult, ...]
    class_offsets: dict[str, float]
    pairs: int
    trade_off: tuple[TradeOff, ...] = ()
    logit_adjustment: float = 0.0
