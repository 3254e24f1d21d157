"""Train several models in parallel: on a CPU in processes with few threads each, or with GPUs one model on each GPU.

Comparisons and cross-validation use the same function, `train_models`. Small matrices do not use a second thread well:
an epoch of two models (MiniLM's last two layers trained) took 11 s on two cores in parallel, and 14 s one after the
other. In a cross-validation, each model has two threads. On two cores, one thread for each of five models would not be
faster, since the fifth model would be trained alone.

Chosen: the number of threads per model depends on the machine and on what is trained, but not on the number of parallel
models. So this number does not affect the results. Processes are spawned, since PyTorch's threads do not work after a
fork. Rejected: parallel threads, which share one random state; and `concurrent.futures.ProcessPoolExecutor`. It hangs
if a worker is killed while it returns a result (tried with Python 3.11), and cannot stop a running worker on Ctrl-C
before Python 3.14.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

import torch

from mmsent_cli import interrupts
from mmsent_cli.compute.device import open_device
from mmsent_cli.compute.free_memory import free_memory_bytes
from mmsent_cli.compute.threads import keep_freed_memory, torch_threads
from mmsent_cli.errors import MmsentError
from mmsent_cli.progress import Event
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.workspace import Workspace

MAX_PROCESSES = 4
"""Maximum number of processes, unless the user chooses the number."""
THREADS_OF_FOLDS = 2
"""Threads of each model of a cross-validation that trains encoders, if there are as many cores."""
FREE_BYTES = 2 * 2**30
"""Free memory needed by each process for libraries, features and batches."""
PARAMETER_BYTES = 16
"""Additional memory for each trained parameter: its value, its gradient, and two averages of the optimizer."""
MIN_PASSES_FOR_PROCESSES = 200_000
"""Minimum amount of work for which processes are started, since their start takes five seconds. The unit is one
training pass of a pair through fusion and head."""
TRAINED_COST = 10
"""A training pass through trained encoders costs as much as this number of passes through fusion and head."""

WAITING = "OMP_WAIT_POLICY"
"""Environment variable of OpenMP, which runs PyTorch's threads."""
GO_ON = "go on with --resume and --jobs 1; finished models are kept"
STARTED = "started"
"""The first message of a worker."""
Task = TypeVar("Task")
Trained = TypeVar("Trained")


@dataclass(frozen=True, slots=True)
class Work(Generic[Task, Trained]):
    """Models to train.

    Attributes:
        tasks: descriptions of the models.
        train: a function that trains the model of a task, with a `Workspace`. It must be defined at the top level of a
            module, since the worker processes import it by its name.
        passes: number of training pairs, summed over all models and epochs.
        parameters: the number of trained parameters of the largest model.
    """

    tasks: Sequence[Task]
    train: Callable[[Workspace, Task], Trained]
    passes: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Finished(Generic[Trained]):
    """A trained model, as a worker sends it."""

    model: Trained


@dataclass(slots=True)
class Worker:
    """A process that trains models, and the connection to it. Its first message sets `has_started`."""

    process: Any
    connection: Connection
    has_started: bool = False


