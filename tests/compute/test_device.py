"""Device and compute: what is refused, and what a user without a visible GPU is told."""

import os
import time

import pytest
import torch

from mmsent_cli.compute import bf16_probe
from mmsent_cli.compute import device as precision
from mmsent_cli.compute.device import Compute, choose_compute, diagnose_cuda, make_accelerator
from mmsent_cli.compute.gpu import GpuFacts
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.contract import Activations
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.files import default_cache_dir
from tests.training.builders import IN_DIM, tiny_encoder


def chosen_for(runtime):
    return choose_compute(runtime, default_cache_dir(runtime.cache_dir))


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    "runtime",
    [
        {"device": "cuda"},
        {"device": "cuda:1"},
        {"device": "mps"},
        {"device": "cpu", "precision": "fp16"},
    ],
)
def test_what_this_machine_cannot_do_is_refused(runtime, no_gpu):
    with pytest.raises(ConfigError):
        chosen_for(RuntimeConfig(**runtime))


@pytest.fixture
def one_gpu(monkeypatch):
    """A machine with one GPU; collects the device that is made the current one."""
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    return chosen


@pytest.mark.parametrize(("device", "chosen"), [("auto", []), ("cuda", []), ("cuda:0", [0])])
def test_a_gpu_becomes_the_current_one_and_repeats_its_results(device, chosen, one_gpu):
    compute, note = chosen_for(RuntimeConfig(device=device))
    assert (compute, note) == (Compute("cuda" if device == "auto" else device, "bf16"), "")
    assert one_gpu == chosen
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_gpu_that_is_not_there_is_refused_by_its_number(one_gpu):
    with pytest.raises(ConfigError, match="cuda:9") as refused:
        chosen_for(RuntimeConfig(device="cuda:9"))
    assert "cuda:0" in (refused.value.hint or "")
    assert one_gpu == []


def test_the_users_own_setting_of_cublas_stays(one_gpu, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    chosen_for(RuntimeConfig(device="cuda"))
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_batches_follow_from_the_device(monkeypatch):
    monkeypatch.setattr(precision, "memory_bytes", {"cuda:1": 80 * 10**9, "cuda:2": 8 * 10**9}.get)
    sizes = [
        (each.text_batch, each.image_batch, each.predict_batch)
        for each in (Compute("cpu", "fp32"), Compute("cuda:1", "bf16"), Compute("cuda:2", "fp16"))
    ]
    assert sizes == [(32, 8, 16), (256, 256, 256), (64, 64, 64)]
    gpu, cpu = Compute("cuda", "bf16"), Compute("cpu", "fp32")
    assert (gpu.length_multiple, gpu.batches_ahead, cpu.length_multiple, cpu.batches_ahead) == (16, 2, 1, 0)
    assert Compute("cpu", "fp32").decoders == 2
    assert Compute("cuda", "bf16").decoders == len(os.sched_getaffinity(0))


def test_a_cpu_is_the_fallback_and_its_precision_follows_the_hardware(no_gpu, monkeypatch):
    monkeypatch.setattr(precision, "gpu_facts", GpuFacts)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    for has_amx, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda has_amx=has_amx: has_amx)
        assert chosen_for(RuntimeConfig(engine="torch")) == (Compute("cpu", expected), "")
    assert chosen_for(RuntimeConfig(device="cpu", precision="bf16"))[0].precision == "bf16"


@pytest.mark.parametrize(
    ("speeds", "expected"), [((185.0, 400.0), "bf16"), ((290.0, 155.0), "fp32"), ((10.0, 12.0), "fp32")]
)
def test_avx512_bf16_is_measured_once_and_the_decision_kept(speeds, expected, no_gpu, monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "gpu_facts", GpuFacts)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    measured = []
    monkeypatch.setattr(bf16_probe, "measure", lambda *dtypes: measured.append(dtypes) or list(speeds))
    runtime = RuntimeConfig(cache_dir=str(tmp_path))
    first, again = chosen_for(runtime), chosen_for(runtime)
    assert first == again
    assert first[0].precision == expected
    assert first[1] == "", "environment.json has the precision, and mmsent env the speeds"
    assert measured == [(torch.float32, torch.bfloat16)]
    asked = chosen_for(RuntimeConfig(cache_dir=str(tmp_path), precision="bf16", engine="torch"))
    assert asked == (Compute("cpu", "bf16"), "")
    monkeypatch.setattr(torch, "__version__", "another")
    chosen_for(runtime)
    assert len(measured) == 2


