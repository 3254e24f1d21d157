"""Why a GPU is not used: driver, torch build and card compared."""

import re

from mmsent_cli.checks.facts import GpuFacts, TorchFacts
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome

WHEELS = ("13.0", "12.8", "12.6")
"""CUDA versions of PyTorch's own wheels. Source: https://pytorch.org/get-started/locally/"""
DRIVERS = "https://www.nvidia.com/drivers"
RULE = (
    "warning if there is a card or a driver that torch does not use; error if torch would fail on a card that it uses"
)


def gpu_outcome(gpu: GpuFacts, torch: TorchFacts) -> CheckOutcome:
    """The GPU that torch uses, or why it uses none."""
    level, message, advice = _used(torch) if torch.devices else _unused(gpu, torch)
    return CheckOutcome(check="GPU", level=level, message=message, rule=RULE, advice=advice)


def wheel_command(driver_cuda: str) -> str:
    """What installs a torch that a driver supports: the newest wheel for its CUDA version or an older one."""
    fitting = [wheel for wheel in WHEELS if not driver_cuda or _version(wheel) <= _version(driver_cuda)]
    if not fitting:
        return f"update the driver ({DRIVERS}): torch needs one for CUDA {WHEELS[-1]} or later"
    index = f"https://download.pytorch.org/whl/cu{fitting[0].replace('.', '')}"
    return f"pip install --force-reinstall torch torchvision --index-url {index}"


def is_built_for(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Whether a build of torch runs on a card: machine code of its generation, or code that the driver translates.

    Source: CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility".
    """
    for name in architectures:
        kind, _, number = name.partition("_")
        digits = re.sub(r"\D", "", number)
        if not digits:
            continue
        major, minor = int(digits[:-1]), int(digits[-1])
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
        if kind == "compute" and (major, minor) <= capability:
            return True
    return not architectures


def _used(torch: TorchFacts) -> tuple[str, str, str]:
    names = ", ".join(f"{name} (compute capability {major}.{minor})" for name, (major, minor) in torch.devices)
    strange = [name for name, capability in torch.devices if not is_built_for(capability, torch.architectures)]
    if strange:
        built = ", ".join(torch.architectures)
        return (
            ERROR,
            f"torch {torch.version} has no code for {', '.join(strange)}; it was built for {built}",
            "install a torch that was built for this card, or use --device cpu",
        )
    return OK, f"{names}, by torch {torch.version} for CUDA {torch.cuda}", ""


def _unused(gpu: GpuFacts, torch: TorchFacts) -> tuple[str, str, str]:
    if torch.has_mps:
        return OK, "Apple's GPU (mps)", ""
    if not gpu.driver and not gpu.problem:
        if gpu.has_card:
            return WARNING, "there is an NVIDIA card, but no NVIDIA driver", f"install the driver: {DRIVERS}"
        return OK, "no NVIDIA card and no driver; the CPU computes", ""
    if gpu.problem:
        return WARNING, f"the NVIDIA driver does not answer: {gpu.problem}", _driver_advice(gpu.problem)
    supports = f" (CUDA {gpu.driver_cuda})" if gpu.driver_cuda else ""
    driver = f"driver {gpu.driver}{supports}"
    if not torch.cuda:
        return (
            WARNING,
            f"{driver} is installed, but torch {torch.version} was built without CUDA",
            wheel_command(gpu.driver_cuda),
        )
    if gpu.visible is not None and gpu.visible.strip() in ("", "-1"):
        return WARNING, f"CUDA_VISIBLE_DEVICES={gpu.visible!r} hides every GPU", "unset CUDA_VISIBLE_DEVICES"
    if gpu.driver_cuda and _version(gpu.driver_cuda)[0] < _version(torch.cuda)[0]:
        return (
            WARNING,
            f"{driver} is too old for torch {torch.version}, which was built for CUDA {torch.cuda}",
            f"update the driver ({DRIVERS}), or: {wheel_command(gpu.driver_cuda)}",
        )
    return (
        WARNING,
        f"{driver} and torch {torch.version} for CUDA {torch.cuda} are there, but torch finds no GPU",
        "start the container with its GPUs (docker run --gpus all), or restart the machine after a driver update",
    )


def _driver_advice(problem: str) -> str:
    if "mismatch" in problem.lower():
        return "restart the machine: the driver was updated while its older part is still loaded"
    return f"restart the machine; if that does not help, install the driver again: {DRIVERS}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
