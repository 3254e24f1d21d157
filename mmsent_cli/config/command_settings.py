"""Settings of single commands, in addition to the settings of a training."""

from dataclasses import dataclass
from typing import Literal

from mmsent_cli.config import AUGMENTATION_ALIASES, option, raise_if


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """Settings of `evaluate`."""

    by: tuple[str, ...] = option(
        (),
        "Names of table columns, comma-separated. The scores are also shown for each value in these columns",
        shown="none",
    )


LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Settings of `serve`: the address and the limits of the server."""

    host: str = option("127.0.0.1", "Network address of the server. With 0.0.0.0, other machines can connect too")
    port: int = option(8000, "Port number of the server. 0 = any free port")
    token: str | None = option(
        None,
        "Secret that each request must contain, in the header Authorization: Bearer TOKEN",
        shown="$MMSENT_TOKEN. If it is not set, 127.0.0.1 needs no token; for other addresses, a random token is made"
        " and printed",
    )
    batch: int = option(16, "Maximum number of pairs in a batch. A batch may contain pairs of several clients")
    queue: int = option(
        256,
        "Maximum number of pairs that wait for their prediction. A request that would exceed this number is refused"
        " with the HTTP status 429",
    )
    max_pairs: int = option(64, "Maximum number of pairs in a request")
    max_text: int = option(20_000, "Maximum number of characters in a text")
    max_megabytes: float = option(20.0, "Maximum size of a request in MB")
    max_megapixels: float = option(40.0, "Maximum size of an image in million pixels")
    timeout: float = option(
        60.0, "Maximum time for an answer, in seconds. After this time, the request gets the HTTP status 503"
    )

    def __post_init__(self) -> None:
        counts = ("batch", "queue", "max_pairs", "max_text")
        raise_if(
            self,
            (not 0 <= self.port <= 65535, "port must lie between 0 and 65535"),
            *((getattr(self, name) < 1, f"{name} must be at least 1") for name in counts),
            *((getattr(self, name) <= 0, f"{name} must be positive") for name in LIMITS),
            (self.max_pairs > self.queue, "queue must not be smaller than --max-pairs"),
            (self.token is not None and not self.token.isascii(), "token must consist of ASCII characters"),
        )


LIMITS = ("max_megabytes", "max_megapixels", "timeout")


CHUNK_ROWS = 256
"""Number of pairs that are predicted together on a CPU. On a GPU, 16 times as many pairs are predicted together."""
PART_ROWS = 16 * CHUNK_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainSettings:
    """Settings of `explain`."""

    method: Literal["occlusion", "gradients"] = option(
        "occlusion",
        "Method of explanation. occlusion = leave out each word, cover each image region, and measure how much the"
        " probability changes. gradients = integrated gradients (arXiv 1703.01365); not for ensembles",
    )
    grid: int = option(7, "Number of rows, and of columns, of the grid that divides the image into regions")
    label: str | None = option(None, "Class whose probability is explained", shown="the predicted class of each pair")
    pairs: int = option(20, "Maximum number of pairs of --data to explain")

    def __post_init__(self) -> None:
        raise_if(
            self,
            (not 1 <= self.grid <= 32, "grid must lie between 1 and 32"),
            (self.pairs < 1, "pairs must be at least 1"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """Settings of `export`: the format of the exported model, and how many pairs it is checked on."""

    to: Literal["onnx", "openvino"] = option("onnx", "Format of the exported model")
    check_pairs: int = option(
        100,
        "Number of pairs on which the exported script is compared with mmsent. They are taken from --data, or else"
        " from the model's run",
    )

    def __post_init__(self) -> None:
        raise_if(self, (self.check_pairs < 0, "check_pairs must not be negative"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictSettings:
    """Settings of `predict`."""

    abstain_below: float | None = option(
        None, "Write an empty label if the probability of the predicted class is below this value, 0 to 1", shown="none"
    )
    abstain_for_accuracy: float | None = option(
        None,
        "Write an empty label for the least certain predictions, so that the other labels reach this accuracy, 0 to 1."
        " The threshold (see --abstain-below) is chosen on the out-of-fold or validation predictions of the model's"
        " run",
        shown="none",
    )
    keep: tuple[str, ...] = option(
        (), "Names of input columns that are copied to the output, comma-separated", shown="none"
    )
    shard: str | None = option(
        None,
        "Predict only one part of the rows. I/N = part I of N parts, such as 1/8. The outputs of all N parts together"
        " contain each row once",
        shown="all rows",
    )
    ray_address: str | None = option(
        None, "For --engine ray: address of the Ray cluster", shown="$RAY_ADDRESS, else this machine"
    )
    ray_workers: int = option(0, "For --engine ray: number of processes. 0 = one per GPU, or one per two CPU cores")
    part_rows: int = option(
        PART_ROWS, f"For --engine ray: number of rows per part of the input, a multiple of {CHUNK_ROWS}"
    )

    def __post_init__(self) -> None:
        given = [self.abstain_below, self.abstain_for_accuracy]
        raise_if(
            self,
            (self.ray_workers < 0, "ray_workers must not be negative"),
            (
                self.part_rows < 1 or self.part_rows % CHUNK_ROWS != 0,
                f"part_rows must be a multiple of {CHUNK_ROWS}; other values would change the probabilities slightly",
            ),
            (
                None not in given,
                "--abstain-below and --abstain-for-accuracy both set the threshold; leave out one of the two options",
            ),
            *(
                (value is not None and not 0 <= value <= 1, f"{name} must lie between 0 and 1")
                for name, value in zip(("abstain_below", "abstain_for_accuracy"), given, strict=True)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """Settings of `compare-fusions`."""

    fusions: tuple[str, ...] = option(
        ("sources",),
        "Names of the fusions to compare, comma-separated. sources = the seven fusions of a published student project."
        " all = every fusion",
    )
    baseline: str = option("concat", "Name of the fusion that all other fusions are compared with")
    seeds: int = option(
        3, "Number of models per fusion, each with another seed. The first seed is --seed, the next one --seed + 1"
    )

    def __post_init__(self) -> None:
        raise_if(
            self,
            (self.seeds < 1, "seeds must be at least 1"),
            (not self.fusions, "--fusions must name at least one fusion"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """Settings of `augment-compare`."""

    policies: tuple[str, ...] = option(
        ("standard",),
        "Augmentations to test, comma-separated: standard, flip, geometry, color, strong. Each is compared with a"
        " training without augmentation",
        aliases=AUGMENTATION_ALIASES,
    )
    seeds: int = option(
        3,
        "Number of models per augmentation, each with another seed. The first seed is --seed, the next one --seed + 1",
    )

    def __post_init__(self) -> None:
        raise_if(
            self,
            (self.seeds < 1, "seeds must be at least 1"),
            (not self.policies, "--policies must name at least one augmentation"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AblateSettings:
    """Settings of `ablate`."""

    retrain: bool = option(
        False,
        "Also train text-only and image-only models. This comparison is fairer than removing an input of a trained"
        " model. For an ensemble, two ensembles are trained on the same folds: one of text-only models and text"
        " probes, one of image-only models and image probes",
    )
    emap_pairs: int = option(
        1000,
        "Maximum number of pairs for EMAP (empirical multimodally-additive projection). EMAP measures how accurate the"
        " model is without the interaction of text and image. It predicts every combination of a text and an image. For"
        " an ensemble, text and image must be from the same fold",
    )

    def __post_init__(self) -> None:
        raise_if(self, (self.emap_pairs < 2, "emap_pairs must be at least 2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings:
    """Settings of `tune`."""

    strategy: Literal["sequence", "grid", "tpe"] = option(
        "sequence",
        "Search strategy. sequence = try learning rates, then weight decays with the best learning rate. grid = try"
        " every combination of the values in --space. tpe = choose values in --space by Bayesian optimization (TPE)",
    )
    rates: tuple[float, ...] = option(
        (0.2, 0.4, 0.6, 1.0),
        "For --strategy sequence: learning rates to try, as multiples of the default learning rates",
    )
    decays: tuple[float, ...] = option(
        (1e-4, 3e-4, 5e-4),
        "For --strategy sequence: weight decays to try. The first weight decay is used while learning rates are tried",
    )
    space: tuple[str, ...] = option(
        (),
        "For --strategy grid and tpe: the settings to search, comma-separated: NAME=A|B|C, NAME=LOW:HIGH or"
        " NAME=LOW:HIGH:log, such as 'head-lr=1e-4:1e-2:log,batch-size=16|32'",
        shown="none",
    )
    trials: int = option(20, "For --strategy tpe: number of trials")
    pruning: bool = option(
        False,
        "For --strategy grid and tpe: stop a trial that is worse than the median of earlier trials at the same epoch",
    )
    seeds: int = option(
        1,
        "Number of models per trial, each with another seed. Their scores are averaged. The first seed is --seed, the"
        " next one --seed + 1",
    )
    storage: str | None = option(
        None,
        "URL of a database that stores the trials. Several processes can share this database",
        shown="an SQLite file in the run folder",
    )
    study: str = option(
        "mmsent",
        "Name of this search in the database of --storage. A database can store several searches under different names",
    )

    def __post_init__(self) -> None:
        raise_if(
            self,
            (self.seeds < 1, "seeds must be at least 1"),
            (self.trials < 1, "trials must be at least 1"),
            (not self.study, "--study must not be empty"),
            (not self.rates or min(self.rates) <= 0, "rates must be positive numbers"),
            (not self.decays or min(self.decays) < 0, "decays must not contain negative numbers"),
            (
                self.strategy != "sequence" and not self.space,
                f"--strategy {self.strategy} needs a search space, such as --space head-lr="
                + ("1e-4|1e-3|1e-2" if self.strategy == "grid" else "1e-4:1e-2:log"),
            ),
            (self.strategy == "sequence" and bool(self.space), "--space needs --strategy grid or tpe"),
            (self.strategy == "sequence" and self.pruning, "--pruning needs --strategy grid or tpe"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """Settings of `paper`."""

    tune_epochs: int | None = option(
        None, "Number of epochs of each tuning trial", shown="the value of --epochs if it is given, else 5"
    )
    seeds: int = option(
        3, "Number of models per setting, each with another seed. The first seed is --seed, the next one --seed + 1"
    )

    def __post_init__(self) -> None:
        raise_if(
            self,
            (self.seeds < 1, "seeds must be at least 1"),
            (self.tune_epochs is not None and self.tune_epochs < 1, "tune_epochs must be at least 1"),
        )
