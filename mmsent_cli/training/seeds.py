"""Everything random is a function of the run's seed and the epoch, so a resumed run repeats the same draws."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

WINDOW = 50
"""Batches that are sorted by length together."""


def seed_everything(seed: int, epoch: int = 0) -> None:
    """Seed Python, numpy and torch for one epoch (0: building the model) and ask for repeatable kernels."""
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic: Any = torch.utils.deterministic
    deterministic.fill_uninitialized_memory = False  # a debugging aid that costs time


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of an epoch: pairs of about equal length together, in an order that seed and epoch decide.

    Rows are shuffled, sorted by length within windows of `WINDOW` batches, cut, and the batches shuffled. On tweets
    this halves the padding of plain shuffling, and which pairs meet in a batch still changes each epoch.

    Args:
        lengths: tokens of each training pair [N].
        batch_size: pairs a batch; the last one may be smaller.
        seed: the run's seed.
        epoch: counted from 1.

    Returns:
        Lists of indices into `lengths`; each index once.
    """
    draws = np.random.default_rng([seed, epoch])
    order = draws.permutation(len(lengths)).tolist()
    window = WINDOW * batch_size
    windows = [
        sorted(order[start : start + window], key=lambda i: lengths[i]) for start in range(0, len(order), window)
    ]
    by_length = [index for part in windows for index in part]
    batches = [by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)]
    return [batches[number] for number in draws.permutation(len(batches))]
