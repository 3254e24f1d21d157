"""The results of `inspect-encoding`, `split` and `cache`."""

from dataclasses import dataclass
from typing import ClassVar

from mmsent_cli.results.frames import Tabular, records


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
    """A file that is not in the encoding of the corpus: its encoding, or None if it has undecodable bytes."""

    name: str
    encoding: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingResult(Tabular):
    """The result of `inspect-encoding`. If `decided` is False, `encoding` is the best guess.

    `candidates` were compared on the files that are not UTF-8, or on all files if every file is UTF-8. `margin` is the
    log-probability (natural) of this encoding minus that of the next candidate that decodes the texts differently.
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
        """No classes: texts are decoded without their labels."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The result of `split`: sizes and class counts, and near-duplicates.

    With folds, sizes and leaks are those of fold 1.

    Attributes:
        groups: number of groups of near-duplicates.
        grouped_pairs: number of pairs in these groups.
        conflicting_groups: number of groups with several tags.
        leaks: number of validation pairs with a near-duplicate in training.
        leaks_without_groups: the same number for a plain stratified split; None if there are too few pairs.
        fold_counts: with folds, the validation counts of each fold.
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
        encoder: whose features it has.
        stages: how many of the encoder's stages are computed, such as "3 of 8".
        entries: number of stored features.
        bytes: size.
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
    """The content of the caches. If they were cleared, the content before that.

    `foreign` are folders in the cache that mmsent did not make. They are never deleted.
    """

    folder: str
    feature_sets: tuple[StoredFeatures, ...]
    bytes: int
    compiled_models_bytes: int = 0
    weights_bytes: int = 0
    foreign: tuple[str, ...] = ()
    cleared: bool = False
