"""A compiled OpenVINO model as a function over arrays."""

import threading
from typing import Any

import numpy as np


class CompiledModel:
    """Wraps an `openvino.CompiledModel`. Each thread has its own infer request, so threads can call it concurrently."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._local = threading.local()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Run a batch of inputs of the same shape: [B, …]."""
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        return self._local.request.infer([values], share_inputs=True)[0]

    def one_by_one(self, images: np.ndarray) -> np.ndarray:
        """Run images [B, 3, H, W] one at a time, which is 20 % faster on a CPU than in batches of 16."""
        return np.concatenate([self(images[row : row + 1]) for row in range(len(images))])

    def by_length(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Run padded texts [B, T] without their padding: texts of the same length form a batch.

        Returns:
            Pooled features [B, D], or hidden states [B, T, D] with zeros at the padding.
        """
        parts = [(rows, self(ids[rows, :length])) for length, rows in _rows_by_length(lengths)]
        is_pooled = parts[0][1].ndim == 2
        shape = (len(ids), *parts[0][1].shape[1:]) if is_pooled else (*ids.shape, *parts[0][1].shape[2:])
        values = np.zeros(shape, dtype=np.float32)
        for rows, part in parts:
            if is_pooled:
                values[rows] = part
            else:
                values[rows, : part.shape[1]] = part
        return values


def _rows_by_length(lengths: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return [(int(length), np.flatnonzero(lengths == length)) for length in np.unique(lengths)]
