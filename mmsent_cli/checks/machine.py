"""Check the facts about a machine. This module works without torch, so that it can report a damaged torch."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath

from mmsent_cli.checks.collect import CpuFacts, MachineFacts, TorchFacts, WeightFacts, collect
from mmsent_cli.compute.gpu import NO_CARD, GpuFacts, why_unused
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import MmsentError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome, EnvResult, can_train

GPU_RULE = (
    "warning if there is a card or a driver that torch does not use; error if torch would fail on a card that it uses"
)


def gpu_outcome(gpu: GpuFacts, torch: TorchFacts) -> CheckOutcome:
    """Check whether torch uses the GPU. The outcome names the GPU, or the reason why none is used."""
    level, message, advice = _used(torch) if torch.devices else _unused(gpu, torch)
    return CheckOutcome(check="GPU", level=level, message=message, rule=GPU_RULE, advice=advice)


def is_built_for(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Return True if a build of torch runs on a GPU: it has code for this GPU, or code that the driver translates.

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
    return (WARNING, message, advice) if message else (OK, f"{NO_CARD}; the CPU is used", "")


GIGABYTE = 10**9
LEAST_MEMORY, GOOD_MEMORY = 1.0, 3.5
"""Free memory in gigabytes: less than the first number is an error, less than the second number a warning. A single
model with frozen encoders needs 1.2 GB, and the preset `best` needs 3.2 GB (README.md)."""
LEAST_DISK, GOOD_DISK = 0.2, 2.0
"""Free disk space in gigabytes: less than the first number is an error, less than the second number a warning. Stored
features, compiled models and unpacked weights of the preset `best` with 4,000 pairs take 1.3 GB."""
MUCH_CACHE = 10.0
GNU = "libgomp"
"""Name of GNU's OpenMP library."""
BF16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512"}
INT8 = {"amx_int8": "AMX", "avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX VNNI"}


def machine_outcomes(facts: MachineFacts) -> Iterator[CheckOutcome]:
    """Make all checks of a machine."""
    yield _torch(facts.torch)
    yield _packages(facts)
    yield gpu_outcome(facts.gpu, facts.torch)
    yield _openmp(facts)
    yield _precision(facts.cpu, facts.torch)
    yield _cores(facts.cpu, facts.torch)
    yield _memory(facts)
    yield from _folders(facts)
    yield _hub(facts)
    for each in facts.weights:
        yield _weights(each)
    yield _extras(facts)
    yield _caches(facts)


def _torch(torch: TorchFacts) -> CheckOutcome:
    build = f"built for CUDA {torch.cuda}" if torch.cuda else "built without CUDA"
    return CheckOutcome(
        check="torch",
        level=OK if torch.version else ERROR,
        message=f"torch {torch.version}, {build}" if torch.version else f"cannot be imported: {torch.problem}",
        rule="error if it cannot be imported",
        advice="" if torch.version else "pip install --force-reinstall torch torchvision",
    )


def _packages(facts: MachineFacts) -> CheckOutcome:
    """Check that all required packages are installed in a required version."""
    return CheckOutcome(
        check="packages",
        level=ERROR if facts.unmet else OK,
        message=f"missing or wrong: {'; '.join(facts.unmet)}" if facts.unmet else "all required packages are installed",
        rule="error if a package is missing or has a wrong version",
        advice="pip install -c constraints.txt . installs them" if facts.unmet else "",
    )


def _openmp(facts: MachineFacts) -> CheckOutcome:
    """Check for several OpenMP libraries, which can crash or slow down a process.

    Several copies of the GNU library are harmless.
    """
    counts = Counter(name for name, _ in facts.openmp)
    is_doubled = any(count > 1 for name, count in counts.items() if not name.startswith(GNU))
    is_mixed = len(counts) > 1
    names = ", ".join(f"{name} ({_end_of(path)})" for name, path in facts.openmp)
    is_harmless = len(facts.openmp) > 1 and not is_doubled and not is_mixed
    harmless = f"; several copies of {GNU} are harmless" if is_harmless else ""
    return CheckOutcome(
        check="OpenMP",
        level=WARNING if is_doubled or is_mixed else OK,
        message=f"{len(facts.openmp)} OpenMP libraries are loaded: {names}{harmless}" if names else "none is loaded",
        rule=f"warning if two kinds are loaded, or two copies of another one than {GNU}",
        advice="install torch, numpy and scikit-learn all by pip or all by conda, in a new environment; "
        "KMP_DUPLICATE_LIB_OK=TRUE only hides the problem"
        if is_doubled or is_mixed
        else "",
    )


def _end_of(path: str) -> str:
    """Return the last folders of a library's path, which show the package that contains the library."""
    parts = PurePath(path).parts
    return str(PurePath(*parts[-3:])) if len(parts) > 3 else path


