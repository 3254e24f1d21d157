"""What a prediction returns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One predicted pair. `missing` names the modality it lacked: text, image, or nothing (empty)."""

    guid: str
    tag: str
    probabilities: dict[str, float]
    missing: str = ""

    @property
    def label(self) -> str:
        """The predicted class; `tag` is its name in files."""
        return self.tag


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """A finished prediction. `missing_text` and `missing_image` count pairs predicted from one modality alone."""

    checkpoint: str
    out: str | None
    pairs: int
    counts: dict[str, int]
    missing_text: int
    missing_image: int
    replaced_characters: int
    seconds: float
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None
