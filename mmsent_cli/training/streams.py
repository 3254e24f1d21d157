"""Several batches at a time, answered in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_order(function: Callable[[Item], Answer], items: Iterable[Item], streams: int) -> Iterator[Answer]:
    """Like `map`, with `streams` threads at work and no more than one answer each waiting; one stream is `map` itself.

    Args:
        function: what lets other threads run while it computes.
        items: taken as they are needed.
        streams: number of threads.
    """
    if streams == 1:
        yield from map(function, items)
        return
    ahead: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(streams) as pool:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 2 * streams:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
