"""What each experiment may be told beside the settings of a training run. Standard library only, as in `config`."""

from dataclasses import dataclass
from typing import Literal

from mmsent_cli.config import AUGMENTATION_ALIASES, option, raise_if


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """Settings of `compare-fusions`."""

    fusions: tuple[str, ...] = option(
        ("sources",), "Fusions to compare, comma-separated; sources: the seven of the source systems; all: every one"
    )
    baseline: str = option("concat", "Fusion that the others are compared with")
    seeds: int = option(3, "Models an arm: seeds --seed, --seed + 1, …")

    def __post_init__(self) -> None:
        raise_if((self.seeds < 1, "seeds must be at least 1"), (not self.fusions, "fusions names none"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """Settings of `augment-compare`."""

    policies: tuple[str, ...] = option(
        ("standard",),
        "Augmentations to compare with none, comma-separated: standard, flip, geometry, color, strong",
        aliases=AUGMENTATION_ALIASES,
    )
    seeds: int = option(3, "Models an arm: seeds --seed, --seed + 1, …")

    def __post_init__(self) -> None:
        raise_if((self.seeds < 1, "seeds must be at least 1"), (not self.policies, "policies names none"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateSettings:
    """Settings of `ablate`."""

    retrain: bool = option(False, "Train a text-only and an image-only model as well: the fair comparison")
    emap_pairs: int = option(1000, "EMAP pairs every text with every image of this many validation pairs")

    def __post_init__(self) -> None:
        raise_if((self.emap_pairs < 2, "emap_pairs must be at least 2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings:
    """Settings of `tune`."""

    strategy: Literal["sequence", "grid", "tpe"] = option(
        "sequence", "sequence: rates at weight decay 1e-4, then decays at the best rate; grid and tpe search --space"
    )
    rates: tuple[float, ...] = option(
        (0.2, 0.4, 0.6, 1.0), "Learning rates of the sequence, as factors of the encoders' own (system A's four)"
    )
    decays: tuple[float, ...] = option(
        (1e-4, 3e-4, 5e-4), "Weight decays of the sequence; the first goes with the rates"
    )
    space: tuple[str, ...] = option(
        (),
        "Search space of grid and tpe: NAME=A|B|C or NAME=LOW:HIGH, or NAME=LOW:HIGH:log, comma-separated",
        shown="none",
    )
    trials: int = option(20, "Trials of tpe")
    pruning: bool = option(False, "Stop a trial of grid or tpe that is worse than most others were at its epoch")
    seeds: int = option(1, "Models a trial, averaged: seeds --seed, --seed + 1, …")
    storage: str | None = option(
        None, "Database URL for the trials; several processes may share one", shown="SQLite in the run's folder"
    )
    study: str = option("mmsent", "Name of the study in the database")

    def __post_init__(self) -> None:
        raise_if(
            (self.seeds < 1, "seeds must be at least 1"),
            (self.trials < 1, "trials must be at least 1"),
            (not self.study, "study needs a name"),
            (not self.rates or min(self.rates) <= 0, "rates must be positive"),
            (not self.decays or min(self.decays) < 0, "decays must not be negative"),
            (self.strategy != "sequence" and not self.space, f"--strategy {self.strategy} needs a --space"),
            (self.strategy == "sequence" and bool(self.space), "--space goes with --strategy grid or tpe"),
            (self.strategy == "sequence" and self.pruning, "--pruning goes with --strategy grid or tpe"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """Settings of `paper`."""

    seeds: int = option(3, "Models an arm of the comparisons: seeds --seed, --seed + 1, …")

    def __post_init__(self) -> None:
        raise_if((self.seeds < 1, "seeds must be at least 1"))
