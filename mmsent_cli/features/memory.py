"""What a `Column` stores, kept in memory as one tensor where it is small: a batch is then one look-up.

Chosen: a bound by size, below which a column is read once and above which each batch is read from the feature store;
the values are the same either way. Rejected: keeping the batches read last, since an epoch meets every pair once.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from mmsent_cli.encoders.contract import Activations

RESIDENT_BYTES = 256 * 2**20
"""The most that one column may keep: 50,000 images 1,280 wide, or 7,000 short texts of 25 tokens, each 384 wide."""


class Resident:
    """Arrays of equal shape, or sequences [T, …] of different lengths, end to end in one tensor.

    Args:
        arrays: one a row.
        pad: what fills sequences up to the longest of a batch, which are then masked; None for arrays of equal shape.
    """

    def __init__(self, arrays: Sequence[np.ndarray], pad: int | None) -> None:
        self.is_ragged = pad is not None
        if not self.is_ragged:
            self._values = torch.from_numpy(np.stack(arrays))  # [N, …]
            return
        filler = np.full((1, *arrays[0].shape[1:]), pad, dtype=arrays[0].dtype)
        values = torch.from_numpy(np.concatenate([filler, *arrays]))  # [1 + sum of T, …]; row 0 is padding
        self._values = values.long() if values.dtype == torch.int32 else values
        self._lengths = torch.tensor([len(array) for array in arrays])
        self._starts = 1 + self._lengths.cumsum(0) - self._lengths

    def batch(self, rows: Sequence[int]) -> Activations:
        """Some rows, sequences padded to the longest: what `columns.stack` gives for the same arrays."""
        index = torch.tensor(rows, dtype=torch.int64)
        if not self.is_ragged:
            return Activations(self._values[index])
        lengths = self._lengths[index].unsqueeze(1)  # [B, 1]
        steps = torch.arange(int(lengths.max()))  # [T]
        mask = steps < lengths  # [B, T]
        places = torch.where(mask, self._starts[index].unsqueeze(1) + steps, 0)
        return Activations(self._values[places], mask)


def make_resident(read: Callable[[int], np.ndarray], rows: int, pad: int | None) -> Resident | None:
    """Read every row, or give up as soon as they take more than `RESIDENT_BYTES`.

    Args:
        read: gives the array of a row.
        rows: how many there are.
        pad: see `Resident`.
    """
    arrays: list[np.ndarray] = []
    size = 0
    for row in range(rows):
        arrays.append(read(row))
        size += arrays[-1].nbytes
        expected = size if pad is not None else arrays[0].nbytes * rows
        if expected > RESIDENT_BYTES:
            return None
    return Resident(arrays, pad)
