"""The result of `paper`: published scores, and our results for the same experiments. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmsent_cli.results.experiments import AblateResult, CompareResult, TuneResult
from mmsent_cli.results.training import TrainResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTrial:
    """A published tuning step: its setting in words, and its best accuracy, or None if it was not published.

    `trial` is the number of our trial with the same setting, or None.
    """

    name: str
    accuracy: float | None
    trial: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedArm:
    """A published row of a comparison. `name` is the name of our arm."""

    name: str
    accuracy: float
    epoch: int | None = None
    train_loss: float | None = None
    val_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The published scores of the best epochs, as shares from 0 to 1.

    Attributes:
        name: name of the published work, for use in a sentence.
        source: where it is published.
        set_up: its encoders and training, in a few words.
        val_pairs: number of its validation pairs.
        tune: tuning steps in order.
        train: accuracy of the trained model.
        ablation: accuracy by input (both, text, image), with the other feature set to zero.
        fusions, augmentation: rows of the comparisons in the published order.
        repeated: accuracies of the same setting in several runs. They show how much chance alone changes.
    """

    name: str
    source: str
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
    """Our results of the published experiments, and the published scores."""

    tune: TuneResult
    train: TrainResult
    ablate: AblateResult
    fusions: CompareResult
    augmentation: CompareResult
    published: Published

    @property
    def steps(self) -> dict[str, TuneResult | TrainResult | AblateResult | CompareResult]:
        """The results of the experiments in order, by the name of their field."""
        return {
            "tune": self.tune,
            "train": self.train,
            "ablate": self.ablate,
            "fusions": self.fusions,
            "augmentation": self.augmentation,
        }
