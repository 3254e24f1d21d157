"""A parallel `map` with results in order, and progress events for an iterable."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

from mmsent_cli.progress import Progress, Stage

Item = TypeVar("Item")
Answer = TypeVar("Answer")
STEP = 8
"""Number of items between two progress events."""


def in_order(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    streams: int,
    pool: ThreadPoolExecutor | None = None,
) -> Iterator[Answer]:
    """Apply a function to items in several threads, and yield the results in the order of the items.

    At most two items per thread are read ahead.

    Args:
        function: a function that releases the interpreter lock while it computes.
        items: the items, which are read when they are needed.
        streams: number of threads. With 1, the calling thread computes.
        pool: a pool of threads to use; None makes a new one.
    """
    if streams == 1:
        yield from map(function, items)
        return
    ahead: deque[Future[Answer]] = deque()
    with nullcontext(pool) if pool else ThreadPoolExecutor(streams) as threads:
        for item in items:
            ahead.append(threads.submit(function, item))
            if len(ahead) > 2 * streams:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def counted(items: Iterable[Item], total: int, stage: str, unit: str, progress: Progress) -> Iterator[Item]:
    """Yield the items unchanged, and report the number of yielded items as progress."""
    for done, item in enumerate(items, start=1):
        yield item
        if done % STEP == 0 or done == total:
            progress(Stage(stage, done, total, unit))