def test_a_damaged_measurement_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(bf16_probe, "measure", lambda *_: [1.0, 2.0])
    first = bf16_probe.probe_bf16(tmp_path)
    (path,) = (tmp_path / bf16_probe.FOLDER).iterdir()
    for content in ("{", "[1]", '{"cpu": "x"}', path.read_text().replace("1.0", "0.0")):
        path.write_text(content)
        assert bf16_probe.probe_bf16(tmp_path) == first
        assert bf16_probe.probe_bf16(tmp_path) == first


def test_the_measured_speeds_are_those_of_each_type():
    speeds = bf16_probe.measure(torch.float32, torch.bfloat16)
    assert len(speeds) == 2
    assert min(speeds) > 0


def test_a_busy_machine_does_not_change_the_measured_speeds(monkeypatch):
    """By the clock, this product would have 30 GFLOP/s: as if other programs had the core for 10 ms."""
    monkeypatch.setattr(torch, "mm", lambda *_: time.sleep(0.01))
    assert min(bf16_probe.measure(torch.float32, torch.bfloat16)) > 300


def test_a_gpu_that_torch_does_not_see_is_explained(no_gpu, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    reported = set()
    monkeypatch.setattr(precision, "gpu_facts", lambda: GpuFacts(driver="550.54", driver_cuda="12.4"))
    for cuda in (None, "13.0"):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        reported.add(diagnose_cuda())
        assert chosen_for(RuntimeConfig())[1] == diagnose_cuda()
    monkeypatch.setattr(precision, "gpu_facts", lambda: GpuFacts(has_card=True))
    reported.add(diagnose_cuda())
    assert len(reported) == 3
    monkeypatch.setattr(precision, "gpu_facts", GpuFacts)
    assert diagnose_cuda() == ""
    with pytest.raises(ConfigError, match="neither an NVIDIA card"):
        chosen_for(RuntimeConfig(device="cuda"))


def test_a_cpu_has_the_engine_and_says_if_it_cannot_run_an_encoder(no_gpu, tmp_path):
    compute, _ = chosen_for(RuntimeConfig(cache_dir=str(tmp_path)))
    encoder = tiny_encoder("tiny").freeze(1).eval()
    encoder.inputs = ImageInputs(32)  # its stage takes no pixels
    assert compute.engine is not None
    pixels = Activations(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(RuntimeError):
        compute.prefix(encoder, pixels)
    assert compute.engine_for(encoder) is None
    assert "tiny" in compute.refusals(encoder)[0]
    assert compute.refusals(tiny_encoder("tiny").freeze(0)) == []


def test_the_prefix_runs_in_the_precision_asked_for():
    encoder = tiny_encoder("tiny").freeze(2).eval()
    inputs = Activations(torch.randn(3, IN_DIM))
    full = Compute("cpu", "fp32").prefix(encoder, inputs).values
    reduced = Compute("cpu", "bf16").prefix(encoder, inputs).values
    assert full.dtype == torch.float32
    assert not torch.equal(full, reduced.float())
    torch.testing.assert_close(full, reduced.float(), rtol=0.05, atol=0.02)
    assert not full.requires_grad


def test_a_second_run_in_one_process_does_not_inherit_the_first_ones_settings():
    assert make_accelerator(Compute("cpu", "bf16"), 4).mixed_precision == "bf16"
    second = make_accelerator(Compute("cpu", "fp32"), 1)
    assert second.mixed_precision == "no"
    assert second.gradient_accumulation_steps == 1


@pytest.mark.parametrize(("memory", "expected"), [(80 * 10**9, 2_500_000_000), (4 * 10**9, 256 * 2**20)])
def test_a_gpu_holds_columns_of_a_share_of_its_memory(monkeypatch, memory, expected):
    monkeypatch.setattr(precision, "memory_bytes", lambda _: memory)
    assert Compute("cuda:1", "bf16").column_bytes == expected
    assert Compute("cpu", "fp32").column_bytes == 256 * 2**20


def test_features_that_do_not_fit_are_an_error_with_the_encoder_and_the_batch():
    encoder = tiny_encoder("tiny")

    def too_large(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    encoder.prefix = too_large
    with pytest.raises(MmsentError, match=f"{encoder.name}, with 7 inputs") as caught:
        Compute("cpu", "fp32").prefix(encoder, Activations(torch.zeros(7, IN_DIM)))
    assert "--device cpu" in caught.value.hint
