"""What an explanation returns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WordScore:
    """One word of the text, and how much it adds to the probability of the explained class (-1 to 1)."""

    word: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityShares:
    """The parts of the probability of the explained class (Shapley values over the modalities).

    `nothing` is the probability without text and image; `nothing + text + image` is the probability with both.
    """

    nothing: float
    text: float
    image: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberVote:
    """The prediction of one member of an ensemble."""

    member: str
    label: str
    probabilities: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one pair got its probabilities.

    Attributes:
        guid: name of the pair.
        text: the text; empty if the pair has none.
        label: the explained class. By default, this is the predicted class.
        predicted: the predicted class.
        probabilities: the probability of each class.
        missing: the modality that the pair lacks: text, image, or nothing (empty).
        shares: contribution of each modality.
        words: score of each word, in the order of the text.
        regions: score of each cell of a grid over the image, row by row from the top; empty without an image.
        members: prediction of each ensemble member; empty for a single model.
    """

    guid: str
    text: str
    label: str
    predicted: str
    probabilities: dict[str, float]
    missing: str
    shares: ModalityShares
    words: tuple[WordScore, ...]
    regions: tuple[tuple[float, ...], ...]
    members: tuple[MemberVote, ...] = ()

    def top_words(self, count: int) -> list[WordScore]:
        """Return the words with the largest scores for or against the class, the largest first."""
        return sorted(self.words, key=lambda word: -abs(word.score))[:count]

    def top_region(self) -> tuple[int, int] | None:
        """Return row and column of the cell with the largest score, counted from 0; None without an image."""
        cells = {(row, column): score for row, line in enumerate(self.regions) for column, score in enumerate(line)}
        return max(cells, key=lambda place: cells[place]) if cells else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """Explanations of some pairs by one checkpoint."""

    checkpoint: str
    method: str
    explanations: tuple[Explanation, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names in order."""
        return tuple(self.explanations[0].probabilities) if self.explanations else ()
