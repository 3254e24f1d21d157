"""Progress events of a run. Imports the standard library only.

Chosen: a function is called with each event. So `events.append` can collect events, and events can be sent between
processes. Rejected: an interface with one method per event, which needs more code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mmsent_cli.results import EpochResult


@dataclass(frozen=True, slots=True)
class Stage:
    """Progress of a stage, such as "checking pairs": `done` of `total` items. `total` is None if it is unknown.

    `unit` is the name of an item.
    """

    name: str
    done: int
    total: int | None
    unit: str = "pair"


@dataclass(frozen=True, slots=True)
class ExperimentBegun:
    """An experiment of `paper` starts: experiment `number` of `total`. `command` is the command that runs it alone."""

    command: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class ModelBegun:
    """The training of a model starts: model `number` of `total`, with at most `epochs` epochs.

    `model` is the displayed name, such as a fusion or "fold 2". `model` and `seed` identify the model in later events,
    since several models may be trained at the same time.
    """

    model: str
    seed: int
    number: int
    total: int
    epochs: int


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of an epoch: `done` of `total` batches. Epochs are counted from 1."""

    model: str
    seed: int
    epoch: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """A model has finished an epoch, and its state is saved."""

    model: str
    seed: int
    result: EpochResult


@dataclass(frozen=True, slots=True)
class ModelDone:
    """A model is finished, or was read from an earlier run (`is_resumed`).

    The metrics are from the model's best epoch, or from its last epoch if no epoch is selected.
    """

    model: str
    seed: int
    accuracy: float
    macro_f1: float
    is_resumed: bool = False
    epoch: Literal["best", "last"] = "best"


Event = Stage | ExperimentBegun | ModelBegun | Step | Epoch | ModelDone
Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore a progress event."""
