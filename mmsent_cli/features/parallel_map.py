"""A map over several threads, with results in order, and progress of a sequence."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

from mmsent_cli.progress import Progress, Stage

Item = TypeVar("Item")
Answer = TypeVar("Answer")
STEP = 8
"""Items between two reports of progress."""


def in_order(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    streams: int,
    pool: ThreadPoolExecutor | None = None,
) -> Iterator[Answer]:
    """Like `map`, computed by several threads. Items are taken at most two per thread ahead of the result yielded.

    Args:
        function: should release the interpreter lock while it computes.
        items: taken as they are needed.
        streams: number of threads; with 1, the calling thread computes.
        pool: threads that outlive the call; None: made for it.
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
    """Pass items on and report how many there were."""
    for done, item in enumerate(items, start=1):
        yield item
        if done % STEP == 0 or done == total:
            progress(Stage(stage, done, total, unit))
