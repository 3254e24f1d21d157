"""Row 4: how near the preparation of pairs comes to what this machine can do, stage by stage."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import machine, ours
from benchmarks.inputs import make_pairs
from benchmarks.rows_process import checkpoint, train
from benchmarks.rows_speed import FROZEN
from benchmarks.tables import Row
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Event, Stage
from mmsent_cli.training.workspace import Workspace


def limit(data: Path, work: Path, pairs: int) -> list[Row]:
    """Decoding and tokenising alone, and operations over the measured peak, against the time taken."""
    folder = make_pairs(data, work / "pairs", pairs)
    plan = ours.make_plan(folder, work / "cache", FROZEN)
    bench = Workspace(plan)
    model = bench.model(plan.config.model, 0)
    texts = [pair.text or "" for pair in plan.dataset.pairs]
    paths = [pair.image for pair in plan.dataset.pairs if pair.image is not None]
    tokenise = _timed(lambda: model.text.inputs.arrays(texts))
    decode = _timed(lambda: _on_all_cores(lambda path: model.image.inputs.arrays([path]), paths))
    lengths = [len(ids) for ids in model.text.inputs.arrays(texts)]
    spent = fill_seconds(bench, model, plan.config.fit)
    side = model.image.inputs.image_size_px
    text_flops = sum(
        count * machine.flops(model.text, _text(int(length))) for length, count in zip(*_counted(lengths), strict=True)
    )
    image_flops = len(paths) * machine.flops(model.image, Activations(torch.zeros(1, 3, side, side, dtype=torch.uint8)))
    text_peak, image_peak = (measure_peak(plan.compute.describe(e)["precision"]) for e in (model.text, model.image))
    text_limit, image_limit = tokenise + text_peak.seconds(text_flops), decode + image_peak.seconds(image_flops)
    return [
        Row("4 limit of the texts", spent["minilm"], text_limit, _share(text_flops, text_peak, tokenise, "tokenise")),
        Row(
            "  limit of the images",
            spent["efficientnet-lite0"],
            image_limit,
            _share(image_flops, image_peak, decode, "decode"),
        ),
        Row(
            "  limit of both",
            sum(spent.values()),
            text_limit + image_limit,
            f"{pairs} pairs; the ratio is the share of the limit that is reached, at the precision that parity allows",
        ),
        _stream_row(folder, work, plan.dataset.pairs, text_limit + image_limit),
    ]


def _stream_row(folder: Path, work: Path, pairs: Sequence[Pair], least: float) -> Row:
    """`predict` over the same pairs, without stored features, beside the limit of `least` seconds."""
    train(folder, work, "cache")
    predictor = Predictor.load(checkpoint(work), RuntimeConfig(cache_dir=str(work / "cache")))
    list(predictor.predict(pairs[:1]))  # compiles the networks
    spent = _timed(lambda: list(predictor.predict(pairs)))
    note = f"{len(pairs) / spent:.0f} of {len(pairs) / least:.0f} pairs per second; target .6"
    return Row("  predict, streamed", spent, least, note)


class Peak(NamedTuple):
    """The most that this machine computes in a precision, in billions of operations a second."""

    precision: str
    gflops: float

    def seconds(self, flops: int) -> float:
        """What so many operations take at least."""
        return flops / self.gflops / 1e9


@cache
def measure_peak(precision: str) -> Peak:
    """The better of a matrix product and a 1x1 convolution."""
    return Peak(precision, max(machine.matmul_gflops(precision), machine.convolution_gflops(precision)))


def fill_seconds(bench: Workspace, model, fit) -> dict[str, float]:
    """Seconds until each encoder's last pair is in the store, by its name."""
    ends: dict[str, float] = {}

    def note_end(event: Event) -> None:
        if isinstance(event, Stage):
            ends[event.name.rpartition(" ")[2]] = time.perf_counter()

    bench.progress = note_end
    start = time.perf_counter()
    bench.table(model, fit)
    spent = {}
    for name, end in ends.items():
        spent[name], start = end - start, end
    return spent


def _on_all_cores(work: Callable, items: list) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, items))


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _counted(lengths: list[int]) -> tuple[list[int], list[int]]:
    values, counts = np.unique(lengths, return_counts=True)
    return values.tolist(), counts.tolist()


def _text(length: int) -> Activations:
    return Activations(torch.zeros(1, length, dtype=torch.int64), torch.ones(1, length, dtype=torch.bool))


def _share(flops: int, peak: Peak, alone: float, what: str) -> str:
    compute = f"{flops / 1e9:.0f} GFLOP at {peak.gflops:.0f} GFLOP/s ({peak.precision})"
    return f"{compute}; {what} alone on all cores {alone:.1f} s"
