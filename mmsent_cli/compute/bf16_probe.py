"""Measure once per machine whether bf16 is faster than fp32 on its CPU.

Instructions for bf16 (AVX-512 BF16) do not guarantee speed: on one CPU, matrix products in bf16 are half as fast as in
fp32 (155 against 290 GFLOP/s), on another twice as fast (400 against 185). The result is kept in the cache folder, so
that repeated runs use the same precision.

Rejected: a table of CPU models, which is never complete; measuring in each run, which may give different answers.
"""

import contextlib
import json
import platform
import time
from collections.abc import Callable
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
    """The speed of a matrix product on a machine.

    Attributes:
        cpu: the name of the CPU.
        torch: the version of torch.
        threads: the number of threads that torch uses.
        fp32_gflops, bf16_gflops: billions of operations per second in each type.
    """

    cpu: str
    torch: str
    threads: int
    fp32_gflops: float
    bf16_gflops: float

    @property
    def prefers_bf16(self) -> bool:
        """True if bf16 is clearly faster."""
        return self.bf16_gflops >= CLEARLY_FASTER * self.fp32_gflops


def probe_bf16(cache: Path) -> Bf16Probe:
    """Return the speeds of this machine, measured now or by an earlier run.

    Args:
        cache: mmsent's cache folder. If it cannot be written, each run measures again.
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


def measure(*dtypes: torch.dtype, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Measure the GFLOP/s of a matrix product in each type. The types alternate.

    The fastest of several rounds counts, since other programs can only slow it down.

    Args:
        dtypes: the types.
        clock: returns seconds; `time.thread_time` counts those of one thread, without the times when others run.
    """
    operands = [(torch.ones(ROWS, WIDTH, dtype=dtype), torch.ones(WIDTH, WIDTH, dtype=dtype)) for dtype in dtypes]
    times: list[list[float]] = [[] for _ in dtypes]
    for _ in range(WARM_UP + ROUNDS):
        for own, (left, right) in zip(times, operands, strict=True):
            start = clock()
            torch.mm(left, right)
            own.append(clock() - start)
    return [2 * ROWS * WIDTH * WIDTH / min(own[WARM_UP:]) / 1e9 for own in times]


def cpu_model() -> str:
    """Return the name of the CPU."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_name(cpu: str, version: str, threads: int) -> str:
    plain = "".join(letter if letter.isalnum() else "-" for letter in f"{cpu} torch {version}")
    return f"{plain}-{threads}-threads"


def _read(path: Path, cpu: str, threads: int) -> Bf16Probe | None:
    """Return an earlier measurement on this machine; None if there is none or it is damaged."""
    try:
        known = Bf16Probe(**json.loads(path.read_text(encoding="utf-8")))
        is_ours = (known.cpu, known.torch, known.threads) == (cpu, torch.__version__, threads)
        return known if is_ours and known.fp32_gflops > 0 else None
    except (OSError, ValueError, TypeError):
        return None
