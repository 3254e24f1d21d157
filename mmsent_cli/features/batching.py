"""Combine arrays of several pairs into a batch. Equal shapes are stacked; sequences are padded and masked.

Shape letters: B pairs of a batch, N pairs in all, T tokens or positions.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch

from mmsent_cli.compute.transfer import to_device
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs


class PackedArrays:
    """Arrays of all rows, concatenated in one tensor. So a batch is read with one index operation.

    Args:
        arrays: an array per row, all of equal shape, or sequences [T, …] of different lengths. Token ids become int64.
        pad: the value for padding sequences; None for arrays of equal shape.
        multiple: sequences are padded to a multiple of this length. So a GPU gets fewer different shapes.
        longest: maximum length after padding.
    """

    def __init__(
        self, arrays: Sequence[np.ndarray], pad: int | None, multiple: int = 1, longest: int | None = None
    ) -> None:
        self.is_ragged = pad is not None
        self._multiple = multiple
        self._longest = longest
        self._moved: dict[torch.device, PackedArrays] = {}
        if not self.is_ragged:
            self._values = torch.from_numpy(np.stack(arrays))  # [N, …]
            return
        filler = np.full((1, *arrays[0].shape[1:]), pad, dtype=arrays[0].dtype)
        values = torch.from_numpy(np.concatenate([filler, *arrays]))  # [1 + sum of T, …]; row 0 is padding
        self._values = values.long() if values.dtype == torch.int32 else values
        self._lengths = torch.tensor([len(array) for array in arrays])
        self._starts = 1 + self._lengths.cumsum(0) - self._lengths

    def batch(self, rows: Sequence[int]) -> Activations:
        """Make a batch [B, …] of some rows, with a mask [B, T] if they are sequences."""
        device = self._values.device
        place = str(device)
        index = torch.tensor(rows, dtype=torch.int64)
        if not self.is_ragged:
            return Activations(self._values[to_device(index, place)])
        lengths = self._lengths[index].unsqueeze(1)  # [B, 1], in the machine's memory: its maximum is needed here
        steps = torch.arange(self._padded(int(lengths.max())), device=device)  # [T]
        mask = steps < to_device(lengths, place)  # [B, T]
        places = torch.where(mask, to_device(self._starts[index].unsqueeze(1), place) + steps, 0)
        return Activations(self._values[places], mask)

    def on(self, device: torch.device) -> "PackedArrays":
        """Return the same arrays in the memory of a device. The first call copies them; later calls return the copy."""
        if device not in self._moved:
            self._moved[device] = copy.copy(self)
            self._moved[device]._values = self._values.to(device)
        return self._moved[device]

    def _padded(self, length: int) -> int:
        padded = -(-length // self._multiple) * self._multiple
        return padded if self._longest is None else max(length, min(padded, self._longest))


def pack_if_small(
    read: Callable[[int], np.ndarray], rows: int, limit_bytes: int, pad: int | None, multiple: int = 1
) -> PackedArrays | None:
    """Read all rows into memory. Returns None if they need more than `limit_bytes`.

    Args:
        read: a function that returns the array of a row.
        rows: the number of rows.
        limit_bytes: the maximum size.
        pad, multiple: see `PackedArrays`.
    """
    arrays: list[np.ndarray] = []
    size = 0
    for row in range(rows):
        arrays.append(read(row))
        size += arrays[-1].nbytes
        expected = size if pad is not None else arrays[0].nbytes * rows
        if expected > limit_bytes:
            return None
    return PackedArrays(arrays, pad, multiple)


def stack(arrays: Sequence[np.ndarray], pad: int | None, multiple: int = 1, longest: int | None = None) -> Activations:
    """Make a batch of all given arrays; for the arguments, see `PackedArrays`."""
    if pad is None:
        return Activations(torch.from_numpy(np.stack(arrays)))
    return PackedArrays(arrays, pad, multiple, longest).batch(range(len(arrays)))


def longest_input(encoder: Encoder) -> int | None:
    """Return the maximum number of tokens that a text encoder accepts; None for an image encoder."""
    return None if isinstance(encoder.inputs, ImageInputs) else encoder.inputs.max_length_tokens


def raw_pad(encoder: Encoder) -> int | None:
    """Return the value for padding an encoder's inputs: the id of the padding token for texts, None for images."""
    return None if isinstance(encoder.inputs, ImageInputs) else encoder.inputs.pad_id


def stored_pad(encoder: Encoder) -> int | None:
    """Return the value for padding the output of an encoder's stored stages.

    Returns None if the output has the same shape for all pairs.
    """
    if isinstance(encoder.inputs, ImageInputs) or encoder.cut == encoder.n_stages:
        return None
    return raw_pad(encoder) if encoder.cut == 0 else 0
