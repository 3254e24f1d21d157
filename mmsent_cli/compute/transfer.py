"""Copies between the memory of the machine and that of a GPU that the GPU does not wait for.

A copy from pinned memory runs while the GPU computes. On other devices, the functions do what `Tensor.to` does. They
were not run on a GPU where mmsent was developed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor

Value = TypeVar("Value")


def to_device(tensor: Tensor, device: str) -> Tensor:
    """Copy a tensor to a device; to a GPU without waiting."""
    if device.startswith("cuda") and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def pinned(value: Value) -> Value:
    """Move the tensors of nested tuples, such as a batch, to pinned memory; those of a GPU stay where they are."""
    if isinstance(value, Tensor):
        return cast(Value, value.pin_memory() if value.device.type == "cpu" else value)
    if isinstance(value, tuple):
        return cast(Value, type(value)(*map(pinned, value)))
    return value


def begin_fetch(values: Tensor) -> Callable[[], np.ndarray]:
    """Begin to copy a result from a device.

    Returns:
        A function that waits for the copy and returns it.
    """
    if values.device.type != "cuda":
        return lambda: values.cpu().numpy()
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(values.device))  # a thread's own current device may be another

    def wait() -> np.ndarray:
        copied.synchronize()
        return host.numpy()

    return wait


def look_ahead(items: Iterable[Value], count: int) -> Iterator[Value]:
    """Yield items in order, each after `count` further ones were taken. With 0, this is a plain iterator."""
    taken: deque[Value] = deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    yield from taken
