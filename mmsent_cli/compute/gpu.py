"""Find out why a GPU is not used: because of the card, the driver or the torch build. Works without torch."""

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHEELS = ("13.0", "12.8", "12.6")
"""CUDA versions of PyTorch's own wheels. Source: https://pytorch.org/get-started/locally/"""
NO_CARD = "there is neither an NVIDIA card nor an NVIDIA driver"
DRIVERS = "https://www.nvidia.com/drivers"
SECONDS = 10
"""Timeout of nvidia-smi, which a broken driver can block."""
NVIDIA = "0x10de"
DISPLAY = "0x03"
"""PCI numbers of NVIDIA and of the class of graphics cards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """NVIDIA hardware and driver, as the system reports them.

    Attributes:
        has_card: True if an NVIDIA card is on the PCI bus.
        driver: version of the driver; empty if there is no driver.
        driver_cuda: the newest CUDA version that the driver supports; empty if unknown.
        problem: the error of nvidia-smi; empty if there is no error.
        visible: the value of CUDA_VISIBLE_DEVICES; None if it is not set.
    """

    has_card: bool = False
    driver: str = ""
    driver_cuda: str = ""
    problem: str = ""
    visible: str | None = None


def gpu_facts() -> GpuFacts:
    """Return what the system reports about NVIDIA hardware and its driver. This takes at most ten seconds."""
    driver, cuda, problem = _ask_driver()
    if not driver:
        with contextlib.suppress(OSError):  # a container may have the driver without nvidia-smi
            text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
            driver = next(iter(re.findall(r"\s(\d+\.\d+(?:\.\d+)?)\s", text)), "")
    return GpuFacts(
        has_card=_has_card(Path("/sys/bus/pci/devices")),
        driver=driver,
        driver_cuda=cuda,
        problem=problem,
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def _ask_driver() -> tuple[str, str, str]:
    """Return the driver's version, the newest CUDA version that it supports, and the error of nvidia-smi.

    Without nvidia-smi, all three are empty.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return "", "", ""
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "", "", f"nvidia-smi did not respond within {SECONDS} s"
    except OSError as error:
        return "", "", f"nvidia-smi cannot be started: {error.strerror}"
    return read_driver(done.stdout + done.stderr, done.returncode)


def read_driver(text: str, code: int) -> tuple[str, str, str]:
    """Read the driver's version, the CUDA version and the error from the output and the exit code of nvidia-smi."""
    driver = next(iter(re.findall(r"Driver Version:\s*([\d.]+)", text)), "")
    cuda = next(iter(re.findall(r"CUDA Version:\s*([\d.]+)", text)), "")
    problem = "" if code == 0 and driver else " ".join(text.split())[:200] or f"nvidia-smi ended with {code}"
    return ("", "", problem) if problem else (driver, cuda, "")


def _has_card(devices: Path) -> bool:
    """Return True if an NVIDIA graphics card is on the PCI bus (Linux)."""
    for folder in devices.glob("*"):
        with contextlib.suppress(OSError):
            maker, kind = ((folder / name).read_text(encoding="ascii").strip() for name in ("vendor", "class"))
            if maker == NVIDIA and kind.startswith(DISPLAY):
                return True
    return False


def why_unused(gpu: GpuFacts, version: str, cuda: str) -> tuple[str, str]:
    """Return the reason why torch finds no GPU, and what to do. Without a card and a driver, both texts are empty.

    Args:
        gpu: the facts that the system reports.
        version: the version of torch.
        cuda: the CUDA version that torch was built for; empty for a build without CUDA.
    """
    if not gpu.driver and not gpu.problem:
        if gpu.has_card:
            return "there is an NVIDIA card, but no NVIDIA driver", f"install the driver: {DRIVERS}"
        return "", ""
    if gpu.problem:
        return f"the NVIDIA driver does not respond: {gpu.problem}", _driver_advice(gpu.problem)
    supports = f" (CUDA {gpu.driver_cuda})" if gpu.driver_cuda else ""
    driver = f"driver {gpu.driver}{supports}"
    if not cuda:
        return (
            f"{driver} is installed, but torch {version} was built without CUDA",
            wheel_command(gpu.driver_cuda),
        )
    if gpu.visible is not None and gpu.visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={gpu.visible!r} hides every GPU", "unset CUDA_VISIBLE_DEVICES"
    if gpu.driver_cuda and _version(gpu.driver_cuda)[0] < _version(cuda)[0]:
        return (
            f"{driver} is too old for torch {version}, which was built for CUDA {cuda}",
            f"update the driver ({DRIVERS}), or: {wheel_command(gpu.driver_cuda)}",
        )
    return (
        f"{driver} and torch {version} for CUDA {cuda} are installed, but torch finds no GPU",
        "start the container with its GPUs (docker run --gpus all), or restart the machine after a driver update",
    )


def wheel_command(driver_cuda: str) -> str:
    """Return the command that installs the newest torch that the driver supports, or advice to update the driver."""
    fitting = [wheel for wheel in WHEELS if not driver_cuda or _version(wheel) <= _version(driver_cuda)]
    if not fitting:
        return f"update the driver ({DRIVERS}): torch needs one for CUDA {WHEELS[-1]} or later"
    index = f"https://download.pytorch.org/whl/cu{fitting[0].replace('.', '')}"
    return f"pip install --force-reinstall torch torchvision --index-url {index}"


def _driver_advice(problem: str) -> str:
    if "mismatch" in problem.lower():
        return "restart the machine: the driver was updated while its older part is still loaded"
    return f"restart the machine; if that does not help, install the driver again: {DRIVERS}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
