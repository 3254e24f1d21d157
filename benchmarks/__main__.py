"""`python -m benchmarks`: one table, every ratio measured side by side in this run."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import rows_device, rows_first, rows_limit, rows_process, rows_serve, rows_speed
from benchmarks.machine import describe
from benchmarks.tables import Row, render

NAMES = ("prepare", "true-size", "fusions", "limit", "growth", "startup", "first-answer", "serve")


def main() -> None:
    """Measure what was asked for and print it."""
    asked = _parser().parse_args()
    rows: list[Row] = []
    for name in asked.only or (NAMES if asked.device is None else ["device"]):
        print(f"measuring {name} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="mmsent-bench-") as folder:
            rows += measure(name, asked, Path(folder))
    print(f"machine: {describe()}\ndata: {asked.data}, repeated up to the numbers of pairs given")
    print("ratio: how many times as long the plain loop takes; in rows 4 and 7, the share of the limit\n")
    print(render(rows))


def measure(name: str, asked: argparse.Namespace, work: Path) -> list[Row]:
    """The rows of one name."""
    if name == "growth":
        return rows_process.growth(asked.data, work, asked.predict_pairs)
    if name == "device":
        return rows_device.device_rows(asked.data, work, asked.pairs, asked.device or "cpu", asked.small)
    if name == "startup":
        return rows_process.startup(asked.data, work)
    if name == "first-answer":
        return rows_first.first_answer(asked.data, work, asked.checkpoint)
    if name == "serve":
        return rows_serve.serve(asked.data, work, asked.checkpoint, asked.requests)
    by_name = {
        "prepare": rows_speed.prepare,
        "true-size": rows_speed.true_size,
        "fusions": rows_speed.fusions,
        "limit": rows_limit.limit,
    }
    return by_name[name](asked.data, work, asked.pairs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/sample"), help="lab folder (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=400, help="pairs of rows 1 to 4 (default: %(default)s)")
    parser.add_argument(
        "--only", action="append", choices=(*NAMES, "device"), help="measure this alone; may be repeated"
    )
    parser.add_argument("--device", help="print the table of this device alone: cuda, cuda:N or cpu")
    parser.add_argument("--small", action="store_true", help="tiny networks, to try --device: measures nothing")
    parser.add_argument("--predict-pairs", type=int, default=0, help="predict as many; 50,000 take minutes")
    parser.add_argument("--checkpoint", type=Path, help="model of rows 7 and 8 (default: one network)")
    parser.add_argument("--requests", type=int, default=320, help="requests to each number of clients of row 8")
    return parser


if __name__ == "__main__":
    main()
