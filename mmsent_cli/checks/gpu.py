"""The GPU that torch uses, or why it uses none."""

import re

from mmsent_cli.checks.facts import TorchFacts
from mmsent_cli.compute.gpu import NO_CARD, GpuFacts, why_unused
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome

RULE = (
    "warning if there is a card or a driver that torch does not use; error if torch would fail on a card that it uses"
)


def gpu_outcome(gpu: GpuFacts, torch: TorchFacts) -> CheckOutcome:
    """The GPU that torch uses, or why it uses none."""
    level, message, advice = _used(torch) if torch.devices else _unused(gpu, torch)
    return CheckOutcome(check="GPU", level=level, message=message, rule=RULE, advice=advice)


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
    message, advice = why_unused(gpu, torch.version, torch.cuda)
    return (WARNING, message, advice) if message else (OK, f"{NO_CARD}; the CPU computes", "")
