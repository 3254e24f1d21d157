"""Progress of a run, as events handed to one callable. Standard library only.

Chosen: a callable that takes events, so `events.append` is a listener, and an event crosses processes as it is.
Rejected: an interface with one method per event, which a silent caller would have to write out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mmsent_cli.results import EpochResult


@dataclass(frozen=True, slots=True)
class Stage:
    """`done` of `total` items of a stage such as "checking pairs"; `total` is None while it is unknown.

    `unit` is what one item is called.
    """

    name: str
    done: int
    total: int | None
    unit: str = "pair"


@dataclass(frozen=True, slots=True)
class ModelBegun:
    """Model `number` of `total`, counted from 1, begins to train for at most `epochs` epochs.

    `model` is the displayed name: a fusion, an arm's name, "fold 2". With the seed it identifies the model in all
    later events; several models may be in training at a time.
    """

    model: str
    seed: int
    number: int
    total: int
    epochs: int


@dataclass(frozen=True, slots=True)
class Step:
    """`done` of `total` batches of an epoch are trained; epochs are counted from 1."""

    model: str
    seed: int
    epoch: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """A model finished an epoch, and its state for a resumed run is saved."""

    model: str
    seed: int
    result: EpochResult


@dataclass(frozen=True, slots=True)
class ModelDone:
    """A model that was begun is finished, or was read back from an earlier run (`is_resumed`).

    The metrics are those of its best epoch, or of its last one where no epoch is selected.
    """

    model: str
    seed: int
    accuracy: float
    macro_f1: float
    is_resumed: bool = False
    epoch: Literal["best", "last"] = "best"


Event = Stage | ModelBegun | Step | Epoch | ModelDone
Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """The progress callable that shows nothing."""
