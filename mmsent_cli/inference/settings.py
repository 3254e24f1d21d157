"""Settings of commands that use a trained model. Standard library only, as `config`."""

from dataclasses import dataclass
from typing import Literal

from mmsent_cli.config import option, raise_if

CHUNK_ROWS = 256
"""Number of pairs that a CPU predicts together. A GPU predicts 16 times as many."""
PART_ROWS = 16 * CHUNK_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainSettings:
    """How predictions are explained."""

    method: Literal["occlusion", "gradients"] = option(
        "occlusion",
        "occlusion = leave out each word, cover each image region, and measure the change in probability."
        " gradients = integrated gradients (arXiv 1703.01365), not for ensembles",
    )
    grid: int = option(7, "The image is divided into this many rows and columns of regions")
    label: str | None = option(None, "Class to explain", shown="the predicted class of each pair")
    pairs: int = option(20, "Explain at most this many pairs of --data")

    def __post_init__(self) -> None:
        raise_if(
            self,
            (not 1 <= self.grid <= 32, "grid must lie between 1 and 32"),
            (self.pairs < 1, "pairs must be at least 1"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """In which form a model is written, and how it is checked."""

    to: Literal["onnx", "openvino"] = option("onnx", "Format of the exported model")
    check_pairs: int = option(
        100,
        "The exported script and mmsent are compared on this many pairs of --data, or else of the model's run",
    )

    def __post_init__(self) -> None:
        raise_if(self, (self.check_pairs < 0, "check_pairs must not be negative"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictSettings:
    """Settings of `predict`."""

    abstain_below: float | None = option(
        None, "Leave a label empty if its probability is below this value, 0 to 1", shown="none"
    )
    abstain_for_accuracy: float | None = option(
        None,
        "Leave the least certain labels empty, so that the remaining labels reach this accuracy, 0 to 1. The"
        " threshold is chosen on the out-of-fold or validation predictions of the model's run",
        shown="none",
    )
    keep: tuple[str, ...] = option((), "Columns of the input to copy to the output, comma-separated", shown="none")
    shard: str | None = option(
        None,
        "Predict part I of N of the rows, written I/N, such as 1/8. The N outputs together contain each row exactly"
        " once",
        shown="all rows",
    )
    ray_address: str | None = option(
        None, "Address of the Ray cluster of --engine ray", shown="$RAY_ADDRESS, else this machine"
    )
    ray_workers: int = option(0, "Processes that predict with --engine ray. 0 = one per GPU, or one per two CPU cores")
    part_rows: int = option(PART_ROWS, f"Rows in a part of the input, a multiple of {CHUNK_ROWS} (--engine ray only)")

    def __post_init__(self) -> None:
        given = [self.abstain_below, self.abstain_for_accuracy]
        raise_if(
            self,
            (self.ray_workers < 0, "ray_workers must not be negative"),
            (
                self.part_rows < 1 or self.part_rows % CHUNK_ROWS != 0,
                f"part_rows must be a multiple of {CHUNK_ROWS} (a batch), to keep the probabilities the same",
            ),
            (
                None not in given,
                "--abstain-below and --abstain-for-accuracy both set a threshold; leave out one",
            ),
            *(
                (value is not None and not 0 <= value <= 1, f"{name} must lie in [0, 1]")
                for name, value in zip(("abstain_below", "abstain_for_accuracy"), given, strict=True)
            ),
        )
