"""`env` judges any machine: facts are made up, and the outcome for each symptom is asserted."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from mmsent_cli import api
from mmsent_cli.checks import collect
from mmsent_cli.checks.collect import (
    CpuFacts,
    FolderFacts,
    HubFacts,
    MachineFacts,
    TorchFacts,
    WeightFacts,
    found_weights,
)
from mmsent_cli.checks.machine import is_built_for, machine_outcomes
from mmsent_cli.compute import gpu
from mmsent_cli.compute.gpu import GpuFacts, wheel_command
from mmsent_cli.encoders.image import faces
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.results import can_train
from tests.commands.running import mmsent

GB = 10**9
H100 = ("NVIDIA H100", (9, 0))
CUDA = TorchFacts(version="2.9.1+cu130", cuda="13.0")
PLAIN = TorchFacts(version="2.9.1+cpu")
GOOD = MachineFacts(
    python="3.11.7",
    mmsent="0.1.0",
    system="Linux",
    torch=replace(PLAIN, threads=2),
    gpu=GpuFacts(),
    cpu=CpuFacts(flags=frozenset({"avx2"}), cores=2, allowed=2),
    memory_bytes=16 * GB,
    free_memory_bytes=8 * GB,
    folders=(FolderFacts(purpose="cache", path="/c", free_bytes=50 * GB),),
    hub=HubFacts(endpoint="https://hub", is_reachable=True),
    weights=(WeightFacts(name="MiniLM-L6", needed_by="compact", place="/w", is_packaged=True),),
)


def outcomes(**changes):
    return {one.check: one for one in machine_outcomes(replace(GOOD, **changes))}


def test_a_good_machine_has_nothing_to_mend():
    found = outcomes()
    assert {one.level for one in found.values()} == {"ok"}
    assert len(found) == 12


@pytest.mark.parametrize(
    ("gpu", "torch", "level", "message", "advice"),
    [
        # System B's troubleshooting: a driver, and a wheel without CUDA
        (GpuFacts(driver="550.54", driver_cuda="12.8"), PLAIN, "warning", "built without CUDA", "whl/cu128"),
        (GpuFacts(driver="535.10", driver_cuda="12.2"), PLAIN, "warning", "built without CUDA", "update the driver"),
        # a wheel with CUDA, and no driver
        (GpuFacts(has_card=True), CUDA, "warning", "no NVIDIA driver", "install the driver"),
        (GpuFacts(), CUDA, "ok", "the CPU is used", ""),
        # versions that do not fit
        (GpuFacts(driver="550.54", driver_cuda="12.4"), CUDA, "warning", "too old for torch", "update the driver"),
        (GpuFacts(driver="580.1", driver_cuda="13.0"), CUDA, "warning", "finds no GPU", "--gpus all"),
        (GpuFacts(driver="580.1", driver_cuda="13.0", visible=""), CUDA, "warning", "hides", "unset"),
        (GpuFacts(driver="580.1", driver_cuda="13.0", visible="-1"), CUDA, "warning", "hides", "unset"),
        (GpuFacts(problem="Driver/library version mismatch"), CUDA, "warning", "mismatch", "restart"),
        (GpuFacts(problem="couldn't communicate with the NVIDIA driver"), PLAIN, "warning", "communicate", "again"),
        # a GPU that works, and one for which torch has no code
        (GpuFacts(driver="580.1"), replace(CUDA, devices=(H100,)), "ok", "NVIDIA H100", ""),
        (
            GpuFacts(driver="580.1"),
            replace(CUDA, devices=(("Tesla K80", (3, 7)),), architectures=("sm_75", "sm_90")),
            "error", "no code for Tesla K80", "--device cpu",
        ),
        (GpuFacts(), replace(PLAIN, has_mps=True), "ok", "Apple", ""),
    ],
)  # fmt: skip
def test_why_a_gpu_is_not_used(gpu, torch, level, message, advice):
    found = outcomes(gpu=gpu, torch=replace(torch, threads=2))
    one = found["GPU"]
    assert (one.level, message in one.message, advice in one.advice) == (level, True, True)
    assert can_train(found.values()) is (level != "error")


@pytest.mark.parametrize(
    ("capability", "architectures", "is_built"),
    [
        ((9, 0), ("sm_80", "sm_90"), True),
        ((8, 6), ("sm_80",), True),  # machine code runs on later minor versions
        ((9, 0), ("sm_80",), False),  # and not on the next major one
        ((9, 0), ("sm_80", "compute_80"), True),  # for which the driver translates it
        ((12, 0), ("sm_90a", "compute_120"), True),
        ((3, 7), ("sm_50", "compute_50"), False),
        ((9, 0), (), True),
    ],
)
def test_what_a_build_of_torch_runs_on(capability, architectures, is_built):
    assert is_built_for(capability, architectures) is is_built


def test_the_wheel_is_the_newest_that_the_driver_supports():
    found = {cuda: wheel_command(cuda).rpartition("/")[2] for cuda in ("13.1", "12.9", "12.7", "")}
    assert found == {"13.1": "cu130", "12.9": "cu128", "12.7": "cu126", "": "cu130"}


@pytest.mark.parametrize(
    ("changes", "check", "level"),
    [
        ({"torch": TorchFacts(problem="libcudart.so.12: cannot open")}, "torch", "error"),
        ({"unmet": ("torch>=2.9 (installed: 2.1)",)}, "packages", "error"),
        ({"openmp": (("libgomp", "/a"), ("libgomp", "/b"))}, "OpenMP", "ok"),
        ({"openmp": (("libgomp", "/a"), ("libiomp", "/b"))}, "OpenMP", "warning"),
        ({"openmp": (("libiomp", "/a"), ("libiomp", "/b"))}, "OpenMP", "warning"),
        ({"openmp": (("libomp", "/a"),)}, "OpenMP", "ok"),
        ({"cpu": CpuFacts(flags=frozenset({"sse2"}), cores=2, allowed=2)}, "precision", "warning"),
        ({"cpu": CpuFacts(flags=frozenset({"asimd"}), cores=2, allowed=2)}, "precision", "ok"),
        ({"cpu": CpuFacts(cores=64, allowed=64, quota=1.0)}, "cores", "warning"),
        ({"cpu": CpuFacts(cores=64, allowed=1)}, "cores", "warning"),
        ({"cpu": CpuFacts(cores=64, allowed=64, quota=1.5)}, "cores", "ok"),
        ({"free_memory_bytes": 2 * GB}, "memory", "warning"),
        ({"free_memory_bytes": GB // 2}, "memory", "error"),
        ({"folders": (FolderFacts(purpose="cache", path="/c", free_bytes=GB),)}, "disk, cache", "warning"),
        ({"folders": (FolderFacts(purpose="runs", path="/c", free_bytes=10**8),)}, "disk, runs", "error"),
        (
            {"folders": (FolderFacts(purpose="runs", path="/c", free_bytes=50 * GB, is_writable=False),)},
            "disk, runs", "error",
        ),
        ({"folders": (FolderFacts(purpose="runs", path="/c", free_bytes=-1),)}, "disk, runs", "ok"),
        ({"hub": HubFacts(endpoint="https://hub", is_reachable=False)}, "hub", "warning"),
        ({"hub": HubFacts(endpoint="https://hub", is_reachable=None)}, "hub", "ok"),
        ({"weights": (WeightFacts(name="CLIP", needed_by="clip"),)}, "weights, CLIP", "ok"),
        ({"weights": (WeightFacts(name="A", needed_by="x", advice="y", is_packaged=True),)}, "weights, A", "warning"),
        ({"weights": (WeightFacts(name="A", needed_by="x", problem="bad", advice="y"),)}, "weights, A", "warning"),
        ({"extras": {"ocr": ("rapidocr",), "heif": ()}}, "extras", "ok"),
        ({"cache_bytes": {"features": 20 * GB}}, "caches", "warning"),
    ],
)  # fmt: skip
def test_what_else_a_machine_can_lack(changes, check, level):
    found = outcomes(**changes)
    assert found[check].level == level
    assert bool(found[check].advice) == (level != "ok" or check in ("extras",))
    assert can_train(found.values()) is (level != "error")


def test_the_precision_that_the_hardware_has():
    cpu = CpuFacts(flags=frozenset({"avx2", "avx512_bf16", "amx_bf16", "avx_vnni"}), cores=2, allowed=2)
    message = outcomes(cpu=cpu)["precision"].message
    assert ("bf16 instructions: AMX" in message, "int8: AVX VNNI" in message) == (True, True)
    for capability, kind in (((8, 0), "bf16"), ((7, 5), "fp16")):
        gpus = replace(CUDA, devices=(("GPU", capability),), threads=2)
        assert f"computes in {kind}" in outcomes(torch=gpus)["precision"].message


SMI = "| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: 12.4 |"


@pytest.mark.parametrize(
    ("text", "code", "read"),
    [
        (SMI, 0, ("550.54.15", "12.4", "")),
        ("Failed to initialize NVML: Driver/library version mismatch", 18, ("", "", True)),
        ("", 9, ("", "", "nvidia-smi ended with 9")),
    ],
)
def test_what_nvidia_smi_prints_is_read(text, code, read):
    found = gpu.read_driver(text, code)
    assert found[:2] == read[:2]
    assert found[2] == read[2] or (read[2] is True and "mismatch" in found[2])


def test_a_driver_that_hangs_is_given_up(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(gpu, "SECONDS", 0.2)
    assert "did not respond" in gpu.gpu_facts().problem


def test_limits_of_a_container_are_read(tmp_path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert collect.cpu_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert collect.cpu_quota(tmp_path) is None
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert collect.cpu_quota(tmp_path) is None
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000\n")
    assert collect.cpu_quota(tmp_path) == 2.0
    assert collect.cpu_quota(tmp_path / "none") is None


def test_packages_of_another_version_are_found(monkeypatch):
    monkeypatch.setattr(
        collect.metadata, "requires", lambda name: ["torch>=99", "numpy", "no-such-package; extra == 'x'"]
    )
    assert collect._unmet("mmsent") == (f"torch>=99 (installed: {collect._installed('torch')})",)
    monkeypatch.setattr(collect.metadata, "requires", lambda name: ["no-such-package>=2"])
    assert collect._unmet("mmsent", "torchvision") == ("no-such-package>=2 (installed: none)",)


def test_weights_are_found_with_their_digest(tmp_path):
    folder = tmp_path / "mine" / "bert-base-uncased"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder.parent / "centerface.onnx").write_bytes(b"another")
    found = {each.name: each for each in found_weights(WeightSource(tmp_path / "mine", offline=True, cache=tmp_path))}
    assert len(found) == 9
    assert "not the original file" in found["centerface.onnx"].problem
    assert found["centerface.onnx"].advice == faces.INSTALL
    assert found["MiniLM-L6"].sha256.startswith("53aa51172d14")
    assert found["EfficientNet-Lite0"].problem == ""
    bert = found["BERT-base"]
    assert (bert.place, bert.sha256) == (str(folder / "model.safetensors"), sha256(b"weights").hexdigest())
    assert (found["CLIP ViT-B/32"].place, "hf download" in found["CLIP ViT-B/32"].advice) == ("", True)


def test_damaged_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("mmsent_cli.encoders.text.minilm.SHA256", "0" * 64)
    found = next(found_weights(WeightSource(None, offline=True, cache=tmp_path)))
    assert ("not the original file" in found.problem, "--force-reinstall" in found.advice) == (True, True)


def test_env_of_this_machine_is_good_without_a_connection(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = api.env(offline=True, is_timed=False)
    assert result.can_train
    levels = result.to_frame().set_index("check")["level"]
    assert levels["hub"] == "ok", "it was not asked, as wanted"
    assert levels["torch"] == "ok"
    assert not (tmp_path / "runs").exists()
    shown = mmsent("env", "--offline", "--no-timing", "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["facts"]["torch"] == result.facts["torch"]


@pytest.mark.parametrize("offline", [False, True])
def test_the_hub_is_that_of_the_environment_and_not_asked_offline(monkeypatch, tmp_path, offline):
    asked = []
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror")
    monkeypatch.setattr(collect, "is_reachable", asked.append)
    hub = collect._hub(WeightSource(None, offline=offline, cache=tmp_path))
    assert (hub.endpoint, asked) == ("http://mirror", [] if offline else ["http://mirror"])
    assert not hub.is_reachable


def test_a_torch_that_cannot_be_imported_is_a_finding(tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so.12: cannot open shared object file')")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "mmsent_cli", "env", "--offline", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
    )
    assert done.returncode == 1, done.stderr
    (found,) = [one for one in json.loads(done.stdout)["checks"] if one["level"] == "error"]
    assert (found["check"], "libcudart.so.12" in found["message"]) == ("torch", True)
