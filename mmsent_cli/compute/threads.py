"""Threads, memory allocator and deterministic kernels of a process.

On CUDA, the backward pass of memory-efficient attention is not deterministic, and cuDNN's attention makes a plan for
every new length. So both are switched off. `--no-deterministic` allows memory-efficient attention. The cost was not
measured, since no GPU was available.
"""

import contextlib
import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameter numbers of glibc's malloc.h."""
LARGEST_MMAP_THRESHOLD_BYTES = 2**25
LARGEST_TRIM_THRESHOLD_BYTES = 2**31 - 1
"""The largest values that glibc accepts."""


def keep_freed_memory() -> None:
    """Make glibc keep freed memory instead of returning it to the system. This has no effect without glibc.

    Every batch frees and allocates tensors of the same sizes. Returning the memory each time costs page faults
    (measured: 16 instead of 11 ms per image, 8.3 instead of 6.5 ms per training pair).
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD_BYTES)
        mallopt(M_TRIM_THRESHOLD, LARGEST_TRIM_THRESHOLD_BYTES)


def suited_threads(trains_encoders: bool) -> contextlib.AbstractContextManager[None]:
    """Return a context manager for training. If only fusion and head are trained, PyTorch uses one thread.

    If encoders are trained too, PyTorch uses as many threads as before.

    A second thread computes small matrices at most 25 % faster on an idle machine. If another process uses the second
    core, training can be seven times slower (the smallest fusion: 0.8 s per epoch with one thread, 6 s with two).
    """
    return torch_threads(torch.get_num_threads() if trains_encoders else 1)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Return a context manager in which PyTorch uses `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


BYTES_PER_GB = 10**9

_is_wanted = True


def choose_kernels(device_type: str, is_deterministic: bool) -> None:
    """Choose the kernels (implementations of operations) of this process. On a CPU, all kernels are deterministic."""
    global _is_wanted
    _is_wanted = is_deterministic or device_type != "cuda"
    if device_type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(not is_deterministic)


def request_determinism() -> None:
    """Make PyTorch use deterministic algorithms, unless `--no-deterministic` is given for a CUDA device."""
    torch.use_deterministic_algorithms(_is_wanted, warn_only=True)
    deterministic: Any = torch.utils.deterministic
    deterministic.fill_uninitialized_memory = False  # a debugging aid that costs time


def describe_gpu(device: str) -> dict[str, Any]:
    """Return name, memory, CUDA version and driver of a CUDA device; an empty dictionary for other devices."""
    if not device.startswith("cuda"):
        return {}
    properties = torch.cuda.get_device_properties(device)
    memory_gb = round(properties.total_memory / BYTES_PER_GB, 1)
    return {"gpu": properties.name, "gpu_memory_gb": memory_gb, "cuda": torch.version.cuda, "driver": _driver()}


@cache
def memory_bytes(device: str) -> int:
    """Return the size of a CUDA device's memory."""
    return torch.cuda.get_device_properties(device).total_memory


def peak_memory_bytes(device: str) -> int:
    """Return the largest size that all tensors on a CUDA device had together so far; 0 for other devices."""
    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else 0


def _driver() -> str | None:
    """Return the version of the NVIDIA driver; None if nvidia-smi does not give it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(answer.split()), None)