def _precision(cpu: CpuFacts, torch: TorchFacts) -> CheckOutcome:
    """Check which precisions the CPU or the GPU supports."""
    if torch.devices:
        major = min(capability[0] for _, capability in torch.devices)
        kind = "bf16" if major >= 8 else "fp16, since bf16 needs compute capability 8.0"
        return CheckOutcome(check="precision", level=OK, message=f"the GPU computes in {kind}")
    bf16 = next((name for flag, name in BF16.items() if flag in cpu.flags), "none")
    int8 = next((name for flag, name in INT8.items() if flag in cpu.flags), "none")
    fp32, reduced = torch.fp32_gflops, torch.bf16_gflops
    speeds = f"a core computes {fp32:.0f} GFLOP/s in fp32, {reduced:.0f} in bf16; " if fp32 else ""
    is_slow = bool(cpu.flags) and not cpu.flags & {"avx2", "asimd"}
    return CheckOutcome(
        check="precision",
        level=WARNING if is_slow else OK,
        message=f"bf16 instructions: {bf16}, int8: {int8}; {speeds}--precision auto chooses {torch.auto_precision}",
        rule="warning without AVX2",
        advice="training works, but is several times slower than usual" if is_slow else "",
    )


def _cores(cpu: CpuFacts, torch: TorchFacts) -> CheckOutcome:
    quota = "" if cpu.quota is None else f", a container's limit of {cpu.quota:g}"
    is_crowded = torch.threads > max(1, round(cpu.usable + 0.49))
    return CheckOutcome(
        check="cores",
        level=WARNING if is_crowded else OK,
        message=f"{cpu.cores} cores, {cpu.allowed} of them for this process{quota}; torch uses {torch.threads} "
        f"threads; load {cpu.load:.1f}",
        rule="warning if torch uses more threads than cores",
        advice=f"set OMP_NUM_THREADS={max(1, int(cpu.usable))}" if is_crowded else "",
    )


def _memory(facts: MachineFacts) -> CheckOutcome:
    free = facts.free_memory_bytes / GIGABYTE
    return CheckOutcome(
        check="memory",
        level=ERROR if free < LEAST_MEMORY else WARNING if free < GOOD_MEMORY else OK,
        message=f"{free:.1f} of {facts.memory_bytes / GIGABYTE:.1f} GB are free",
        rule=f"error below {LEAST_MEMORY:g} GB, warning below {GOOD_MEMORY:g} GB, the need of the preset best",
        advice="close other programs, or give the container more memory" if free < GOOD_MEMORY else "",
    )


def _folders(facts: MachineFacts) -> Iterator[CheckOutcome]:
    for each in facts.folders:
        free = each.free_bytes / GIGABYTE
        is_unusable = not each.is_writable or 0 <= free < LEAST_DISK
        is_tight = each.is_writable and LEAST_DISK <= free < GOOD_DISK
        option = "--runs-dir" if each.purpose == "runs" else "--cache-dir"
        state = f"{free:.1f} GB are free" if each.is_writable else "it cannot be written to"
        yield CheckOutcome(
            check=f"disk, {each.purpose}",
            level=ERROR if is_unusable else WARNING if is_tight else OK,
            message=f"{each.path}: {state}",
            rule=f"error if it cannot be written to, or below {LEAST_DISK:g} GB; warning below {GOOD_DISK:g} GB",
            advice=f"choose another folder with {option}" if is_unusable or is_tight else "",
        )


def _hub(facts: MachineFacts) -> CheckOutcome:
    answer = {
        None: "was not tried, since downloads are off",
        True: "responds",
        False: "does not respond",
    }[facts.hub.is_reachable]
    is_fine = facts.hub.is_reachable is not False
    return CheckOutcome(
        check="hub",
        level=OK if is_fine else WARNING,
        message=f"{facts.hub.endpoint} {answer}",
        rule="only a warning if it does not respond, since compact, light, fast and best need no hub",
        advice=""
        if facts.hub.is_reachable is not False
        else "set HF_ENDPOINT to a mirror, or give downloaded weights with --weights-dir",
    )


def _weights(weights: WeightFacts) -> CheckOutcome:
    digest = f", SHA-256 {weights.sha256[:12]}…" if weights.sha256 else ""
    megabytes = f"{weights.megabytes:,.0f}" if weights.megabytes >= 1 else f"{weights.megabytes:.1f}"
    found = f"{weights.place} ({megabytes} MB{digest})" if weights.place else "not on this machine"
    is_optional = not weights.is_packaged
    is_bad = bool(weights.problem) or (weights.is_packaged and not weights.place)
    return CheckOutcome(
        check=f"weights, {weights.name}",
        level=WARNING if is_bad else OK,
        message=f"{'only ' if is_optional else ''}for {weights.needed_by}: {weights.problem or found}",
        rule="warning if weights that come with the package are missing or damaged",
        advice=weights.advice if is_bad or not weights.place else "",
    )


