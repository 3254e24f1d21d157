"""Combine the requests of several clients into batches, which one thread predicts."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mmsent_cli.data.pairs import Pair
from mmsent_cli.results import Prediction
from mmsent_cli.server.inputs import Refusal

Predict = Callable[[Sequence[Pair]], list[Prediction]]
RECENT_BATCHES = 20
"""Number of recent batches from which `Retry-After` is estimated."""


@dataclass(slots=True)
class Job:
    """A waiting job: pairs to predict, or a function `run`, which is called in a batch of its own."""

    pairs: Sequence[Pair]
    answer: asyncio.Future
    run: Callable[[], Any] | None = None


class Batcher:
    """Collects waiting requests into batches.

    A batch contains as many whole requests as fit into `batch` pairs, but at least one.

    Args:
        predict: a function that predicts pairs. It is called by one thread at a time.
        batch: maximum number of pairs in a batch.
        queue: maximum number of waiting pairs.
        timeout: seconds after which a request is refused.
    """

    def __init__(self, predict: Predict, *, batch: int, queue: int, timeout: float) -> None:
        self._predict = predict
        self._batch = batch
        self._queue = queue
        self._timeout = timeout
        self._waiting: deque[Job] = deque()
        self._has_work = asyncio.Event()
        self._seconds: deque[float] = deque(maxlen=RECENT_BATCHES)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._task: asyncio.Task | None = None

    @property
    def waiting(self) -> int:
        """The number of waiting pairs."""
        return sum(len(job.pairs) for job in self._waiting)

    async def start(self) -> None:
        """Start to accept requests."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Finish the current batch, and refuse all waiting requests."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for job in self._waiting:
            if not job.answer.done():
                job.answer.set_exception(Refusal(503, "the server is stopping", "try again later", 5))
        self._waiting.clear()
        self._thread.shutdown(wait=True)

    async def predict(self, pairs: Sequence[Pair]) -> list[Prediction]:
        """Predict the pairs of a request, in their order.

        Raises:
            Refusal: too many pairs are waiting, or the timeout is over.
        """
        return await self._submit(pairs)

    async def run(self, pairs: Sequence[Pair], work: Callable[[], Any]) -> Any:
        """Run a function on the predicting thread, and return its result. It waits in the queue, like a request."""
        return await self._submit(pairs, work)

    async def _submit(self, pairs: Sequence[Pair], work: Callable[[], Any] | None = None) -> Any:
        if self.waiting + len(pairs) > self._queue:
            raise Refusal(429, "too many requests are waiting", "try again later", self._retry_s())
        job = Job(pairs, asyncio.get_running_loop().create_future(), work)
        self._waiting.append(job)
        self._has_work.set()
        try:
            return await asyncio.wait_for(job.answer, self._timeout)
        except TimeoutError as error:
            hint = "try again later, or start the server with a larger --timeout"
            raise Refusal(503, f"there was no answer within {self._timeout:g} s", hint, self._retry_s()) from error

    def _retry_s(self) -> int:
        """Estimate the seconds until all waiting requests are done."""
        seconds = sum(self._seconds) / len(self._seconds) if self._seconds else 1.0
        return max(1, math.ceil(seconds * math.ceil(self.waiting / self._batch)))

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._has_work.wait()
            jobs = self._take()
            if jobs:
                start = time.monotonic()
                await self._answer(loop, jobs)
                self._seconds.append(time.monotonic() - start)
            if not self._waiting:
                self._has_work.clear()

    def _take(self) -> list[Job]:
        """Take the next requests from the queue. Requests whose client has disconnected are dropped."""
        jobs: list[Job] = []
        while self._waiting:
            job = self._waiting[0]
            is_full = jobs and (job.run or sum(len(each.pairs) for each in jobs) + len(job.pairs) > self._batch)
            if is_full:
                break
            self._waiting.popleft()
            if not job.answer.done():  # the client is still connected
                jobs.append(job)
            if job.run:
                break
        return jobs

    async def _answer(self, loop: asyncio.AbstractEventLoop, jobs: list[Job]) -> None:
        """Predict several requests together. After an error, predict each alone, so that only faulty requests fail."""
        try:
            work = jobs[0].run or (lambda: self._predict([pair for job in jobs for pair in job.pairs]))
            answers = await asyncio.shield(loop.run_in_executor(self._thread, work))
        except Exception as error:  # an error concerns one request only; the server continues
            if len(jobs) > 1:
                for job in jobs:
                    await self._answer(loop, [job])
            elif not jobs[0].answer.done():
                jobs[0].answer.set_exception(error)
            return
        if jobs[0].run:
            parts = [answers]
        else:
            rest = iter(answers)
            parts = [[next(rest) for _ in job.pairs] for job in jobs]
        for job, part in zip(jobs, parts, strict=True):
            if not job.answer.done():
                job.answer.set_result(part)
