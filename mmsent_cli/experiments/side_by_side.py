"""Models trained side by side on a CPU: a process each, with one thread each.

Small matrices leave half of a second thread idle: with MiniLM's last two layers trained, an epoch of two models took
two cores 11 s side by side and 14 s one after the other.

Chosen: every model of a comparison gets one thread, also where it is alone, so no figure depends on how many train at
a time. Processes begin anew rather than as forks, which PyTorch's threads do not survive; a script that compares
models therefore needs `if __name__ == "__main__":`. Rejected: threads, which share one random state.
"""

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil
import torch

from mmsent_cli.errors import MmsentError
from mmsent_cli.experiments.arm import Arm, train_arm
from mmsent_cli.experiments.trained import TrainedArm
from mmsent_cli.results import EpochResult
from mmsent_cli.training.bench import Bench
from mmsent_cli.training.loop import Step
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.precision import keep_freed_memory

MOST = 4
"""Processes, unless more are asked for: each holds the libraries and its features, most of a gigabyte."""
FREE_BYTES = 2 * 2**30
"""Free memory for each process, unless their number is asked for."""
WORTH_EPOCHS = 200_000
"""Pairs times epochs from which on frozen encoders repay the five seconds in which processes begin."""
TRAINED_COST = 10
"""What a pair costs when encoders are trained, in pairs of frozen encoders."""

Event = Step | EpochResult | TrainedArm
BEGUN = None


def count_side_by_side(plan: Plan, arms: Sequence[Arm]) -> int:
    """How many of these models are best trained at a time; 1 on a GPU, which one model fills."""
    if plan.arithmetic.device_type != "cpu" or not arms:
        return 1
    if plan.config.runtime.jobs:
        return min(plan.config.runtime.jobs, len(arms))
    pairs = sum(len(plan.split.train) * (arm.config.fit.epochs or 0) for arm in arms)
    is_frozen = plan.config.model.freeze_text == plan.config.model.freeze_image == "all"
    if pairs * (1 if is_frozen else TRAINED_COST) < WORTH_EPOCHS:
        return 1
    room = psutil.virtual_memory().available // FREE_BYTES
    return max(1, min(len(arms), torch.get_num_threads(), room, MOST))


def train_side_by_side(plan: Plan, arms: Sequence[Arm], jobs: int) -> Iterator[tuple[Arm, Event | None]]:
    """Train arms whose features are in the store, so many at a time.

    Yields:
        An arm with `BEGUN`, with each of its steps and epochs, and last with what was trained.

    Raises:
        MmsentError: a process was ended from outside.
    """
    waiting = deque(arms)
    busy: dict[Connection, Arm] = {}
    workers = [_start(plan) for _ in range(jobs)]
    try:
        for _, connection in workers:
            yield from _give(connection, waiting, busy)
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                event = _hear(connection, busy[connection])
                yield busy[connection], event
                if isinstance(event, TrainedArm):
                    del busy[connection]
                    yield from _give(connection, waiting, busy)
    finally:
        for process, connection in workers:
            connection.close()
            process.terminate()
            process.join()


def _start(plan: Plan) -> tuple[Any, Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, plan), daemon=True)
    process.start()
    theirs.close()  # or the end of the process would not be heard
    return process, ours


def _give(connection: Connection, waiting: deque[Arm], busy: dict[Connection, Arm]) -> Iterator[tuple[Arm, None]]:
    """Give a process its next arm, if there is one."""
    if waiting:
        busy[connection] = waiting.popleft()
        with suppress(OSError):  # a process that is gone is heard of when it should answer
            connection.send(busy[connection])
        yield busy[connection], BEGUN


def _hear(connection: Connection, arm: Arm) -> Event:
    """The next event of an arm in training; raises what its process raised."""
    try:
        event = connection.recv()
    except (EOFError, OSError) as error:
        raise MmsentError(
            f"the process that trained {arm.name}, seed {arm.seed}, was ended from outside, perhaps for lack of memory",
            "go on with --resume once memory is free, or begin anew with --jobs 1",
        ) from error
    if isinstance(event, BaseException):
        raise event
    return event


class _Teller:
    """Sends what it hears to the process that waits for it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def prepare(self, stage: str, done: int, total: int | None) -> None:
        """Everything is prepared already."""

    def step(self, epoch: int, done: int, total: int) -> None:
        self.connection.send(Step(epoch, done, total))

    def epoch(self, result: EpochResult) -> None:
        self.connection.send(result)


def _work(connection: Connection, plan: Plan) -> None:
    """Train the arms that come, until the other end is closed or its process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the one that gave the arms ends this
    keep_freed_memory()
    torch.set_num_threads(1)
    with suppress(EOFError, OSError):
        try:
            bench = Bench(plan, _Teller(connection))
            while True:
                *_, trained = train_arm(bench, connection.recv(), bench.listener)
                connection.send(trained)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))
            connection.send(error)
