"""Select the best epoch by a validation metric."""

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Score(Protocol):
    """The validation metrics of an epoch, such as an EpochScore or an EpochResult."""

    @property
    def val_loss(self) -> float: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def macro_f1(self) -> float: ...


S = TypeVar("S", bound=Score)


class Monitor:
    """A validation metric with its direction.

    Args:
        name: `accuracy` or `macro_f1`, where higher is better; or `loss`, where lower is better.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_loss = name == "loss"

    def value(self, score: Score) -> float:
        """Return the metric of an epoch. A loss of NaN counts as infinite."""
        if not self.is_loss:
            return getattr(score, self.name)
        return math.inf if math.isnan(score.val_loss) else score.val_loss

    def is_better(self, score: Score, other: Score) -> bool:
        """Return True if `score` is strictly better."""
        return self.value(score) < self.value(other) if self.is_loss else self.value(score) > self.value(other)

    def best(self, curve: Sequence[S]) -> S:
        """Return the best of one or more epochs; if several are equal, the first."""
        best = curve[0]
        for score in curve[1:]:
            best = score if self.is_better(score, best) else best
        return best
