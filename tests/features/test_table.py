"""Every pair once an epoch, in an order that seed and epoch decide."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmsent_cli.features.table import EpochBatches, epoch_batches, make_loader
from mmsent_cli.training.loss import seed_everything
from tests.training.builders import tiny_table

some_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=300)


@given(lengths=some_lengths, batch_size=st.integers(1, 40), seed=st.integers(0, 2**31), epoch=st.integers(1, 50))
def test_an_epoch_covers_each_row_once(lengths, batch_size, seed, epoch):
    batches = epoch_batches(lengths, batch_size, seed, epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert sorted(map(len, batches))[1:] == [batch_size] * (len(batches) - 1)
    assert batches == epoch_batches(lengths, batch_size, seed, epoch)


def test_seed_and_epoch_change_the_order_and_who_meets_whom():
    lengths = [1 + row % 30 for row in range(200)]
    orders = [epoch_batches(lengths, 8, seed, epoch) for seed, epoch in ((0, 1), (0, 2), (1, 1))]
    as_sets = [{frozenset(batch) for batch in order} for order in orders]
    assert as_sets[0] != as_sets[1] != as_sets[2] != as_sets[0]


def test_batches_hold_texts_of_about_equal_length():
    lengths = [1 + (row * 7) % 40 for row in range(400)]
    padded = sum(max(lengths[row] for row in batch) * len(batch) for batch in epoch_batches(lengths, 8, 0, 1))
    assert padded < 1.1 * sum(lengths)


def test_training_rows_are_shuffled_and_validation_rows_are_not():
    table = tiny_table(train=10, val=5)
    sampler = EpochBatches(table, 4, seed=0, is_training=True)
    assert sorted(row for batch in sampler for row in batch) == list(table.train)
    first = list(sampler)
    sampler.epoch = 2
    assert list(sampler) != first
    assert len(sampler) == 3
    assert list(EpochBatches(table, 4, 0, is_training=False)) == [[10, 11, 12, 13], [14]]


def test_a_batch_holds_the_rows_asked_for_and_says_what_is_missing():
    table = replace(tiny_table(), targets=np.arange(36))
    table.text.keys[3] = table.image.keys[7] = ""
    batch = table.batch([7, 3, 1])
    assert torch.equal(batch.text.values, table.text.values[[7, 3, 1]])
    assert torch.equal(batch.image.values, table.image.values[[7, 3, 1]])
    assert batch.target.tolist() == [7, 3, 1]
    assert batch.present.tolist() == [[True, False], [False, True], [True, True]]
    assert [part.target.tolist() for part in table.batches([7, 3, 1], 2)] == [[7, 3], [1]]


@pytest.mark.parametrize(("lengths", "rows"), [((3, 4, 3, 4, 3, 3), [0, 2, 4, 5]), ((1, 9, 1, 9, 1, 1), [1, 3])])
def test_the_largest_batch_has_the_most_tokens_with_padding(lengths, rows):
    """Batches of four and of two texts of equal length: 12 and 8 tokens, or 4 and 18."""
    table = replace(tiny_table(train=6, val=0), lengths=lengths)
    assert sorted(EpochBatches(table, 4, 0, is_training=True).largest()) == rows


def test_worker_processes_change_nothing():
    table = tiny_table()
    loaded = []
    for workers in (0, 1):
        seed_everything(0, 1)
        sampler = EpochBatches(table, 4, seed=0, is_training=True)
        loaded.append([batch.text.values for batch in make_loader(table, sampler, workers)])
        batches = zip(make_loader(table, sampler, workers), sampler, strict=True)
        assert all(batch.target.tolist() == table.targets[rows].tolist() for batch, rows in batches)
    assert all(torch.equal(one, other) for one, other in zip(*loaded, strict=True))


def test_draws_follow_seed_and_epoch():
    def draw(seed, epoch):
        seed_everything(seed, epoch)
        return torch.rand(3).tolist()

    assert draw(1, 2) == draw(1, 2)
    assert len({tuple(draw(*of)) for of in ((1, 2), (2, 1), (1, 1), (0, 0))}) == 4
