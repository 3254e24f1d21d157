"""Settings of each experiment, in addition to those of a training run. Standard library only, as in `config`."""

from dataclasses import dataclass
from typing import Literal

from mmsent_cli.config import AUGMENTATION_ALIASES, option, raise_if


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """Settings of `compare-fusions`."""

    fusions: tuple[str, ...] = option(
        ("sources",),
        "Fusions to compare, comma-separated; sources: the seven of the published"
        " BERT + ResNet18 setup; all: every fusion",
    )
    baseline: str = option("concat", "Fusion that the others are compared with")
    seeds: int = option(3, "Models per fusion: seeds --seed, --seed + 1, …")

    def __post_init__(self) -> None:
        raise_if((self.seeds < 1, "seeds must be at least 1"), (not self.fusions, "fusions must name at least one"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """Settings of `augment-compare`."""

    policies: tuple[str, ...] = option(
        ("standard",),
        "Augmentations to compare with none, comma-separated: standard, flip, geometry, color, strong",
        aliases=AUGMENTATION_ALIASES,
    )
    seeds: int = option(3, "Models per augmentation: seeds --seed, --seed + 1, …")

    def __post_init__(self) -> None:
        raise_if((self.seeds < 1, "seeds must be at least 1"), (not self.policies, "policies must name at least one"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateSettings:
    """Settings of `ablate`."""

    retrain: bool = option(False, "Also train a text-only and an image-only model, the fair comparison")
    emap_pairs: int = option(1000, "Validation pairs used for EMAP, which combines each text with each image")

    def __post_init__(self) -> None:
        raise_if((self.emap_pairs < 2, "emap_pairs must be at least 2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings:
    """Settings of `tune`."""

    strategy: Literal["sequence", "grid", "tpe"] = option(
        "sequence",
        "sequence tries learning rates, then weight decays at the best learning rate; grid and tpe search --space",
    )
    rates: tuple[float, ...] = option(
        (0.2, 0.4, 0.6, 1.0), "Learning rates that sequence tries, as multiples of the defaults"
    )
    decays: tuple[float, ...] = option(
        (1e-4, 3e-4, 5e-4), "Weight decays that sequence tries; the learning rates are tried with the first"
    )
    space: tuple[str, ...] = option(
        (),
        "Search space of grid and tpe: NAME=A|B|C or NAME=LOW:HIGH, or NAME=LOW:HIGH:log, comma-separated",
        shown="none",
    )
    trials: int = option(20, "Number of trials with tpe")
    pruning: bool = option(
        False, "Stop a trial (grid, tpe) that is worse than the median of earlier trials at the same epoch"
    )
    seeds: int = option(1, "Models per trial, whose scores are averaged: seeds --seed, --seed + 1, …")
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
            (self.strategy == "sequence" and bool(self.space), "--space needs --strategy grid or tpe"),
            (self.strategy == "sequence" and self.pruning, "--pruning needs --strategy grid or tpe"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """Settings of `paper`."""

    seeds: int = option(3, "Models per compared setting: seeds --seed, --seed + 1, …")

    def __post_init__(self) -> None:
        raise_if((self.seeds < 1, "seeds must be at least 1"))
