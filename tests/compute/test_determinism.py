"""Kernels of a GPU and its description, with a stand-in for the GPU."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from mmsent_cli.compute import threads
from mmsent_cli.compute.threads import choose_kernels, describe_gpu, peak_memory_bytes, request_determinism
from mmsent_cli.errors import MmsentError
from mmsent_cli.training.memory import out_of_memory
from tests.training.builders import QUICK, make_trainer, train


@pytest.fixture
def chosen(monkeypatch):
    """The attention kernels that are switched on or off, and whether deterministic algorithms are asked for."""
    found = {}
    for name in ("cudnn", "mem_efficient"):
        monkeypatch.setattr(
            torch.backends.cuda, f"enable_{name}_sdp", lambda is_on, name=name: found.update({name: is_on})
        )
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda is_on, **_: found.update(algorithms=is_on))
    monkeypatch.setattr(threads, "_is_wanted", True)
    return found


@pytest.mark.parametrize(
    ("device_type", "is_deterministic", "expected"),
    [
        ("cuda", True, {"cudnn": False, "mem_efficient": False, "algorithms": True}),
        ("cuda", False, {"cudnn": False, "mem_efficient": True, "algorithms": False}),
        ("cpu", True, {"algorithms": True}),
        ("cpu", False, {"algorithms": True}),
    ],
)
def test_kernels_follow_from_the_device_and_the_option(device_type, is_deterministic, expected, chosen):
    choose_kernels(device_type, is_deterministic)
    request_determinism()
    assert chosen == expected


def test_a_gpu_is_described_and_a_cpu_is_not(monkeypatch):
    gpu = SimpleNamespace(name="A GPU", total_memory=80_000_000_000)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)
    monkeypatch.setattr(threads.shutil, "which", lambda _: None)
    described = describe_gpu("cuda:0")
    assert (described["gpu"], described["gpu_memory_gb"], described["driver"]) == ("A GPU", 80.0, None)
    assert (describe_gpu("cpu"), peak_memory_bytes("cpu")) == ({}, 0)


@pytest.mark.parametrize(
    ("batch_size", "steps", "expected"),
    [(16, 1, ("--batch-size 8", "--accumulation-steps 2")), (5, 2, ("--batch-size 3", "--accumulation-steps 4"))],
)
def test_the_error_for_too_little_memory_gives_half_the_batch(batch_size, steps, expected):
    error = out_of_memory(replace(QUICK, batch_size=batch_size, accumulation_steps=steps))
    assert str(batch_size) in error.message
    assert all(option in error.hint for option in expected)
    assert "--batch-size" not in out_of_memory(replace(QUICK, batch_size=1)).hint


def test_too_little_memory_in_an_epoch_is_that_error():
    trainer = make_trainer()

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    trainer.loss = full
    with pytest.raises(MmsentError, match="4 pairs"):
        train(trainer)
