"""The results of `check`, `env`, `inspect-encoding`, `split`, `cache`, `runs` and `export`."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from mmsent_cli.results.frames import Tabular, records
from mmsent_cli.results.training import Interval

OK, WARNING, ERROR = "ok", "warning", "error"
"""Levels of the outcome of a check. OK: nothing to do. WARNING: look at the data, but training can run. ERROR: training
cannot run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPair:
    """A pair that a check lists. If a row cannot be read, `guid` is empty.

    A check lists the pairs in which it found a problem. Pairs with the same `group` belong together, such as
    near-duplicates.
    """

    guid: str
    tag: str = ""
    group: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """The outcome of one check.

    Attributes:
        check: name of the check.
        level: OK, WARNING or ERROR.
        message: the finding, with its numbers.
        rule: the threshold, such as "warning above 5 %"; empty if there is none.
        advice: what to do; empty if there is nothing to do.
        pairs: the pairs with the problem.
    """

    check: str
    level: str
    message: str
    rule: str = ""
    advice: str = ""
    pairs: tuple[ListedPair, ...] = ()

    @property
    def file(self) -> str:
        """The path, inside the run folder, of the file that lists the pairs."""
        return f"pairs_to_check/{self.check.replace(',', '').replace(' ', '-')}.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a number is distributed over the pairs: smallest value, quartiles and largest value."""

    name: str
    least: float
    quarter: float
    median: float
    three_quarters: float
    most: float


