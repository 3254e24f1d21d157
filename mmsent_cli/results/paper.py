"""What `paper` returns: a published work's scores and our results of the same experiments. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmsent_cli.results.experiments import AblateResult, CompareResult, TuneResult
from mmsent_cli.results.training import TrainResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTrial:
    """A published tuning step: what it set, in words, and its best accuracy (None where none was given).

    `trial` is the number of our trial that does the same, None where there is none.
    """

    name: str
    accuracy: float | None
    trial: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedArm:
    """A published row of a comparison. `name` is that of our arm."""

    name: str
    accuracy: float
    epoch: int | None = None
    train_loss: float | None = None
    val_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published work's best-epoch scores, shares of 0 to 1.

    Attributes:
        name: of the work, as in a sentence.
        set_up: its encoders and training, in a few words.
        val_pairs: validation pairs that its scores were measured on.
        tune: steps in order.
        train: accuracy of the trained model.
        ablation: accuracy by view (both, text, image), the other feature set to zero.
        fusions, augmentation: rows in the order published.
        repeated: accuracies published for one and the same setting, which show how far runs differ by chance alone.
    """

    name: str
    set_up: str
    val_pairs: int
    tune: tuple[PublishedTrial, ...]
    train: float
    ablation: Mapping[str, float]
    fusions: tuple[PublishedArm, ...]
    augmentation: tuple[PublishedArm, ...]
    repeated: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperResult:
    """Our results of a published work's experiments, and its own scores."""

    tune: TuneResult
    train: TrainResult
    ablate: AblateResult
    fusions: CompareResult
    augmentation: CompareResult
    published: Published

    @property
    def steps(self) -> dict[str, TuneResult | TrainResult | AblateResult | CompareResult]:
        """The experiments' results in the order in which they ran, by the name of their field."""
        return {
            "tune": self.tune,
            "train": self.train,
            "ablate": self.ablate,
            "fusions": self.fusions,
            "augmentation": self.augmentation,
        }
