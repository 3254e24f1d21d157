"""On a GPU: the same bytes in two runs, the metrics of a CPU in fp32, what is recorded, too little memory."""

import json

import pytest
import torch

from tests.commands.running import mmsent, small_lab, succeed, weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture
def command(tmp_path, monkeypatch, weights_dir):
    monkeypatch.chdir(tmp_path)
    small_lab(tmp_path / "lab")
    encoders = ("--encoders", "bert-resnet18", "--weights-dir", weights_dir, "--offline", "--image-size-px", 32)
    return ("train", "--data", "lab", *encoders, "--freeze-text", 1, "--epochs", 2, "--batch-size", 5, "--json")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.filterwarnings("error::UserWarning:torch.optim")
def test_the_same_command_gives_the_same_bytes(command, precision):
    one, other = (succeed(*command, "--device", "cuda:0", "--precision", precision)["run"] for _ in range(2))
    assert weights(one).keys() == weights(other).keys()
    assert all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())


def test_fp32_gives_the_metrics_of_a_cpu(command):
    still = ("--precision", "fp32", "--head-dropout", "0,0", "--modality-dropout", 0, "--freeze-text", "all")
    here, there = (succeed(*command, *still, "--device", device) for device in ("cuda", "cpu"))
    for one, other in zip(here["history"], there["history"], strict=True):
        assert one["val_loss"] == pytest.approx(other["val_loss"], rel=1e-3)


def test_the_machine_and_its_memory_are_recorded(command, tmp_path):
    result = succeed(*command, "--device", "cuda:0")
    environment = json.loads((tmp_path / result["run"] / "environment.json").read_text())
    assert environment["gpu"] == torch.cuda.get_device_name(0)
    assert 0 < result["gpu_memory_bytes"] < environment["gpu_memory_gb"] * 1e9


def test_memory_that_is_too_small_is_an_error_with_what_to_try(command):
    torch.cuda.set_per_process_memory_fraction(1e-6)
    try:
        answer = mmsent(*command, "--device", "cuda:0")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert answer.exit_code == 1
