"""What `inspect-encoding`, `split` and `cache` return."""

from dataclasses import dataclass
from typing import ClassVar

from mmsent_cli.results.frames import Tabular, records


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
    """Part of a text before (Latin-1, which never fails) and after decoding, and a per-file detector's answer."""

    name: str
    before: str
    after: str
    detector: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileException:
    """A file that is not in the encoding of the corpus: its encoding, or None where it cannot be decoded strictly."""

    name: str
    encoding: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingResult(Tabular):
    """What `inspect-encoding` found. `encoding` is the best guess even when `decided` is false.

    `candidates` were compared on the files that are not UTF-8, or on all files if there are none. `margin`
    is the lead over the best candidate that decodes any of them differently, in nats over all evidence.
    `exceptions` are files in another encoding; `undecodable` counts those with U+FFFD in their text.
    A per-file detector reads `detector_disagrees` of `detector_checked` files differently.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """What `split` did: sizes and class counts per split, and what grouping caught.

    `groups`, `grouped_pairs`: near-duplicates (two pairs or more); `conflicting_groups`: those with several tags.
    `leaks` counts validation pairs with a near-duplicate in training, `leaks_without_groups` those of a plain
    stratified split of the same size and seed (None: too few pairs for one). With folds, sizes and leaks are those
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
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFeatures:
    """One kind of feature on disk: `stages` reads "3 of 8", `entries` counts pairs or views."""

    feature_set: str
    encoder: str
    stages: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreResult:
    """What the caches hold, or held before they were cleared: stored features, converted models, unpacked weights.

    `foreign` names folders that lie where mmsent's own would, but without its mark; they are never deleted.
    """

    folder: str
    feature_sets: tuple[StoredFeatures, ...]
    bytes: int
    compiled_models_bytes: int = 0
    weights_bytes: int = 0
    foreign: tuple[str, ...] = ()
    cleared: bool = False
