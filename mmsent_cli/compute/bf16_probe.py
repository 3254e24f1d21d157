"""Measure once per machine whether its CPU computes faster in bf16 than in fp32.

A CPU with bf16 instructions (AVX-512 BF16) is not always faster in bf16. On one CPU, matrix products in bf16 are half
as fast as in fp32 (155 against 290 GFLOP/s), on another twice as fast (400 against 185). The result is cached, so that
all runs use the same precision. The processor time of one thread is measured. In an earlier version, elapsed time was
measured. On a busy machine, the speeds were then 2.5 and 2.6 GFLOP/s. So another precision was chosen, and the results
changed.

Rejected: a table of CPU models, which is never complete; measuring in each run, which may give different answers.
"""

import contextlib
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mmsent_cli.compute.threads import torch_threads
from mmsent_cli.errors import MmsentError
from mmsent_cli.files import atomic_write

ROWS, WIDTH = 256, 768
"""The measured product: a batch of short texts times a weight matrix of BERT's size."""
ROUNDS = 9
WARM_UP = 2
CLEARLY_FASTER = 1.3
FOLDER = "compute"


@dataclass(frozen=True, slots=True)
class Bf16Probe:
    """The speed of a matrix product on one core of a machine.

    Attributes:
        cpu: the name of the CPU.
        torch: the version of torch.
        fp32_gflops, bf16_gflops: billions of operations per second in each data type.
    """

    cpu: str
    torch: str
    fp32_gflops: float
    bf16_gflops: float

    @property
    def prefers_bf16(self) -> bool:
        """True if bf16 is clearly faster."""
        return self.bf16_gflops >= CLEARLY_FASTER * self.fp32_gflops


def probe_bf16(cache: Path) -> Bf16Probe:
    """Return the speeds of this machine, measured now or in an earlier run.

    Args:
        cache: the cache folder. If it cannot be written, each run measures again.
    """
    cpu = cpu_model()
    path = cache / FOLDER / f"{_file_name(cpu, torch.__version__)}.json"
    known = _read(path, cpu)
    if known is not None:
        return known
    fp32, bf16 = measure(torch.float32, torch.bfloat16)
    measured = Bf16Probe(cpu, torch.__version__, fp32, bf16)
    with contextlib.suppress(MmsentError):
        atomic_write(path, json.dumps(asdict(measured), indent=1).encode())
    return measured


def measure(*dtypes: torch.dtype) -> list[float]:
    """Measure the speed of a matrix product on one core in each data type, in GFLOP/s.

    Each round measures all data types, and the fastest round counts. The processor time of the thread is measured,
    since it does not include other programs.
    """
    operands = [(torch.ones(ROWS, WIDTH, dtype=dtype), torch.ones(WIDTH, WIDTH, dtype=dtype)) for dtype in dtypes]
    times: list[list[float]] = [[] for _ in dtypes]
    with torch_threads(1):
        for _ in range(WARM_UP + ROUNDS):
            for own, (left, right) in zip(times, operands, strict=True):
                start = time.thread_time()
                torch.mm(left, right)
                own.append(time.thread_time() - start)
    shortest = time.get_clock_info("thread_time").resolution
    return [2 * ROWS * WIDTH * WIDTH / max(min(own[WARM_UP:]), shortest) / 1e9 for own in times]


def cpu_model() -> str:
    """Return the name of the CPU."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_name(cpu: str, version: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in f"{cpu} torch {version}")


def _read(path: Path, cpu: str) -> Bf16Probe | None:
    """Return the cached measurement of this CPU and torch; None if there is none, or if the file is damaged."""
    try:
        known = Bf16Probe(**json.loads(path.read_text(encoding="utf-8")))
        is_ours = (known.cpu, known.torch) == (cpu, torch.__version__)
        return known if is_ours and known.fp32_gflops > 0 else None
    except (OSError, ValueError, TypeError):
        return None
