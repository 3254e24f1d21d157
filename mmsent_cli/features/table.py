"""Make training batches from the text column and the image column. Seed and epoch determine the order of the pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from mmsent_cli.compute.transfer import pinned
from mmsent_cli.features.resident import BatchSource, on_device
from mmsent_cli.model import Batch

CPU = torch.device("cpu")
WINDOW_BATCHES = 50
"""Number of batches in a window. The rows of a window are sorted by text length together."""


@dataclass(frozen=True, slots=True)
class Table:
    """All pairs of a run, encoded by the stored stages (`Encoder.cut`) of the encoders.

    Attributes:
        text: the activations of the texts.
        image: the activations of the images.
        lengths: number of tokens of each text [N]. The batches are made from these lengths, so they are the same for
            all models.
        targets: class number of each pair [N].
        train: numbers of the training pairs.
        val: numbers of the validation pairs, ordered by text length to save padding.
    """

    text: BatchSource
    image: BatchSource
    lengths: Sequence[int]
    targets: np.ndarray
    train: tuple[int, ...]
    val: tuple[int, ...]

    def batches(self, rows: Sequence[int], size: int) -> Iterator[Batch]:
        """Yield batches of at most `size` of these rows, in order, without augmentation."""
        return (self.batch(rows[start : start + size]) for start in range(0, len(rows), size))

    def batch(self, rows: Sequence[int], epoch: int | None = None) -> Batch:
        """Make a batch of these rows. `epoch` determines the augmented views of the images; None means evaluation."""
        present = [[bool(self.text.keys[row]), bool(self.image.keys[row])] for row in rows]
        targets = torch.from_numpy(self.targets[list(rows)])
        return Batch(self.text.batch(rows, epoch), self.image.batch(rows, epoch), torch.tensor(present), targets)


class EpochBatches(Sampler[list[int]]):
    """The batches of an epoch, as lists of rows. If `epoch` is None (evaluation), the rows keep their order.

    Attributes:
        epoch: the epoch, which must be set before each pass.
    """

    def __init__(
        self, table: Table, batch_size: int, seed: int, is_training: bool, part: tuple[int, int] = (0, 1)
    ) -> None:
        self.rows = table.train if is_training else table.val
        self.lengths = [table.lengths[row] for row in self.rows]
        self.batch_size = batch_size
        self.drop_last = False  # Accelerate reads this attribute
        self.seed = seed
        self.epoch: int | None = 1 if is_training else None
        self.part = part

    def __iter__(self) -> Iterator[list[int]]:
        number, count = self.part
        for batch in self._batches():
            if own := batch[number::count]:
                yield own
            elif self.epoch is not None:  # all processes make the same number of training steps
                yield [~batch[0]]

    def _batches(self) -> Iterator[list[int]]:
        if self.epoch is not None:
            batches = epoch_batches(self.lengths, self.batch_size, self.seed, self.epoch)
            return ([self.rows[index] for index in batch] for batch in batches)
        starts = range(0, len(self.rows), self.batch_size)
        return (list(self.rows[start : start + self.batch_size]) for start in starts)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def largest(self) -> list[int]:
        """Return the row numbers of the batch with the most tokens. Padding counts as tokens."""
        lengths = dict(zip(self.rows, self.lengths, strict=True))
        return max(self._batches(), key=lambda rows: len(rows) * max(lengths[row] for row in rows))


class _BatchDataset(Dataset[Any]):
    """A data set for PyTorch that reads and pads a whole batch at once."""

    def __init__(self, table: Table, sampler: EpochBatches) -> None:
        self.table = table
        self.sampler = sampler

    def __getitems__(self, rows: list[int]) -> Batch:
        """Make the batch of these rows. In a filler batch, each row is `~n`: a copy of pair n with an unknown class."""
        batch = self.table.batch([max(row, ~row) for row in rows], self.sampler.epoch)
        return batch._replace(target=torch.full_like(batch.target, -1)) if rows[0] < 0 else batch

    def __len__(self) -> int:
        return len(self.sampler.rows)


def make_loader(table: Table, sampler: EpochBatches, workers: int, device: torch.device = CPU) -> DataLoader[Any]:
    """Make a loader that yields batches in the order of the sampler.

    If `workers` is 0 and the features fit into the memory of a GPU, they are kept there. Otherwise, each batch is
    copied to the GPU from pinned memory.

    Args:
        table: the pairs.
        sampler: chooses the rows of each batch.
        workers: number of extra processes that load batches.
        device: where the batches are used.
    """
    is_cuda = device.type == "cuda"
    if workers:  # else each worker would read all rows into its own memory
        table.text.load()
        table.image.load()
    elif is_cuda:
        table = replace(table, text=on_device(table.text, device), image=on_device(table.image, device))
    dataset = _BatchDataset(table, sampler)
    collate = pinned if is_cuda and not workers else _as_it_is
    pins = is_cuda and workers > 0
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=workers, pin_memory=pins)


def _as_it_is(batch: Any) -> Any:
    return batch


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Make the batches of an epoch, with texts of similar lengths in a batch. Seed and epoch determine the order.

    Rows are shuffled, sorted by length within windows of `WINDOW_BATCHES` batches, and divided into batches, which are
    shuffled again. On tweets, this halves the padding.

    Args:
        lengths: number of tokens of each training pair [N].
        batch_size: pairs per batch; one batch may be smaller.
        seed: the seed of the run.
        epoch: the epoch, counted from 1.

    Returns:
        Lists of indices into `lengths`. Each index occurs once.
    """
    draws = np.random.default_rng([seed, epoch])
    order = draws.permutation(len(lengths)).tolist()
    window = WINDOW_BATCHES * batch_size
    windows = [
        sorted(order[start : start + window], key=lambda i: lengths[i]) for start in range(0, len(order), window)
    ]
    by_length = [index for part in windows for index in part]
    batches = [by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)]
    return [batches[number] for number in draws.permutation(len(batches))]
