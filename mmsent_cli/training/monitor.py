"""The validation metric that selects the best epoch, and what counts as better in it."""

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Score(Protocol):
    """Validation metrics of an epoch: an EpochScore or an EpochResult."""

    @property
    def val_loss(self) -> float: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def macro_f1(self) -> float: ...


S = TypeVar("S", bound=Score)


class Monitor:
    """A validation metric by name.

    Args:
        name: `accuracy` or `macro_f1`, where higher is better; or `loss`, where lower is better.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_loss = name == "loss"

    def value(self, score: Score) -> float:
        """The metric of an epoch; a loss that is no number counts as infinite."""
        if not self.is_loss:
            return getattr(score, self.name)
        return math.inf if math.isnan(score.val_loss) else score.val_loss

    def is_better(self, score: Score, other: Score) -> bool:
        """True if `score` is strictly better; equal is not better."""
        return self.value(score) < self.value(other) if self.is_loss else self.value(score) > self.value(other)

    def best(self, curve: Sequence[S]) -> S:
        """The best of one or more epochs; of equal ones the first."""
        best = curve[0]
        for score in curve[1:]:
            best = score if self.is_better(score, best) else best
        return best
