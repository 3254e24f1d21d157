"""What tests read from collected progress events, and a way to disturb a run at one of them."""

from mmsent_cli.progress import Epoch, Event, ModelBegun, ModelDone


class Stopped(Exception):
    """Ends a run in the middle, as a kill would."""


def models_begun(events: list[Event]) -> list[tuple[int, int]]:
    """The number of each model that was begun, with the number of all."""
    return [(event.number, event.total) for event in events if isinstance(event, ModelBegun)]


def models_trained(events: list[Event]) -> list[tuple[str, int]]:
    """Name and seed of each model that was trained."""
    return [(event.model, event.seed) for event in events if isinstance(event, ModelDone) and not event.is_resumed]


def models_read_back(events: list[Event]) -> list[tuple[str, int]]:
    """Name and seed of each model that was there already."""
    return [(event.model, event.seed) for event in events if isinstance(event, ModelDone) and event.is_resumed]


def epochs_trained(events: list[Event]) -> int:
    """Number of epochs trained."""
    return sum(isinstance(event, Epoch) for event in events)


def at(kind: type[Event], times: int, disturb, events: list[Event] | None = None):
    """A progress callable that calls `disturb` at the n-th event of a kind; `events` collects all of them."""
    kept = [] if events is None else events

    def progress(event: Event) -> None:
        kept.append(event)
        if isinstance(event, kind) and sum(isinstance(each, kind) for each in kept) == times:
            disturb()

    return progress


def stop() -> None:
    """Stop whatever is running."""
    raise Stopped
