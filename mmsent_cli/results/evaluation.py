"""The results of `evaluate`, `compare` and `explain`."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from mmsent_cli.results.experiments import Difference
from mmsent_cli.results.frames import Tabular, records
from mmsent_cli.results.training import Finding, Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A metric of 0 to 1 with its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """The scores of one class. `support` counts its pairs, `predicted` the pairs predicted as this class.

    Precision and recall have Wilson's intervals. The interval of F1 is computed from jackknife pseudo-values.
    """

    label: str
    precision: Score
    recall: Score
    f1: Score
    support: int
    predicted: int


ON_NEW, ON_VALIDATION, ON_KNOWN, ON_UNKNOWN = "new pairs", "validation pairs", "known pairs", ""
ON_OUT_OF_FOLD = "training pairs, out of fold"
"""Groups of evaluated pairs. ON_NEW: pairs that were not used in training. ON_VALIDATION: pairs that the best epoch
was chosen on. ON_KNOWN: all pairs, since nearly all were used in training. ON_UNKNOWN: pairs that may have been
used. ON_OUT_OF_FOLD: the training pairs of a run with folds; each is predicted by models that were not trained on it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScores:
    """The scores of a group of pairs. `by` is the criterion of the grouping, `name` the name of this group.

    `macro_f1` is over the `classes` classes that occur in the group, as true or predicted class.
    """

    by: str
    name: str
    pairs: int
    accuracy: Score
    macro_f1: Score
    majority_accuracy: float
    classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Mean probability and accuracy of the pairs whose predicted class has a probability from `low` to `high`."""

    low: float
    high: float
    pairs: int
    confidence: float
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredShare:
    """Accuracy of the most confident `share` of the pairs, which have a probability of `threshold` or more."""

    share: float
    pairs: int
    threshold: float
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRecall:
    """The precision-recall curve of one class: points with rising recall, and the average precision.

    `pairs` is the number of pairs of the class.
    """

    label: str
    pairs: int
    average_precision: float
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDrift:
    """Class shares of the training pairs and of the evaluated pairs (`here`).

    `distance` is their total variation distance, and `p` is the p value of a chi-square test.
    """

    training: tuple[float, ...]
    here: tuple[float, ...]
    distance: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthDrift:
    """Quartiles of the text lengths in words, the Kolmogorov-Smirnov distance, and its p value.

    `training` has the quartiles of the training texts, and `here` the quartiles of the evaluated texts.
    """

    training: tuple[float, float, float]
    here: tuple[float, float, float]
    distance: float
    p: float


def _scores(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each of the three scores, with the group of pairs that they are computed on."""
    names = ("accuracy", "macro_f1", "weighted_f1")
    measured = {"pairs": result.pairs, "measured": result.measured}
    return [_row({"metric": name}, {"score": getattr(result, name), **measured}) for name in names]


