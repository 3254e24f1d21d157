"""Kernels that give the same bytes in every run, and what a GPU is called.

On CUDA, the backward pass of memory-efficient attention is not deterministic, and cuDNN's attention makes a plan for
every new length. Both are switched off; `--no-deterministic` allows the first. The cost was not measured: there was no
GPU where mmsent was developed.
"""

import shutil
import subprocess
from functools import cache
from typing import Any

import torch

BYTES_PER_GB = 10**9

_is_wanted = True


def choose_kernels(device_type: str, is_deterministic: bool) -> None:
    """Choose the kernels of this process; on a CPU all are deterministic."""
    global _is_wanted
    _is_wanted = is_deterministic or device_type != "cuda"
    if device_type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(not is_deterministic)


def request_determinism() -> None:
    """Ask PyTorch for deterministic algorithms, unless the user declined them."""
    torch.use_deterministic_algorithms(_is_wanted, warn_only=True)
    deterministic: Any = torch.utils.deterministic
    deterministic.fill_uninitialized_memory = False  # a debugging aid that costs time


def describe_gpu(device: str) -> dict[str, Any]:
    """Return name, memory and driver of a CUDA device; empty for other devices."""
    if not device.startswith("cuda"):
        return {}
    properties = torch.cuda.get_device_properties(device)
    memory_gb = round(properties.total_memory / BYTES_PER_GB, 1)
    return {"gpu": properties.name, "gpu_memory_gb": memory_gb, "cuda": torch.version.cuda, "driver": _driver()}


@cache
def memory_bytes(device: str) -> int:
    """Return the memory of a CUDA device."""
    return torch.cuda.get_device_properties(device).total_memory


def peak_memory_bytes(device: str) -> int:
    """Return the most memory that tensors took on a CUDA device so far; 0 for other devices."""
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
