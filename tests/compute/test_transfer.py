"""Copies to and from a device: on a CPU they change nothing, and looking ahead changes no order."""

from types import SimpleNamespace

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


def test_a_result_is_waited_for_on_the_stream_of_its_own_gpu(monkeypatch):
    """A thread begins with the first GPU as its current one, whichever the main thread has chosen."""
    done = []
    event = SimpleNamespace(record=lambda stream: done.append(stream), synchronize=lambda: done.append("waited"))
    host = SimpleNamespace(copy_=lambda values, non_blocking: done.append("copied"), numpy=lambda: np.ones(2))
    monkeypatch.setattr(torch, "empty", lambda *_, **__: host)
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: f"stream of {device}")
    fetch = begin_fetch(SimpleNamespace(device=torch.device("cuda:1"), shape=(2,), dtype=torch.float32))
    assert done == ["copied", "stream of cuda:1"]
    assert fetch().tolist() == [1.0, 1.0] and done[-1] == "waited"