def _extras(facts: MachineFacts) -> CheckOutcome:
    there = [name for name, missing in facts.extras.items() if not missing]
    lacking = [f"{name} ({', '.join(missing)})" for name, missing in facts.extras.items() if missing]
    return CheckOutcome(
        check="extras",
        level=OK,
        message=f"installed: {', '.join(there) or 'none'}; not installed: {', '.join(lacking) or 'none'}",
        advice="pip install '.[NAME]' installs the packages that NAME needs" if lacking else "",
    )


def _caches(facts: MachineFacts) -> CheckOutcome:
    total = sum(facts.cache_bytes.values()) / GIGABYTE
    parts = ", ".join(f"{name} {size / GIGABYTE:.2f} GB" for name, size in facts.cache_bytes.items())
    is_large = total > MUCH_CACHE
    return CheckOutcome(
        check="caches",
        level=WARNING if is_large else OK,
        message=parts or "empty",
        rule=f"warning above {MUCH_CACHE:g} GB",
        advice="mmsent cache --clear deletes them; they are computed again when needed" if is_large else "",
    )


RULE = "error if the device cannot be used, warning if the time cannot be measured"


def check_machine(
    runtime: RuntimeConfig, runs_dir: Path, is_timed: bool = True, progress: Progress = silent
) -> EnvResult:
    """Check whether training can run on this machine.

    Args:
        runtime: folders of weights and caches, device, and whether downloads are allowed.
        runs_dir: the folder of all runs, which need not exist.
        is_timed: measure the speed of this machine, and estimate the time of the presets.
        progress: receives the number of measured parts.

    Raises:
        MmsentError: the given cache folder cannot be used.
    """
    source = WeightSource.of(runtime, default_cache_dir(runtime.cache_dir))
    facts = collect(source, runs_dir)
    minutes, per_second, timing = (
        _timing(runtime, facts, progress) if is_timed and facts.torch.version else ({}, {}, ())
    )
    checks = (*machine_outcomes(facts), *timing)
    return EnvResult(
        can_train=can_train(checks),
        checks=checks,
        minutes=minutes,
        predicted_per_second=per_second,
        facts=_shown(facts),
        weights=_weight_places(facts),
    )


def _timing(
    runtime: RuntimeConfig, facts: MachineFacts, progress: Progress
) -> tuple[dict[str, float], dict[str, float], tuple[CheckOutcome, ...]]:
    """Return, for each preset, the expected training minutes and predicted pairs per second; and a check outcome.

    The message of the outcome contains these numbers. If nothing could be measured, there are no numbers.
    """
    from mmsent_cli.checks.speed import (
        CLOCK_SECONDS,
        PAIRS,
        PREDICTED_PAIRS,
        measure_units,
        predict_seconds,
        preset_seconds,
    )
    from mmsent_cli.compute.device import Resources

    problem, advice = f"not measured within {CLOCK_SECONDS:.0f} s", "try again when the machine is less busy"
    level, unit = ERROR, None  # a training cannot run on a device that cannot be opened
    try:
        resources = Resources.open(replace(runtime, offline=True))
        level = WARNING
        unit = measure_units(resources, facts.torch.fp32_gflops, progress)
    except MmsentError as error:
        problem, advice = error.message, error.hint
    if unit is None:
        outcome = CheckOutcome(check="expected time", level=level, message=problem, rule=RULE, advice=advice)
        return {}, {}, (outcome,)
    minutes = {name: seconds / 60 for name, seconds in preset_seconds(unit).items()}
    predicting = predict_seconds(unit)
    per_second = {name: PREDICTED_PAIRS / seconds for name, seconds in predicting.items()}
    predicted = ", ".join(
        f"{name} about {seconds / 60:.1f} minutes ({per_second[name]:.0f} a second)"
        for name, seconds in predicting.items()
    )
    shown = ", ".join(f"{name} about {value:.1f} minutes" for name, value in minutes.items())
    message = (
        f"{PAIRS:,} pairs with {shown}, if no other program runs: an estimate from {1000 * unit.image:.1f} ms for an "
        f"image, {1000 * unit.text:.1f} ms for a text, {1000 * unit.step:.1f} ms for a training step of a pair; "
        f"predicting {PREDICTED_PAIRS:,} pairs takes {predicted}"
    )
    return minutes, per_second, (CheckOutcome(check="expected time", level=OK, message=message, rule=RULE),)


def _shown(facts: MachineFacts) -> dict[str, str]:
    """Describe the machine in a few lines."""
    gpus = ", ".join(name for name, _ in facts.torch.devices)
    return {
        "mmsent": facts.mmsent,
        "Python": facts.python,
        "System": facts.system,
        "torch": facts.torch.version or "cannot be imported",
        "CPU": f"{facts.cpu.model}, {facts.cpu.usable:g} of {facts.cpu.cores} cores",
        "GPU": gpus or "none that torch can use",
        "Memory": f"{facts.memory_bytes / 1e9:.1f} GB",
    }


def _weight_places(facts: MachineFacts) -> dict[str, str]:
    """Return a dictionary from the path of each weights file on this machine to the SHA-256 of the file."""
    return {each.place: each.sha256 for each in facts.weights if each.sha256}
