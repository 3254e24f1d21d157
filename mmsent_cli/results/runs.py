"""What `runs` returns."""

from dataclasses import dataclass
from typing import ClassVar

from mmsent_cli.results.frames import Tabular, records
from mmsent_cli.results.training import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run folder.

    Attributes:
        name: name of the folder. `when` is its date and time.
        command: train, tune, evaluate, …
        is_finished: whether it has a result.
        data: the folder or table, as the user wrote it.
        split: digest of the split, or of all folds; empty without one.
        split_words: the split in words, such as "5 folds, seed 42".
        model: encoders and fusion; empty for an evaluation.
        seed: seed of the training; None if nothing was trained.
        accuracy, macro_f1: of the best epoch, or out of fold; None for a run without metrics.
        accuracy_interval, macro_f1_interval: 95 % intervals over pairs.
        rank: place by accuracy among the `ranked` trainings of the same data and split; None if it is alone.
        minutes: how long it took; None while it is unfinished.
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