def _row(start: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Make a row in which each score becomes three columns: value, lower and upper end of the interval."""
    row = dict(start)
    for name, value in values.items():
        if isinstance(value, Score):
            row |= {name: value.value, f"{name}_low": value.interval[0], f"{name}_high": value.interval[1]}
        else:
            row[name] = value
    return row


def _scored(part: str) -> Any:
    """Return a function that makes a row from each dataclass in the attribute `part` of a result."""
    return lambda result: [
        _row({}, {name: getattr(each, name) for name in each.__slots__}) for each in getattr(result, part)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateResult(Tabular):
    """The scores of a model, or of a prediction file, on labelled pairs.

    Attributes:
        subject: the checkpoint or the prediction file.
        source: the name of the data source.
        pairs: number of pairs on which the scores are computed (see `measured`). Only `groups` also has other pairs.
        accuracy, macro_f1, weighted_f1: scores with intervals (Wilson's for accuracy, jackknife for F1). Macro-F1 is
            over the classes that occur, as true or predicted class.
        majority_accuracy: the accuracy of always predicting the most frequent class of these pairs.
        confusion: `confusion[i][j]` counts pairs of true class i that were predicted as class j.
        groups: scores of groups of pairs: by training (new, near-duplicate, in validation, in training), by input
            (both, text only, image only), and by each column of `--by`.
        loss, calibration_error: cross-entropy and expected calibration error; None without probabilities.
        calibration, answered, curves: scores of the probabilities; empty without probabilities.
        new: number of pairs that were not used in training; None if unknown.
        near_training: number of pairs that share text or image, but not both, with a training pair; None if unknown.
        in_validation: number of validation pairs of the training; None if unknown.
        in_training: number of training pairs; None if unknown.
        measured: the group of pairs on which the scores are computed: ON_NEW, ON_VALIDATION, ON_KNOWN, ON_UNKNOWN or
            ON_OUT_OF_FOLD.
        classes, lengths: drift of class shares and text lengths from the training pairs; None if these are unknown.
        findings: reasons why the model has learned too little, or why the scores only show what it has memorized. They
            are also the first `notes`.
    """

    TABLES: ClassVar = {
        "scores": _scores,
        "classes": _scored("per_class"),
        "groups": _scored("groups"),
        "calibration": records("calibration"),
        "answered": records("answered"),
    }

    subject: str
    source: str
    labels: tuple[str, ...]
    pairs: int
    accuracy: Score
    macro_f1: Score
    weighted_f1: Score
    majority_accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassScores, ...]
    groups: tuple[GroupScores, ...] = ()
    loss: float | None = None
    calibration_error: float | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    answered: tuple[AnsweredShare, ...] = ()
    curves: tuple[PrecisionRecall, ...] = ()
    new: int | None = None
    in_training: int | None = None
    near_training: int | None = None
    in_validation: int | None = None
    measured: str = ON_UNKNOWN
    classes: ClassDrift | None = None
    lengths: LengthDrift | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> int:
        """The number of pairs that were used in training, or share text or image with a training pair; 0 if unknown."""
        return sum(count or 0 for count in (self.in_training, self.near_training, self.in_validation))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedModel:
    """One of the compared models. `sources` has the checkpoint or prediction file of each seed.

    `findings` are reasons why the model has learned too little.
    """

    name: str
    sources: tuple[str, ...]
    accuracy: Score
    macro_f1: Score
    accuracies: tuple[float, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDifference:
    """The difference between two models on the same pairs: `first` minus `second`.

    Attributes:
        accuracy, macro_f1: the differences.
        p_adjusted: p value of the accuracy, adjusted over all pairs of models by Holm's method.
        verdict: BETTER, WORSE or NOT_DISTINGUISHABLE for `first`, by `p_adjusted`.
        macro_f1_p_adjusted, macro_f1_verdict: the same for macro-F1.
        mcnemar: for each seed, the p value of McNemar's exact test.
        only_first_right: number of pairs that only the first model predicts correctly, averaged over seeds.
        only_second_right: number of pairs that only the second model predicts correctly, averaged over seeds.
    """

    first: str
    second: str
    accuracy: Difference
    macro_f1: Difference
    p_adjusted: float
    verdict: str
    macro_f1_p_adjusted: float
    macro_f1_verdict: str
    mcnemar: tuple[float, ...]
    only_first_right: float
    only_second_right: float


def _differences(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each difference between two models."""
    verdicts = ("p_adjusted", "verdict", "macro_f1_p_adjusted", "macro_f1_verdict")
    plain = ("first", "second", *verdicts, "only_first_right", "only_second_right")
    return [
        {name: getattr(each, name) for name in plain}
        | {f"{metric}_{name}": value for metric in ("accuracy", "macro_f1") for name, value in _part(each, metric)}
        for each in result.differences
    ]


def _part(each: ModelDifference, metric: str) -> Iterable[tuple[str, Any]]:
    return asdict(getattr(each, metric)).items()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison(Tabular):
    """A comparison of models on the same `pairs`. `left_out` counts pairs that not all models predicted.

    `differences` has a row for every two models, in the order of `models`.
    """

    TABLES: ClassVar = {"models": _scored("models"), "differences": _differences}

    source: str
    labels: tuple[str, ...]
    pairs: int
    left_out: int
    seeds: int
    majority_accuracy: float
    models: tuple[ComparedModel, ...]
    differences: tuple[ModelDifference, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WordScore:
    """A word of the text, with its contribution to the probability of the explained class (-1 to 1)."""

    word: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityShares:
    """The contributions to the probability of the explained class (Shapley values over the modalities).

    `nothing` is the probability without text and image; `nothing + text + image` is the probability with both.
    """

    nothing: float
    text: float
    image: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberVote:
    """The prediction of one member of an ensemble."""

    member: str
    label: str
    probabilities: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The explanation of the prediction for one pair.

    Attributes:
        guid: name of the pair.
        text: the text; empty if the pair has none.
        label: the explained class; by default, the predicted class.
        predicted: the predicted class.
        probabilities: the probability of each class.
        missing: the modality that the pair lacks: text, image, or empty.
        shares: contribution of each modality.
        words: score of each word, in the order of the text.
        regions: score of each cell of a grid over the image, row by row from the top; empty without an image.
        members: prediction of each ensemble member; empty for a single model.
    """

    guid: str
    text: str
    label: str
    predicted: str
    probabilities: dict[str, float]
    missing: str
    shares: ModalityShares
    words: tuple[WordScore, ...]
    regions: tuple[tuple[float, ...], ...]
    members: tuple[MemberVote, ...] = ()

    def top_words(self, count: int) -> list[WordScore]:
        """Return the words with the largest scores for or against the class, the largest first."""
        return sorted(self.words, key=lambda word: -abs(word.score))[:count]

    def top_region(self) -> tuple[int, int] | None:
        """Return row and column of the cell with the largest score, counted from 0; None without an image."""
        cells = {(row, column): score for row, line in enumerate(self.regions) for column, score in enumerate(line)}
        return max(cells, key=lambda place: cells[place]) if cells else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """The explanations of some predictions of one checkpoint."""

    checkpoint: str
    method: str
    explanations: tuple[Explanation, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names in order."""
        return tuple(self.explanations[0].probabilities) if self.explanations else ()
