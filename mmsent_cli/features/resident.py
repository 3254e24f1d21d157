"""Keep features in the memory of a GPU while models are trained on them."""

from collections.abc import Sequence
from typing import Protocol

import torch

from mmsent_cli.encoders.contract import Activations
from mmsent_cli.features.batching import PackedArrays


class BatchSource(Protocol):
    """Makes batches of the texts or the images of all pairs, as a `Column` does."""

    keys: list[str]

    def batch(self, rows: Sequence[int], epoch: int | None = None) -> Activations:
        """Make a batch of some pairs; see `Column.batch`."""
        ...

    def load(self) -> PackedArrays | None:
        """Return all features in memory, without augmentation; None if they are too large."""
        ...


class ResidentColumn:
    """A column whose features are kept on a device. Augmented views are still read from the original column.

    Args:
        column: the original column.
        packed: the features of the column, on the device.
        is_augmented: True if training batches are augmented.
    """

    def __init__(self, column: BatchSource, packed: PackedArrays, is_augmented: bool) -> None:
        self.keys = column.keys
        self._column = column
        self._packed = packed
        self._is_augmented = is_augmented

    def batch(self, rows: Sequence[int], epoch: int | None = None) -> Activations:
        """Make a batch of some pairs; see `Column.batch`."""
        if epoch is not None and self._is_augmented:
            return self._column.batch(rows, epoch)
        return self._packed.batch(rows)

    def load(self) -> PackedArrays:
        """Return the features on the device."""
        return self._packed


def on_device(column: BatchSource, device: torch.device) -> BatchSource:
    """Return a column whose features are kept on a device.

    If the features are too large, or are already on a device, return the given column.
    """
    packed = column.load()
    if packed is None or isinstance(column, ResidentColumn):
        return column
    return ResidentColumn(column, packed.on(device), getattr(column, "augmentation", None) is not None)
