"""Train several models in parallel: on a CPU each in its own process with few threads, or one on each GPU.

Small matrices do not use a second thread well: an epoch of two models (MiniLM's last two layers trained) took 11 s on
two cores in parallel, and 14 s one after the other.

Chosen: the number of threads per model depends on the machine and on what is trained, but not on the number of parallel
models, so that the results do not depend on it. Processes are spawned and not forked, since PyTorch's threads do not
work after a fork; a script that compares models therefore needs `if __name__ == "__main__":`. Rejected: parallel
threads, which share one random state; and `concurrent.futures.ProcessPoolExecutor`, which hangs if a worker is killed
while it returns a result (tried with Python 3.11), and cannot stop a running worker on Ctrl-C before Python 3.14.
"""

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any, cast

import torch

from mmsent_cli import interrupts
from mmsent_cli.compute.device import open_device
from mmsent_cli.compute.threads import keep_freed_memory
from mmsent_cli.errors import MmsentError
from mmsent_cli.experiments.arms import Arm, TrainedArm, train_arm
from mmsent_cli.experiments.free_memory import free_memory_bytes
from mmsent_cli.progress import Event
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.workspace import Workspace

MAX_PROCESSES = 4
"""Maximum number of processes, unless the user chooses it."""
FREE_BYTES = 2 * 2**30
"""Free memory needed by each process for libraries, features and batches."""
PARAMETER_BYTES = 16
"""Additional memory for each trained parameter: its value, its gradient, and two averages of the optimizer."""
MIN_PASSES_FOR_PROCESSES = 200_000
"""Minimum work for which processes are started, which takes five seconds. The unit is a training pass of a pair through
fusion and head."""
TRAINED_COST = 10
"""The cost of a pass through trained encoders, in passes through fusion and head."""

GO_ON = "go on with --resume and --jobs 1; finished models are kept"
BEGUN = "begun"
STARTED = "started"
"""The first message of a worker."""


@dataclass(slots=True)
class Worker:
    """A process that trains models, and our end of the pipe to it. `has_started` is set by its first message."""

    process: Any
    connection: Connection
    has_started: bool = False


