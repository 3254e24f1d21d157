"""What an export returns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """A model written as a folder that runs without mmsent.

    Attributes:
        checkpoint: the exported model.
        out: the folder.
        format: `onnx` or `openvino`.
        files: size in bytes of each file.
        checked_pairs: number of pairs that the exported script and mmsent both predicted; 0 if nothing was compared.
        largest_difference: largest difference between their probabilities on these pairs.
        changed_labels: number of pairs whose predicted class differs.
        seconds: the duration in seconds.
        notes: remarks.
    """

    checkpoint: str
    out: str
    format: str
    files: dict[str, int]
    checked_pairs: int
    largest_difference: float
    changed_labels: int
    seconds: float
    notes: tuple[str, ...] = ()
