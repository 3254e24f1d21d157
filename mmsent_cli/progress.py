"""Progress of a run, as events handed to one callable. Standard library only.

Chosen: a callable that takes events, so `events.append` is a listener, and an event crosses processes as it is.
Rejected: an interface with a method an event, which every caller that wants silence has to write out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mmsent_cli.results import EpochResult


@dataclass(frozen=True, slots=True)
class Stage:
    """`done` of `total` items of a stage such as "checking pairs"; `total` is None while it is unknown."""

    name: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class ModelBegun:
    """Model `number` of `total`, counted from 1, begins to train for at most `epochs` epochs."""

    model: str
    seed: int
    number: int
    total: int
    epochs: int


@dataclass(frozen=True, slots=True)
class Step:
    """`done` of `total` batches of an epoch, counted from 1."""

    model: str
    epoch: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of a model is finished."""

    model: str
    result: EpochResult


@dataclass(frozen=True, slots=True)
class ModelDone:
    """A model is finished. The metrics are those of its best epoch; `is_resumed`: read back from an earlier run."""

    model: str
    seed: int
    accuracy: float
    macro_f1: float
    is_resumed: bool


Event = Stage | ModelBegun | Step | Epoch | ModelDone
Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """The progress callable that shows nothing."""
