"""Gather the facts about this machine. No step waits longer than some seconds, and none needs torch to work."""

import contextlib
import os
import platform
import shutil
import tomllib
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import InvalidRequirement, Requirement

from mmsent_cli import __version__
from mmsent_cli.checks.facts import CpuFacts, FolderFacts, HubFacts, MachineFacts, TorchFacts
from mmsent_cli.checks.weights import found_weights
from mmsent_cli.compute.free_memory import CGROUPS, free_memory_bytes, limit_bytes
from mmsent_cli.compute.gpu import gpu_facts
from mmsent_cli.encoders.weights.hub import HUB, is_reachable
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.files import COMPILED_MODELS, WEIGHTS

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
"""In a checkout, it is newer than the metadata of an installation that points there."""
NOT_FOR_USERS = ("test", "dev", "mutants")
"""Extras for those who work on mmsent."""


def collect(weights: WeightSource, runs_dir: Path) -> MachineFacts:
    """All facts about this machine.

    Args:
        weights: where to look for weights, with the cache folder.
        runs_dir: the folder of runs, which need not exist.
    """
    torch = _torch(weights.cache)
    return MachineFacts(
        python=platform.python_version(),
        mmsent=__version__,
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        torch=torch,
        gpu=gpu_facts(),
        cpu=_cpu(),
        unmet=_unmet("mmsent", "torchvision"),
        extras=_extras(),
        openmp=_openmp() if torch.version else (),
        memory_bytes=min(psutil.virtual_memory().total, limit_bytes() or psutil.virtual_memory().total),
        free_memory_bytes=free_memory_bytes(),
        folders=(_folder("cache", weights.cache), _folder("runs", runs_dir)),
        hub=_hub(weights),
        weights=tuple(found_weights(weights)) if torch.version else (),
        cache_bytes=_caches(weights.cache) if torch.version else {},
    )


def _torch(cache: Path) -> TorchFacts:
    try:
        import torch
    except (ImportError, OSError) as error:  # a missing or damaged library of torch is an OSError
        return TorchFacts(problem=" ".join(str(error).split()) or type(error).__name__)
    from mmsent_cli.compute.bf16_probe import measure
    from mmsent_cli.compute.device import auto_precision

    devices = ()
    with contextlib.suppress(RuntimeError, AssertionError):  # a driver that fails when CUDA starts
        indexes = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
        devices = tuple((torch.cuda.get_device_name(n), torch.cuda.get_device_capability(n)) for n in indexes)
    fp32, bf16 = measure(torch.float32, torch.bfloat16)
    return TorchFacts(
        version=str(torch.__version__),
        cuda=torch.version.cuda or "",
        devices=devices,
        architectures=tuple(torch.cuda.get_arch_list()) if devices else (),
        has_mps=torch.backends.mps.is_available(),
        threads=torch.get_num_threads(),
        auto_precision=auto_precision("cpu", cache),
        fp32_gflops=fp32,
        bf16_gflops=bf16,
    )


def _cpu() -> CpuFacts:
    model, flags = "", frozenset()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and not model:
                model = value.strip()
            if name.strip() in ("flags", "Features") and not flags:
                flags = frozenset(value.split())
    cores = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return CpuFacts(
        model=model or platform.processor(), flags=flags, cores=cores, allowed=allowed, quota=cpu_quota(), load=load
    )


def cpu_quota(cgroups: Path = CGROUPS) -> float | None:
    """Processor time that the control group of this process allows, in cores; None without a limit."""
    try:
        limit, period = (cgroups / "cpu.max").read_text(encoding="ascii").split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):  # version 1
        pass
    try:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        limit, period = (int((cgroups / "cpu" / name).read_text(encoding="ascii")) for name in names)
        return limit / period if limit > 0 else None
    except (OSError, ValueError):
        return None


def _unmet(*distributions: str) -> tuple[str, ...]:
    """Requirements of packages that the installed packages do not meet."""
    found = []
    for distribution in distributions:
        for each in _requirements(distribution):
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                installed = _installed(each.name)
                if installed is None or not each.specifier.contains(installed, prereleases=True):
                    found.append(f"{each.name}{each.specifier} (installed: {installed or 'none'})")
    return tuple(dict.fromkeys(found))


def _extras() -> dict[str, tuple[str, ...]]:
    """Each extra of mmsent with its packages that are not installed."""
    if PROJECT.is_file():
        extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        needed = {name: [Requirement(text) for text in texts] for name, texts in extras.items()}
    else:
        try:
            names = metadata.metadata("mmsent").get_all("Provides-Extra") or []
        except metadata.PackageNotFoundError:
            return {}
        needed = {name: [each for each in _requirements("mmsent") if _is_of(each, name)] for name in names}
    return {
        name: tuple(each.name for each in of_extra if _installed(each.name) is None)
        for name, of_extra in needed.items()
        if name not in NOT_FOR_USERS
    }


def _is_of(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _requirements(distribution: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in metadata.requires(distribution) or []]
    except (metadata.PackageNotFoundError, InvalidRequirement):  # run from a folder that is not installed
        return []


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _openmp() -> tuple[tuple[str, str], ...]:
    """OpenMP libraries that are loaded when torch, NumPy and scikit-learn are."""
    import sklearn.linear_model  # noqa: F401 it loads its own OpenMP library
    from threadpoolctl import threadpool_info

    loaded = [each for each in threadpool_info() if each["user_api"] == "openmp"]
    return tuple((str(each["prefix"]), str(each["filepath"])) for each in loaded)


def _folder(purpose: str, path: Path) -> FolderFacts:
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        free = -1
    is_writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return FolderFacts(purpose=purpose, path=str(path), free_bytes=free, is_writable=is_writable)


def _hub(weights: WeightSource) -> HubFacts:
    endpoint = os.environ.get("HF_ENDPOINT") or HUB
    return HubFacts(endpoint=endpoint, is_reachable=None if weights.offline else is_reachable(endpoint))


def _caches(folder: Path) -> dict[str, int]:
    from mmsent_cli.features.store_report import store_report

    report = store_report(folder / "features", folder / COMPILED_MODELS, folder / WEIGHTS)
    return {
        "features": report.bytes,
        "compiled models": report.compiled_models_bytes,
        "unpacked weights": report.weights_bytes,
    }
