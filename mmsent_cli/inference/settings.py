"""Settings of commands that use a trained model. Standard library only, as `config`."""

from dataclasses import dataclass
from typing import Literal

from mmsent_cli.config import option, raise_if


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainSettings:
    """How predictions are explained."""

    method: Literal["occlusion", "gradients"] = option(
        "occlusion",
        "occlusion: leave out each word, cover each image region, and measure the change in probability; works for"
        " every model. gradients: integrated gradients (arXiv 1703.01365), for a single model, not an ensemble",
    )
    grid: int = option(7, "The image is divided into this many rows and columns of regions")
    label: str | None = option(None, "Class to explain", shown="the predicted class of each pair")
    pairs: int = option(20, "Explain at most this many pairs of --data")

    def __post_init__(self) -> None:
        raise_if(
            (not 1 <= self.grid <= 32, f"grid must lie between 1 and 32, not {self.grid}"),
            (self.pairs < 1, "pairs must be at least 1"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """In which form a model is written, and how it is checked."""

    to: Literal["onnx", "openvino"] = option("onnx", "Format of the exported model")
    check_pairs: int = option(
        100, "Pairs on which the exported script and mmsent are compared: of --data, else of the model's own run"
    )

    def __post_init__(self) -> None:
        raise_if((self.check_pairs < 0, "check_pairs must not be negative"))