def _outcomes(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each check, with the number of its pairs."""
    rows = [asdict(each) for each in result.checks]
    return [{**row, "pairs": len(row["pairs"])} for row in rows]


def _listed(result: Any) -> Iterable[Mapping[str, Any]]:
    """Make a row for each pair with a problem, check by check."""
    return [{"check": each.check, **asdict(pair)} for each in result.checks for pair in each.pairs]


def can_train(checks: Iterable[CheckOutcome]) -> bool:
    """Return True if no check found an error."""
    return all(each.level != ERROR for each in checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvResult(Tabular):
    """The result of `env`.

    Attributes:
        can_train: True if no check found an error.
        checks: all checks, in the order in which they were made.
        minutes: expected minutes of a training on 4,000 pairs, by preset; empty if not measured.
        predicted_per_second: expected number of pairs that `predict` predicts per second, by preset; empty if not
            measured.
        facts: description of the machine.
        weights: SHA-256 of each weights file on this machine.
    """

    TABLES: ClassVar = {"checks": _outcomes}

    can_train: bool
    checks: tuple[CheckOutcome, ...]
    minutes: dict[str, float]
    predicted_per_second: dict[str, float]
    facts: dict[str, str]
    weights: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(Tabular):
    """The result of `check`.

    Attributes:
        source: the folder or table.
        pairs: number of labelled pairs that were read.
        usable: number of labelled pairs that training would use. Without labels, the pairs that can be predicted.
        rows: numbers of labelled rows that were read, used, skipped and refused.
        to_predict: number of pairs without a label.
        labels: the classes in order. If no row has a label, it is empty, and the pairs are checked for prediction
            instead of training.
        counts: number of usable pairs of each class.
        can_train: True if there are labels, and no check found an error.
        checks: all checks, in the order in which they were made.
        distributions: lengths of texts and sizes of images.
        image_kinds: number of images by format.
        encodings: number of texts by character set.
        scripts: share of all letters by script.
        notes: how the source was read.
    """

    TABLES: ClassVar = {"checks": _outcomes, "pairs": _listed, "distributions": records("distributions")}

    source: str
    pairs: int
    usable: int
    to_predict: int
    labels: tuple[str, ...]
    counts: dict[str, int]
    can_train: bool
    checks: tuple[CheckOutcome, ...]
    distributions: tuple[Distribution, ...]
    image_kinds: dict[str, int]
    encodings: dict[str, int]
    scripts: dict[str, float]
    rows: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[CheckOutcome, ...]:
        """The checks that found an error."""
        return tuple(one for one in self.checks if one.level == ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A candidate for the encoding. `score` is the log-probability per non-ASCII byte, in nats. Higher is better.

    `failures` is the number of files with bytes that are invalid in the encoding.
    """

    encoding: str
    score: float
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A part of a text, decoded as Latin-1 (`before`) and by mmsent (`after`).

    `detector` is the encoding that a detector finds in this file alone.
    """

    name: str
    before: str
    after: str
    detector: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileException:
    """A file in another encoding than the corpus. `encoding` is None if it has undecodable bytes."""

    name: str
    encoding: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingResult(Tabular):
    """The result of `inspect-encoding`. If `decided` is False, `encoding` is the best guess.

    `candidates` were compared on the files that are not UTF-8, or on all files if all are UTF-8. `margin` is the
    natural log-probability of the texts in this encoding, minus the log-probability in the next candidate that decodes
    the texts differently.
    `exceptions` are files in another encoding. `undecodable` is the number of files with undecodable bytes. A detector
    that reads one file at a time decodes `detector_disagrees` of `detector_checked` files differently.
    """

    TABLES: ClassVar = {"candidates": records("candidates"), "exceptions": records("exceptions")}

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
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """An empty tuple, since this result has no classes."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The result of `split`: the sizes and the class counts of the parts, and the near-duplicates.

    With folds, `train`, `val`, the counts and the leaks describe fold 1.

    Attributes:
        groups: number of groups of near-duplicates.
        grouped_pairs: number of pairs in these groups.
        conflicting_groups: number of groups with different labels.
        leaks: number of validation pairs with a near-duplicate in training.
        leaks_without_groups: the number of leaks that a plain stratified split would have; None if there are too few
            pairs.
        fold_counts: for each fold, the number of validation pairs of each class; empty without folds.
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
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFeatures:
    """A feature set on disk.

    Attributes:
        feature_set: name of its folder.
        encoder: name of the encoder.
        stages: the computed stages of the encoder, such as "3 of 8".
        entries: number of stored features.
        bytes: size in bytes.
        used: date and time of its newest file.
    """

    feature_set: str
    encoder: str
    stages: str
    entries: int
    bytes: int
    used: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreResult:
    """The content of the caches. If the caches were cleared, this is the content that was deleted.

    `foreign` lists folders and files in the caches that mmsent did not create. They are never deleted.
    """

    folder: str
    feature_sets: tuple[StoredFeatures, ...]
    bytes: int
    compiled_models_bytes: int = 0
    weights_bytes: int = 0
    foreign: tuple[str, ...] = ()
    cleared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run folder.

    Attributes:
        name: name of the folder.
        when: date and time of the run.
        command: train, tune, evaluate, …
        is_finished: True if the run has a result.
        data: the folder or table, as the user gave it.
        split: digest of the split, or of all folds; empty without a split.
        split_words: the split in words, such as "5 folds, seed 42".
        model: encoders and fusion; empty for an evaluation.
        seed: seed of the training; None if nothing was trained.
        accuracy, macro_f1: metrics of the best epoch, or out of fold; None for a run without metrics.
        accuracy_interval, macro_f1_interval: 95 % intervals over pairs.
        rank: rank by accuracy among the trainings with the same data and split; None if there is no other training
            of this kind.
        ranked: number of these trainings; 0 if `rank` is None.
        minutes: duration; None for an unfinished run.
        megabytes: size of the folder.
    """

    name: str
    when: str
    command: str
    is_finished: bool
    data: str
    split: str
    model: str
    seed: int | None
    accuracy: float | None
    accuracy_interval: Interval | None
    macro_f1: float | None
    macro_f1_interval: Interval | None
    rank: int | None
    ranked: int
    minutes: float | None
    megabytes: float
    split_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsResult(Tabular):
    """All runs in a folder."""

    TABLES: ClassVar = {"runs": records("runs")}

    folder: str
    runs: tuple[RunRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """The result of `export`: a model in a folder that predicts without mmsent.

    Attributes:
        checkpoint: the exported model.
        out: the folder.
        format: `onnx` or `openvino`.
        files: size in bytes of each file.
        checked_pairs: number of pairs that the exported script and mmsent both predicted; 0 if nothing was compared.
        largest_difference: largest difference between their probabilities on these pairs.
        changed_labels: number of these pairs with different predicted classes.
        seconds: the duration in seconds.
        notes: remarks.
    """

    checkpoint: str
    out: str
    format: str
    files: dict[str, int]
    checked_pairs: int
    largest_difference: float
    changed_labels: int
    seconds: float
    notes: tuple[str, ...] = ()