def threads_for(plan: Plan) -> int:
    """Return the number of PyTorch threads for a model: one if only fusion and head are trained; all with a GPU."""
    every = torch.get_num_threads()
    if plan.compute.device_type != "cpu":
        return every
    return 1 if _is_frozen(plan) else max(1, every // MAX_PROCESSES)


def count_side_by_side(plan: Plan, arms: Sequence[Arm], trained_parameters: int) -> int:
    """Return how many of these models to train in parallel; on GPUs one on each, unless `--device` names one.

    Args:
        plan: pairs and settings of the experiment.
        arms: the models to train.
        trained_parameters: the number of trained parameters of the largest model.
    """
    if not arms or multiprocessing.current_process().daemon:
        return 1
    wanted = plan.config.runtime.jobs
    if plan.compute.device_type != "cpu":
        return min(wanted or len(arms), len(arms), len(_gpus(plan)) or 1)
    if wanted:
        return min(wanted, len(arms))
    passes = sum(len(plan.split.train) * arm.config.fit.epochs for arm in arms)
    if passes * (1 if _is_frozen(plan) else TRAINED_COST) < MIN_PASSES_FOR_PROCESSES:
        return 1
    room = free_memory_bytes() // (FREE_BYTES + PARAMETER_BYTES * trained_parameters)
    return max(1, min(len(arms), torch.get_num_threads() // threads_for(plan), room, MAX_PROCESSES))


def train_side_by_side(plan: Plan, arms: Sequence[Arm], jobs: int) -> Iterator[tuple[Arm, Event | TrainedArm | str]]:
    """Train models in `jobs` parallel processes. Their features must be in the feature store.

    Yields:
        For each model: `BEGUN`, its progress events, and the trained model.

    Raises:
        MmsentError: a process could not start, or was killed.
    """
    waiting = deque(arms)
    busy: dict[Connection, Arm] = {}
    workers: list[Worker] = []
    try:
        with interrupts.held_back():  # Ctrl-C reaches every process; this one ends the others
            for _ in range(jobs):
                workers.append(_start())
        for number, worker in enumerate(workers):
            _send(worker, (_plan_of(plan, number), threads_for(plan)))
        by_connection = {worker.connection: worker for worker in workers}
        for connection in by_connection:
            yield from _send_next(connection, waiting, busy)
        while busy:
            for ready in wait(list(busy)):
                connection = cast(Connection, ready)  # on Windows it is of another class
                event = _receive(by_connection[connection])
                if event is not None:
                    yield busy[connection], event
                if isinstance(event, TrainedArm):
                    del busy[connection]
                    yield from _send_next(connection, waiting, busy)
    finally:
        for worker in workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def _gpus(plan: Plan) -> list[str]:
    """The GPUs of this machine if the models may be spread over them: `--device cuda:1` names a single one."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if plan.compute.device == "cuda" else []


def _plan_of(plan: Plan, number: int) -> Plan:
    """The plan for a process, with a GPU of its own."""
    gpus = _gpus(plan)
    return replace(plan, compute=replace(plan.compute, device=gpus[number])) if gpus else plan


def _is_frozen(plan: Plan) -> bool:
    return plan.config.model.freeze_text == plan.config.model.freeze_image == "all"


def _start() -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,))
    process.start()
    theirs.close()  # or the end of the process would not be noticed
    return Worker(process, ours)


def _send_next(connection: Connection, waiting: deque[Arm], busy: dict[Connection, Arm]) -> Iterator[tuple[Arm, str]]:
    """Send the next model to a process, if there is one."""
    if waiting:
        busy[connection] = waiting.popleft()
        with suppress(OSError):  # a process that is gone is noticed when its result is read
            connection.send(busy[connection])
        yield busy[connection], BEGUN


def _send(worker: Worker, value: object) -> None:
    try:
        worker.connection.send(value)
    except OSError as error:
        raise _error_of_lost(worker) from error


def _receive(worker: Worker) -> Event | TrainedArm | None:
    """Return the next event of a process (None for its first message), or raise its error."""
    try:
        event = worker.connection.recv()
    except (EOFError, OSError) as error:
        raise _error_of_lost(worker) from error
    if isinstance(event, BaseException):
        raise event
    if event == STARTED:
        worker.has_started = True
        return None
    return event


def _error_of_lost(worker: Worker) -> MmsentError:
    """Make the error for a worker that has ended."""
    worker.process.join()
    exit_code = worker.process.exitcode
    if exit_code < 0:
        return MmsentError(f"a training worker was killed (signal {-exit_code}), possibly out of memory", GO_ON)
    if _has_started(worker):
        return _ended_by_itself(exit_code)
    return MmsentError(
        "training workers could not start",
        'give --jobs 1; if you call mmsent from a script, put its code below the line: if __name__ == "__main__":',
    )


def _has_started(worker: Worker) -> bool:
    """Whether a worker that has ended had sent its first message, even if nobody has read it yet."""
    with suppress(EOFError, OSError):
        return worker.has_started or (worker.connection.poll() and worker.connection.recv() == STARTED)
    return False


def _ended_by_itself(exit_code: object) -> MmsentError:
    return MmsentError(f"a training worker ended by itself (exit code {exit_code})", GO_ON)


def _work(connection: Connection) -> None:
    """Train the models that are sent, until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, ConnectionError):
        connection.send(STARTED)
        plan, threads = connection.recv()
        keep_freed_memory()
        open_device(plan.compute.device, not plan.config.runtime.no_deterministic)
        torch.set_num_threads(threads)
        workspace = Workspace(plan, connection.send)
        while True:
            connection.send(_train(workspace, connection.recv()))


def _train(workspace: Workspace, arm: Arm) -> TrainedArm | Exception:
    """Train a model. Returns the trained model, or the error; errors that cannot be pickled are sent as text."""
    try:
        return deque(train_arm(workspace, arm), maxlen=1).pop()
    except ConnectionError:
        raise
    except MmsentError as error:
        return error
    except SystemExit as error:
        return _ended_by_itself(error.code)
    except Exception as error:  # whatever it is, the waiting process must receive it, with its traceback
        return RuntimeError("".join(traceback.format_exception(error)))
