"""The settings that each experiment has in addition to those of a training run. Imports the standard library only."""

from dataclasses import dataclass
from typing import Literal

from mmsent_cli.config import AUGMENTATION_ALIASES, option, raise_if


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """Settings of `compare-fusions`."""

    fusions: tuple[str, ...] = option(
        ("sources",),
        "Fusions to compare, comma-separated. 'sources' = the seven fusions of a published student project;"
        " 'all' = every fusion",
    )
    baseline: str = option("concat", "Fusion with which all other fusions are compared")
    seeds: int = option(3, "Models per fusion, each with another seed. The first seed is --seed, the next --seed + 1")

    def __post_init__(self) -> None:
        raise_if(
            self, (self.seeds < 1, "seeds must be at least 1"), (not self.fusions, "fusions must name at least one")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """Settings of `augment-compare`."""

    policies: tuple[str, ...] = option(
        ("standard",),
        "Augmentations, comma-separated, each compared with no augmentation: standard, flip, geometry, color, strong",
        aliases=AUGMENTATION_ALIASES,
    )
    seeds: int = option(
        3, "Models per augmentation, each with another seed. The first seed is --seed, the next --seed + 1"
    )

    def __post_init__(self) -> None:
        raise_if(
            self, (self.seeds < 1, "seeds must be at least 1"), (not self.policies, "policies must name at least one")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateSettings:
    """Settings of `ablate`."""

    retrain: bool = option(
        False,
        "Also train text-only and image-only models, which is fairer than removing an input. For an ensemble, two"
        " more ensembles are trained on the same folds: text-only with the text probes, image-only with the image"
        " probes",
    )
    emap_pairs: int = option(
        1000,
        "Number of pairs for EMAP, which combines every text with every image; with folds, only inside a fold",
    )

    def __post_init__(self) -> None:
        raise_if(self, (self.emap_pairs < 2, "emap_pairs must be at least 2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings:
    """Settings of `tune`."""

    strategy: Literal["sequence", "grid", "tpe"] = option(
        "sequence",
        "sequence = try learning rates, then weight decays at the best learning rate. grid = try every combination"
        " of --space. tpe = sample --space (Bayesian optimization)",
    )
    rates: tuple[float, ...] = option(
        (0.2, 0.4, 0.6, 1.0), "For --strategy sequence: learning rates to try, as multiples of the default ones"
    )
    decays: tuple[float, ...] = option(
        (1e-4, 3e-4, 5e-4),
        "For --strategy sequence: weight decays to try. The first one is used while learning rates are tried",
    )
    space: tuple[str, ...] = option(
        (),
        "Search space for --strategy grid and tpe, comma-separated: NAME=A|B|C, NAME=LOW:HIGH or NAME=LOW:HIGH:log",
        shown="none",
    )
    trials: int = option(20, "For --strategy tpe: number of trials")
    pruning: bool = option(
        False,
        "For --strategy grid and tpe: stop a trial that is worse than the median of earlier trials at the same epoch",
    )
    seeds: int = option(
        1,
        "Models per trial, each with another seed. Their scores are averaged. The first seed is --seed, the next"
        " --seed + 1",
    )
    storage: str | None = option(
        None,
        "URL of a database for the trials. Several processes can share it",
        shown="SQLite file in the run folder",
    )
    study: str = option("mmsent", "Name of the study in the database")

    def __post_init__(self) -> None:
        raise_if(
            self,
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

    tune_epochs: int | None = option(None, "Epochs of each tuning trial", shown="--epochs if given, else 5")
    seeds: int = option(3, "Models per setting, each with another seed. The first seed is --seed, the next --seed + 1")

    def __post_init__(self) -> None:
        raise_if(
            self,
            (self.seeds < 1, "seeds must be at least 1"),
            (self.tune_epochs is not None and self.tune_epochs < 1, "tune_epochs must be at least 1"),
        )
