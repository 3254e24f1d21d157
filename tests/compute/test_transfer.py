"""Copies to and from a device: on a CPU they change nothing, and looking ahead changes no order."""

import numpy as np
import pytest
import torch

from mmsent_cli.compute.transfer import begin_fetch, look_ahead, pinned, to_device
from mmsent_cli.encoders.contract import Activations
from mmsent_cli.model import Batch


def test_on_a_cpu_nothing_is_copied():
    values = torch.arange(6.0).reshape(2, 3)
    assert to_device(values, "cpu") is values
    fetched = begin_fetch(values)()
    assert np.array_equal(fetched, values.numpy()) and np.shares_memory(fetched, values.numpy())


def test_every_tensor_of_a_batch_is_pinned_and_the_rest_stays(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self + 1)
    one = torch.zeros(2)
    batch = pinned(Batch(Activations(one), Activations(one, one), one, torch.empty(2, device="meta")))
    assert isinstance(batch, Batch) and isinstance(batch.text, Activations) and batch.text.mask is None
    assert [each.tolist() for each in (batch.text.values, batch.image.mask, batch.present)] == [[1.0, 1.0]] * 3
    assert batch.target.device.type == "meta"
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *device, **how: (self, device, how))
    moved, device, how = to_device(one, "cuda:1")
    assert (moved.tolist(), device, how) == ([1.0, 1.0], ("cuda:1",), {"non_blocking": True})


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_items_come_in_order_after_those_ahead_were_begun(count):
    begun = []

    def items():
        for number in range(5):
            begun.append(number)
            yield number

    answers = look_ahead(items(), count)
    assert next(answers) == 0
    assert len(begun) == min(count + 1, 5)
    assert list(answers) == [1, 2, 3, 4]