def threads_for(plan: Plan) -> int:
    """Return the number of PyTorch threads for training a model.

    With a GPU, a model gets all threads. On a CPU, it gets one thread if only fusion and head are trained, else a share
    of all threads.
    """
    every = torch.get_num_threads()
    if plan.compute.device_type != "cpu":
        return every
    fewest = min(every, THREADS_OF_FOLDS) if plan.folds else 1
    return 1 if _is_frozen(plan) else max(fewest, every // MAX_PROCESSES)


def train_models(
    workspace: Workspace, work: Work[Task, Trained], begin: Callable[[Task], None]
) -> Iterator[tuple[Task, Trained]]:
    """Train models, in parallel if that is faster. Their features must be in the feature store.

    Args:
        workspace: the workspace of the experiment or ensemble; its `progress` receives the models' events.
        work: the models to train.
        begin: a function that is called with each task before the model of this task is trained.

    Yields:
        Each task with its trained model, in the order in which they are finished.

    Raises:
        MmsentError: a process could not start, or was killed.
    """
    jobs = count_side_by_side(workspace.plan, work)
    if jobs > 1:
        yield from train_side_by_side(workspace, work, jobs, begin)
        return
    for task in work.tasks:
        begin(task)
        with torch_threads(threads_for(workspace.plan)):
            trained = work.train(workspace, task)
        yield task, trained


def count_side_by_side(plan: Plan, work: Work[Any, Any]) -> int:
    """Return the number of models to train in parallel. Each GPU trains one model, unless `--device` names one GPU."""
    models = len(work.tasks)
    if not models or multiprocessing.current_process().daemon:
        return 1
    wanted = plan.config.runtime.jobs
    if plan.compute.device_type != "cpu":
        return min(wanted or models, models, len(_gpus(plan)) or 1)
    if wanted:
        return min(wanted, models)
    if work.passes * (1 if _is_frozen(plan) else TRAINED_COST) < MIN_PASSES_FOR_PROCESSES:
        return 1
    room = free_memory_bytes() // (FREE_BYTES + PARAMETER_BYTES * work.parameters)
    return max(1, min(models, torch.get_num_threads() // threads_for(plan), room, MAX_PROCESSES))


def train_side_by_side(
    workspace: Workspace, work: Work[Task, Trained], jobs: int, begin: Callable[[Task], None]
) -> Iterator[tuple[Task, Trained]]:
    """Train models in `jobs` parallel processes; see `train_models`."""
    plan, waiting = workspace.plan, deque(work.tasks)
    busy: dict[Connection, Task] = {}
    workers: list[Worker] = []

    def send_next(connection: Connection) -> None:
        if waiting:
            task = busy[connection] = waiting.popleft()
            with suppress(OSError):  # a process that has ended is found when its result is read
                connection.send(task)
            begin(task)

    try:
        is_crowded = jobs * threads_for(plan) > torch.get_num_threads()
        # Ctrl-C is sent to every process. It is held back here, and this process ends the others.
        with interrupts.held_back(), _no_main_module(), _waiting(is_crowded):
            for _ in range(jobs):
                workers.append(_start())
        for number, worker in enumerate(workers):
            _send(worker, (_plan_of(plan, number), threads_for(plan), work.train))
        by_connection = {worker.connection: worker for worker in workers}
        for connection in by_connection:
            send_next(connection)
        while busy:
            for ready in wait(list(busy)):
                connection = cast(Connection, ready)  # on Windows, it has another type
                event = _receive(by_connection[connection])
                if isinstance(event, Finished):
                    yield busy.pop(connection), event.model
                    send_next(connection)
                elif event is not None:
                    workspace.progress(event)
    finally:
        for worker in workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def _gpus(plan: Plan) -> list[str]:
    """Return the names of all GPUs of this machine; an empty list if `--device` names a single device."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if plan.compute.device == "cuda" else []


def _plan_of(plan: Plan, number: int) -> Plan:
    """Return the plan for process `number`, with a GPU of its own if there are several GPUs to use."""
    gpus = _gpus(plan)
    return replace(plan, compute=replace(plan.compute, device=gpus[number])) if gpus else plan


def _is_frozen(plan: Plan) -> bool:
    return plan.config.model.freeze_text == plan.config.model.freeze_image == "all"


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Prevent processes that are started in this block from importing the script of this process.

    So a user's script needs no main guard.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _waiting(is_passive: bool) -> Iterator[None]:
    """If `is_passive`, waiting threads sleep in all processes that are started in this block.

    So other processes can use the cores of these threads.
    """
    before = os.environ.get(WAITING)
    if is_passive:
        os.environ[WAITING] = "PASSIVE"
    try:
        yield
    finally:
        if before is not None:
            os.environ[WAITING] = before
        else:
            os.environ.pop(WAITING, None)


def _start() -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,))
    process.start()
    theirs.close()  # else the end of the process would not be noticed
    return Worker(process, ours)


def _send(worker: Worker, value: object) -> None:
    try:
        worker.connection.send(value)
    except OSError as error:
        raise _error_of_lost(worker) from error


def _receive(worker: Worker) -> Event | Finished[Any] | None:
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
    """Make the error for a worker process that has ended before its work was done."""
    worker.process.join()
    exit_code = worker.process.exitcode
    if exit_code < 0:
        return MmsentError(f"a training worker was killed (signal {-exit_code}), possibly out of memory", GO_ON)
    if _has_started(worker):
        return _ended_by_itself(exit_code)
    return MmsentError("training workers could not start", "use --jobs 1")


def _has_started(worker: Worker) -> bool:
    """Return True if a worker process has sent its first message before it ended."""
    with suppress(EOFError, OSError):
        return worker.has_started or (worker.connection.poll() and worker.connection.recv() == STARTED)
    return False


def _ended_by_itself(exit_code: object) -> MmsentError:
    return MmsentError(f"a training worker ended by itself (exit code {exit_code})", GO_ON)


def _work(connection: Connection) -> None:
    """Train the models of the tasks that the main process sends, until the main process closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def send(value: object) -> None:
        # `connection.send` would put tensors into shared memory, which is small in some containers.
        connection.send_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))

    with suppress(EOFError, ConnectionError):
        send(STARTED)
        plan, threads, train = connection.recv()
        keep_freed_memory()
        open_device(plan.compute.device, not plan.config.runtime.no_deterministic)
        torch.set_num_threads(threads)
        workspace = Workspace(plan, send)
        while True:
            send(_train(workspace, train, connection.recv()))


def _train(
    workspace: Workspace, train: Callable[[Workspace, Task], Trained], task: Task
) -> Finished[Trained] | Exception:
    """Train a model, and return it or the error. Errors that cannot be pickled are returned as text."""
    try:
        return Finished(train(workspace, task))
    except ConnectionError:
        raise
    except MmsentError as error:
        return error
    except SystemExit as error:
        return _ended_by_itself(error.code)
    except Exception as error:  # the main process must receive any error, with its traceback
        return RuntimeError("".join(traceback.format_exception(error)))
