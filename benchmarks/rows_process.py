"""Rows 5 and 6, in processes of their own: growth with the number of pairs, and start-up."""

import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.inputs import make_pairs
from benchmarks.tables import Row

MMSENT = [sys.executable, "-c", "from mmsent_cli.__main__ import main; main()"]
GROWTH = (500, 1000, 2000, 4000)
SHOWN_MODULES = 6
KIB_PER_GIB = 2**20
WATCH = """
import resource, subprocess, sys
child = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(child.returncode)
"""
"""Runs a command and prints its peak memory in KiB. In a small process of its own, since Linux counts the memory of
whoever starts a process as that process's own; this adds some 20 ms."""
FROZEN = ["--encoders", "compact", "--freeze-text", "all", "--freeze-image", "all", "--strategy", "plain-80-20"]


def growth(data: Path, work: Path, predict_pairs: int) -> list[Row]:
    """`train` from raw files with an empty feature store, and `predict` over many pairs."""
    rows = []
    for count in GROWTH:
        folder = make_pairs(data, work / f"{count}-pairs", count)
        seconds, peak = train(folder, work, f"cache-{count}")
        note = f"{1000 * seconds / count:.1f} ms a pair, peak {peak:.2f} GB"
        rows.append(Row(f"{'5' if count == GROWTH[0] else ' '} train on {count:,} raw pairs", seconds, note=note))
    if predict_pairs:
        folder = make_pairs(data, work / "unlabelled", predict_pairs, has_tags=False)
        told = ["--data", str(folder), "--out", str(work / "answers.txt"), "--cache-dir", str(work / "cache-predict")]
        seconds, peak = run([*MMSENT, "predict", "--checkpoint", str(checkpoint(work)), *told])
        note = f"{1000 * seconds / predict_pairs:.1f} ms a pair, peak {peak:.2f} GB"
        rows.append(Row(f"  predict {predict_pairs:,} pairs", seconds, note=note))
    return rows


def startup(data: Path, work: Path) -> list[Row]:
    """How soon the command answers, and which modules it waits for."""
    train(make_pairs(data, work / "pairs", 60), work, "cache")
    one = ["predict", "--checkpoint", str(checkpoint(work)), "--text", "what a lovely day"]
    rows = []
    for name, told in (("6 mmsent --help", ["--help"]), ("  mmsent predict, one text", one)):
        seconds = min(run([*MMSENT, *told])[0] for _ in range(3))
        timed = [sys.executable, "-X", "importtime", *MMSENT[1:], *told]
        errors = subprocess.run(timed, capture_output=True, text=True, check=True).stderr
        rows.append(Row(name, seconds, note="imports: " + slowest_imports(errors)))
    return rows


def train(folder: Path, work: Path, cache: str) -> tuple[float, float]:
    """Seconds and peak memory of two epochs, everything frozen."""
    told = ["--data", str(folder), "--cache-dir", str(work / cache), "--runs-dir", str(work / "runs"), "--epochs", "2"]
    return run([*MMSENT, "train", *FROZEN, *told])


def checkpoint(work: Path) -> Path:
    """The model that was trained last."""
    return max((work / "runs").glob("*-train-*")) / "best_model.pt"


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in GB (2^30 bytes) of a child process.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    outer = subprocess.run([sys.executable, "-c", WATCH, *command], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if outer.returncode:
        raise RuntimeError(f"{' '.join(command[3:])} ended with {outer.returncode}")
    return seconds, int(outer.stdout) / KIB_PER_GIB


def slowest_imports(report: str) -> str:
    """The top-level packages that take longest by themselves, from what `-X importtime` prints."""
    own: dict[str, int] = {}
    for microseconds, module in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", report):
        package = module.partition(".")[0]
        own[package] = own.get(package, 0) + int(microseconds)
    slowest = sorted(own.items(), key=lambda item: -item[1])[:SHOWN_MODULES]
    total = f"{sum(own.values()) / 1000:.0f} ms in all"
    return ", ".join([total, *(f"{package} {microseconds / 1000:.0f}" for package, microseconds in slowest)])
