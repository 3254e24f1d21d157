"""Facts about a machine, as values: `collect` gathers them, `machine` checks them; tests describe other machines."""

from dataclasses import dataclass, field

from mmsent_cli.compute.gpu import GpuFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchFacts:
    """The installed torch.

    Attributes:
        version: empty if torch cannot be imported.
        problem: why it cannot be imported.
        cuda: the CUDA version that it was built for; empty for a build without CUDA.
        devices: name and compute capability, such as (9, 0), of each GPU that torch can use.
        architectures: those that it was built for, such as sm_90.
        has_mps: Apple's GPU can be used.
        threads: number of threads that it uses.
        auto_precision: what `--precision auto` chooses on the CPU.
        fp32_gflops, bf16_gflops: measured speed of a matrix product on one core; 0 if not measured.
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
        cores: logical cores of the machine.
        allowed: cores that this process may run on.
        quota: processor time that a control group (container) allows, in cores; None without a limit.
        load: mean number of waiting processes in the last minute.
    """

    model: str = ""
    flags: frozenset[str] = frozenset()
    cores: int = 1
    allowed: int = 1
    quota: float | None = None
    load: float = 0.0

    @property
    def usable(self) -> float:
        """Cores that this process can use at a time."""
        return self.allowed if self.quota is None else min(self.allowed, self.quota)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """A folder that mmsent writes to. `path` exists or can be made; `free_bytes` is -1 if unknown."""

    purpose: str
    path: str
    free_bytes: int
    is_writable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """The model hub. `is_reachable` is None if it was not asked, since downloads are off."""

    endpoint: str
    is_reachable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFacts:
    """Pretrained weights.

    Attributes:
        name: of the model.
        needed_by: the encoders and presets that need them.
        place: the file; empty if they are not on this machine.
        sha256: digest of the file; empty if it was not computed.
        megabytes: size of the file.
        problem: why they cannot be used.
        advice: what to type to get them.
        is_packaged: they are installed with mmsent.
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
        python: version.
        unmet: requirements of mmsent and of torchvision that the installed packages do not meet, such as
            "torch>=2.9 (installed: 2.1.0)".
        extras: name of each extra, with its missing packages.
        openmp: name and file of each OpenMP library that is loaded.
        memory_bytes: of the machine, or of the control group where that is less.
        free_memory_bytes: what new processes may use of it.
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
