"""Several processes that train one model, started by `accelerate launch` or `torchrun`.

Every process reads the same pairs and holds the same weights. Each batch is divided among the processes, so the metrics
do not depend on their number, apart from rounding and dropout. The first process fills the caches and writes the run.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from mmsent_cli.errors import ConfigError, MmsentError

Value = TypeVar("Value")
TIMEOUT = timedelta(days=7)
"""How long the other processes wait for the first process, which may compute features for hours. If a process ends, its
connection is closed, and the other processes get an error at once."""
LOST = ("gloo", "by peer", "NCCL")
"""An error of PyTorch's backends contains one of these words if another process has ended."""

_may_join = False


def count() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process, counted from 0."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def together() -> Iterator[None]:
    """Allow the processes of a launcher to work together in this block. In a single process, this has no effect.

    Raises:
        MmsentError: another process has ended.
    """
    global _may_join
    _may_join = True
    try:
        yield
    except RuntimeError as error:
        if not is_lost(error):
            raise
        raise lost("run the same command again") from error
    finally:
        _may_join = False
        if count() > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def join(device: str) -> None:
    """Connect this process to the other processes, unless it is connected already.

    `device` is the device of this process. NCCL, which connects GPUs, would otherwise guess a GPU.

    Raises:
        ConfigError: the command cannot run in several processes.
    """
    if count() == 1 or distributed.is_initialized():
        return
    if not _may_join:
        raise ConfigError(
            "this command runs in one process, but the launcher started several processes",
            "run it without accelerate launch or torchrun; only mmsent train without --folds can use several processes",
        )
    is_cuda = device.startswith("cuda")
    own = torch.device(device) if is_cuda else None
    distributed.init_process_group("nccl" if is_cuda else "gloo", timeout=TIMEOUT, device_id=own)


def launcher_note() -> str:
    """Return a note if `accelerate launch --cpu` started only one process; else an empty string."""
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" and "MASTER_PORT" in os.environ
    if not asked or count() > 1:
        return ""
    return (
        "only one process was started: accelerate launch --cpu needs MPI to start several. Without MPI, use torchrun"
        " or accelerate launch --multi_gpu --num_processes N -m mmsent_cli train --device cpu"
    )


def own_device(device: str) -> str:
    """Return the device of this process.

    With several processes on GPUs, `cuda` means the GPU with the number that the process has on its machine.

    Raises:
        ConfigError: the user named one GPU for several processes.
    """
    if count() == 1 or not device.startswith("cuda"):
        return device
    if device != "cuda":
        raise ConfigError(f"--device {device} names one GPU, but there are {count()} processes", "use --device cuda")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


@contextmanager
def first_alone() -> Iterator[None]:
    """Run the block in the first process, and then in the other processes, which find the results in the caches."""
    if count() > 1 and rank() > 0:
        distributed.barrier()
    yield
    if count() > 1 and rank() == 0:
        distributed.barrier()


def meet() -> None:
    """Wait for all processes. Afterwards, all processes can read the files that the first process has written."""
    if count() > 1:
        distributed.barrier()


def of_first(value: Value) -> Value:
    """Send the value of the first process to all processes, and return it."""
    if count() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def of_all(value: Value) -> list[Value]:
    """Return the values of all processes, ordered by the number of the process (`rank`)."""
    if count() == 1:
        return [value]
    values: list[Value] = [value] * count()
    distributed.all_gather_object(values, value)
    return values


def share_buffers(module: torch.nn.Module) -> None:
    """Copy the moving statistics of batch norm layers from the first process to all other processes."""
    if count() > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, src=0)


def lost(hint: str) -> MmsentError:
    """Make the error that a process raises after another process has ended."""
    return MmsentError("another process of this training has ended", hint)


def is_lost(error: RuntimeError) -> bool:
    """Return True if the error means that another process has ended."""
    return count() > 1 and any(word in str(error) for word in LOST)
