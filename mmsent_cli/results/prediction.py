"""The results of a prediction."""

from dataclasses import dataclass

from mmsent_cli.results.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A predicted pair. `missing` is the modality that it lacks: text, image, or an empty string."""

    guid: str
    tag: str
    probabilities: dict[str, float]
    missing: str = ""

    @property
    def label(self) -> str:
        """The predicted class. It is called `tag` in files."""
        return self.tag


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """The result of `predict`. `missing_text` and `missing_image` are the numbers of pairs without text or image.

    `abstained` counts the pairs whose probability is below `threshold`. Their label is left empty, and they are not in
    `counts`.
    `findings` say that nearly all predictions are of one class, or that the model has learned too little in training.
    """

    checkpoint: str
    out: str | None
    pairs: int
    counts: dict[str, int]
    missing_text: int
    missing_image: int
    replaced_characters: int
    seconds: float
    abstained: int = 0
    threshold: float | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None
