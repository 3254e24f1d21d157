"""Whether bf16 is worth it on a CPU that has its instructions: measured once per machine and kept.

AVX-512 BF16 is no promise: one CPU that has it multiplies matrices at half its fp32 speed in bf16 (155 against 290
GFLOP/s), another at twice (400 against 185). The decision is kept in the cache folder, since a run that is repeated
must take the same path to give the same bytes.

Rejected: a table of CPU models, which would never be complete; measuring in each run, which may decide either way.
"""

import contextlib
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mmsent_cli.errors import MmsentError
from mmsent_cli.files import atomic_write

ROWS, WIDTH = 256, 768
"""The product that is measured: a batch of short texts with a weight of BERT's size."""
ROUNDS = 9
WARM_UP = 2
CLEARLY_FASTER = 1.3
FOLDER = "compute"


@dataclass(frozen=True, slots=True)
class Bf16Probe:
    """Speed of a matrix product on one machine.

    Attributes:
        cpu: its model.
        torch: version.
        threads: that torch uses.
        fp32_gflops, bf16_gflops: billions of operations per second.
    """

    cpu: str
    torch: str
    threads: int
    fp32_gflops: float
    bf16_gflops: float

    @property
    def prefers_bf16(self) -> bool:
        """True if bf16 is clearly the faster one."""
        return self.bf16_gflops >= CLEARLY_FASTER * self.fp32_gflops

    def note(self) -> str:
        """The decision in one line. Without the measured speeds, so that a repeated run has the same note."""
        if self.prefers_bf16:
            return "precision: bf16 (measured once: clearly faster than fp32 on this CPU)"
        return "precision: fp32 (measured once: bf16 is not clearly faster on this CPU)"


def probe_bf16(cache: Path) -> Bf16Probe:
    """The speeds of this machine, measured now unless an earlier run did.

    Args:
        cache: mmsent's cache folder; where it cannot be written, each run measures anew.
    """
    cpu, threads = cpu_model(), torch.get_num_threads()
    path = cache / FOLDER / f"{_file_name(cpu, torch.__version__, threads)}.json"
    known = _read(path, cpu, threads)
    if known is not None:
        return known
    fp32, bf16 = measure(torch.float32, torch.bfloat16)
    measured = Bf16Probe(cpu, torch.__version__, threads, fp32, bf16)
    with contextlib.suppress(MmsentError):
        atomic_write(path, json.dumps(asdict(measured), indent=1).encode())
    return measured


def measure(*dtypes: torch.dtype) -> list[float]:
    """GFLOP/s of a matrix product in each type, taken in turns.

    The fastest of several rounds counts: another program can only make one slower.
    """
    operands = [(torch.ones(ROWS, WIDTH, dtype=dtype), torch.ones(WIDTH, WIDTH, dtype=dtype)) for dtype in dtypes]
    times: list[list[float]] = [[] for _ in dtypes]
    for _ in range(WARM_UP + ROUNDS):
        for own, (left, right) in zip(times, operands, strict=True):
            start = time.perf_counter()
            torch.mm(left, right)
            own.append(time.perf_counter() - start)
    return [2 * ROWS * WIDTH * WIDTH / min(own[WARM_UP:]) / 1e9 for own in times]


def cpu_model() -> str:
    """The CPU's name as the system gives it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_name(cpu: str, version: str, threads: int) -> str:
    plain = "".join(letter if letter.isalnum() else "-" for letter in f"{cpu} torch {version}")
    return f"{plain}-{threads}-threads"


def _read(path: Path, cpu: str, threads: int) -> Bf16Probe | None:
    """An earlier measurement; None if there is none, or it is damaged or another machine's."""
    try:
        known = Bf16Probe(**json.loads(path.read_text(encoding="utf-8")))
        is_ours = (known.cpu, known.torch, known.threads) == (cpu, torch.__version__, threads)
        return known if is_ours and known.fp32_gflops > 0 else None
    except (OSError, ValueError, TypeError):
        return None
