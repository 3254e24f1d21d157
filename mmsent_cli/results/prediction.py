"""The results of a prediction."""

from dataclasses import dataclass

from mmsent_cli.results.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prediction:
    """A predicted pair. `missing` is the modality that it lacks: text, image, or an empty string.

    Example:
        >>> Prediction(guid="-", tag="positive", probabilities={"negative": 0.25, "positive": 0.75})
        Prediction(label='positive', probabilities={'negative': 0.25, 'positive': 0.75}, missing='')
    """

    guid: str
    tag: str
    probabilities: dict[str, float]
    missing: str = ""

    @property
    def label(self) -> str:
        """The predicted class. It is called `tag` in files."""
        return self.tag

    def __repr__(self) -> str:
        shares = {label: round(share, 4) for label, share in self.probabilities.items()}
        guid = "" if self.guid == "-" else f"guid={self.guid!r}, "
        return f"Prediction({guid}label={self.label!r}, probabilities={shares}, missing={self.missing!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusablePair:
    """A row with a text or an image that cannot be used.

    `row` is its place in the input, and `outcome` what became of the pair: `dropped`, or `blanked` (predicted from the
    other modality alone).
    """

    guid: str
    row: str
    reason: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedBy:
    """What made a prediction: name of the run, BLAKE2b digest of the checkpoint file, version of mmsent."""

    run: str
    checkpoint_digest: str
    mmsent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """The result of `predict`. `missing_text` and `missing_image` are the numbers of pairs without text or image.

    `dropped` and `blanked` count the pairs with unusable files, which `--on-bad` left out or predicted from the other
    modality alone; `unusable` lists them.

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
    model: PredictedBy | None = None
    dropped: int = 0
    blanked: int = 0
    unusable: tuple[UnusablePair, ...] = ()
    abstained: int = 0
    threshold: float | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None
