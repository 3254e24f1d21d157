"""Copy tensors between CPU and GPU memory while the GPU computes.

Copies from and to pinned memory do not block the GPU. On other devices, the functions do the same as `Tensor.to`. These
functions were not tested on a GPU, since none was available.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor

Value = TypeVar("Value")


def to_device(tensor: Tensor, device: str) -> Tensor:
    """Copy a tensor to a device. A copy to a GPU does not block."""
    if device.startswith("cuda") and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def pinned(value: Value) -> Value:
    """Copy the CPU tensors of nested tuples, such as a batch, to pinned memory. GPU tensors stay as they are."""
    if isinstance(value, Tensor):
        return cast(Value, value.pin_memory() if value.device.type == "cpu" else value)
    if isinstance(value, tuple):
        return cast(Value, type(value)(*map(pinned, value)))
    return value


def begin_fetch(values: Tensor) -> Callable[[], np.ndarray]:
    """Start to copy a result from a device.

    Returns:
        A function that waits until the copy is complete, and returns the copied array.
    """
    if values.device.type != "cuda":
        return lambda: values.cpu().numpy()
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(values.device))  # the current device of this thread may be another one

    def wait() -> np.ndarray:
        copied.synchronize()
        return host.numpy()

    return wait


def look_ahead(items: Iterable[Value], count: int) -> Iterator[Value]:
    """Yield items in order, but take `count` items in advance. With `count` 0, no item is taken in advance."""
    taken: deque[Value] = deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    yield from taken
