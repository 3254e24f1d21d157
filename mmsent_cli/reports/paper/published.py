"""The figures of a published work, for a page that sets ours beside them. Shares of 0 to 1."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmsent_cli.results import AblateResult, CompareResult, TrainResult, TuneResult


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
    """A published work's best-epoch figures.

    Attributes:
        name: of the work, as in `source system A`.
        set_up: its encoders and training, in a few words.
        val_pairs: on which its figures were measured.
        tune: steps in order.
        train: accuracy of the trained model.
        ablation: accuracy by view (both, text, image), the other feature set to zero.
        fusions, augmentation: rows in the order published.
        repeated: accuracies published for one and the same setting, which tell how far runs differ by chance alone.
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
class PaperResults:
    """Our results of the same experiments."""

    tune: TuneResult
    train: TrainResult
    ablate: AblateResult
    fusions: CompareResult
    augmentation: CompareResult
