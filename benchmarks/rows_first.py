"""Row 7: the first answer, from the start of the process to the label of one pair, and its parts."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.inputs import make_pairs
from benchmarks.rows_process import MMSENT, checkpoint, run, train
from benchmarks.tables import Row

TEXT = "what a lovely day"
LIBRARIES = "from mmsent_cli.__main__ import leave_out_unused; leave_out_unused(); import torch, openvino"
"""What no answer can do without: the limit of the row."""
ROUNDS = 3
PARTS = """
import json, sys, time
from pathlib import Path
from mmsent_cli.__main__ import leave_out_unused
leave_out_unused()
laps, last = {}, time.perf_counter()
def lap(name):
    global last
    laps[name], last = time.perf_counter() - last, time.perf_counter()
import torch, openvino
lap("torch and openvino imported")
import mmsent_cli.api.models
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.loaded import single_pair
lap("mmsent imported")
model, image, cache, text = sys.argv[1:]
pair = single_pair(text, image)
predictor = Predictor.load(Path(model), RuntimeConfig(cache_dir=cache))
lap("weights read and checked")
list(predictor.predict([pair]))
first = time.perf_counter() - last
last = time.perf_counter()
list(predictor.predict([pair]))
lap("pair computed")
laps["networks compiled"] = first - laps["pair computed"]
print(json.dumps(laps))
"""
"""Prints the seconds of each part. The networks are compiled in the first prediction, so a second one is subtracted."""


def first_answer(data: Path, work: Path, model: Path | None) -> list[Row]:
    """`predict --text --image` with empty caches and with those that it left, beside the import of the libraries.

    Args:
        data: a lab folder.
        work: a temporary folder.
        model: the checkpoint; None trains one network on 60 pairs.
    """
    pairs, cache = make_pairs(data, work / "pairs", 60), work / "cache-first"
    if model is None:
        train(pairs, work, "cache")
        model = checkpoint(work)
    image = str(sorted((pairs / "data").glob("0.[jp]*"))[0])
    told = ["--checkpoint", str(model), "--text", TEXT, "--image", image, "--cache-dir", str(cache)]
    cold, _ = run([*MMSENT, "predict", *told])
    run([*MMSENT, "predict", *told])  # compares and keeps the networks that the one before converted
    timed = [run([*MMSENT, "predict", *told]) for _ in range(ROUNDS)]
    limit = min(run([sys.executable, "-c", LIBRARIES])[0] for _ in range(ROUNDS))
    parts = _parts(model, image, cache)
    note = f"peak {timed[-1][1]:.2f} GB; limit: imports of torch and openvino; the ratio is the share of it; {parts}"
    return [
        Row("7 first answer, empty caches", cold, note="weights hashed, networks converted and compared with torch"),
        Row("  first answer", min(seconds for seconds, _ in timed), limit, note),
    ]


def _parts(model: Path, image: str, cache: Path) -> str:
    """The seconds of each part, of the fastest of several processes."""
    command = [sys.executable, "-c", PARTS, str(model), image, str(cache), TEXT]
    printed = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(ROUNDS)]
    fastest = min(map(json.loads, printed), key=lambda each: sum(each.values()))
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in fastest.items())
