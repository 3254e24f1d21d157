"""The table for a GPU: frozen part, fine-tuning beside a plain loop with loader workers, fusions, stage times."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks import ours, plain
from benchmarks.inputs import make_pairs
from benchmarks.rows_speed import FROZEN, write_true_size
from benchmarks.tables import Row
from mmsent_cli.config import ModelConfig
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.workspace import Workspace

LOADER_WORKERS = 12
SEEDS, EPOCHS = 3, 10
BATCHES = {16: 3.0, 64: 1.5}
"""Batch sizes of full fine-tuning, and the target: so many times the rate of the plain loop."""
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 12}
"""A network with BERT's layers and nothing else, to run every line without a GPU."""


def device_rows(data: Path, work: Path, pairs: int, device: str, is_small: bool) -> list[Row]:
    """All rows of a device.

    Args:
        data: lab folder whose files are repeated.
        work: scratch folder.
        pairs: number of pairs.
        device: `cuda`, `cuda:N` or `cpu`.
        is_small: tiny networks and images, which measure nothing.
    """
    weights = write_true_size(work / "weights", SMALL if is_small else {})
    folder = make_pairs(data, work / "pairs", pairs)
    size: dict[str, Any] = {"image_size_px": 32} if is_small else {}

    def plan_for(name: str, model: dict[str, Any], **more: Any) -> Plan:
        return ours.make_plan(folder, work / name, ModelConfig(**model, **size), weights=weights, device=device, **more)

    bert = {"encoders": "bert-resnet18", "fusion": "concat"}
    precisions = ("bf16", "fp32") if device.startswith("cuda") else ("fp32",)
    frozen = {**bert, "freeze_text": "10", "freeze_image": "3"}
    rows = [_prepare("frozen part, 10 layers and 3 stages", plan_for(p, frozen, precision=p), 2.0) for p in precisions]
    rows.append(_prepare("light: images prepared", plan_for("light", {"encoders": "light"})))
    rows += _stages(plan_for("stages", frozen))
    for batch_size, target in BATCHES.items():
        whole = {**bert, "freeze_text": "none", "freeze_image": "none"}
        rows.append(_epoch(plan_for(f"tune-{batch_size}", whole, epochs=2, batch_size=batch_size), target))
    rows.append(
        _fusions(plan_for("fusions", {"encoders": FROZEN.encoders, "freeze_text": "all", "freeze_image": "all"}))
    )
    return rows


def _prepare(name: str, plan: Plan, target: float | None = None) -> Row:
    bench = Workspace(plan)
    model = bench.model(plan.config.model, 0)
    with utilisation(plan.compute.device) as use:
        seconds = _timed(lambda: bench.table(model, plan.config.fit))
    goal = "" if target is None else f"; target {target:g} s for 2,500 pairs on an H100"
    return Row(f"{name}, {plan.compute.precision}", seconds, note=f"{len(plan.dataset.pairs):,} pairs{use()}{goal}")


def _stages(plan: Plan) -> list[Row]:
    """What decoding and tokenising take by themselves, on all cores."""
    model = Workspace(plan).model(plan.config.model, 0)
    images = [pair.image for pair in plan.dataset.pairs if pair.image is not None]
    texts = [pair.text or "" for pair in plan.dataset.pairs]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decode = _timed(lambda: list(pool.map(lambda image: model.image.inputs.arrays([image]), images)))
    tokenise = _timed(lambda: model.text.inputs.arrays(texts))
    cores = f"{os.cpu_count()} cores"
    return [Row("  decoding alone", decode, note=cores), Row("  tokenising alone", tokenise, note=cores)]


def _epoch(plan: Plan, target: float) -> Row:
    """An epoch of full fine-tuning after the first one, beside the plain loop."""
    _, table, trainer = Workspace(plan).trainer(plan.config)
    with utilisation(plan.compute.device) as use:
        seconds = min(result.seconds for result in trainer.fit())
    batch_size = plan.config.fit.batch_size
    del trainer
    theirs = _plain_epoch(plan, [plan.dataset.pairs[row] for row in table.train], batch_size)
    note = f"{len(table.train):,} pairs, validation included{use()}; target {target:g} times the plain rate"
    return Row(f"an epoch of full fine-tuning, batch {batch_size}", seconds, theirs, note)


def _plain_epoch(plan: Plan, pairs: Sequence[Pair], batch_size: int) -> float:
    """Seconds of the second epoch of a plain loop whose images are decoded by loader workers."""
    device = torch.device(plan.compute.device)
    model = Workspace(plan).model(plan.config.model, 0)
    loop = plain.PlainLoop(model.text.to(device), model.image.to(device))
    loop.head.to(device)
    workers = min(LOADER_WORKERS, os.cpu_count() or 1)
    is_cuda = device.type == "cuda"
    loader = DataLoader(_Raw(loop, pairs), batch_size, shuffle=True, num_workers=workers, pin_memory=is_cuda)

    def epoch() -> None:
        for batch in loader:
            ids, mask, pixels, target = (each.to(device, non_blocking=is_cuda) for each in batch)
            with plan.compute.autocast():
                text = loop.text.encode(Activations(ids, mask)).pooled
                logits = loop.head(torch.cat([text, loop.image.encode(Activations(pixels)).pooled], dim=1))
            loss = functional.cross_entropy(logits.float(), target)
            loop.optimizer.zero_grad()
            loss.backward()
            loop.optimizer.step()
        if is_cuda:
            torch.cuda.synchronize()

    epoch()
    return _timed(epoch)


class _Raw(Dataset):
    """Pairs as a plain loop reads them: decoded and padded one by one in each epoch."""

    def __init__(self, loop: plain.PlainLoop, pairs: Sequence[Pair]) -> None:
        self._loop, self._pairs = loop, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, ...]:
        ids, mask = self._loop.tokens([self._pairs[row]])
        return ids[0], mask[0], torch.tensor(self._loop.decode(self._pairs[row])), torch.tensor(row % 3)


def _fusions(plan: Plan) -> Row:
    """The published fusions with frozen encoders, filling the feature store included."""
    names = [name for name, spec in FUSIONS.items() if spec.is_published]
    with utilisation(plan.compute.device) as use:
        seconds = ours.train_models(plan, names, SEEDS)
    note = f"{len(plan.dataset.pairs):,} pairs{use()}; target 30 s for 2,500 pairs on an H100"
    return Row(f"{len(names)} fusions x {EPOCHS} epochs x {SEEDS} seeds, frozen", seconds, note=note)


@contextmanager
def utilisation(device: str) -> Iterator[Callable[[], str]]:
    """Sample how busy the GPU is in this block; yields what gives the mean in words, or "" without a GPU."""
    program = shutil.which("nvidia-smi") if device.startswith("cuda") else None
    if program is None:
        yield lambda: ""
        return
    query = [program, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
    index = device.partition(":")[2]
    sampler = subprocess.Popen([*query, *(["-i", index] if index else [])], stdout=subprocess.PIPE, text=True)
    samples: list[float] = []
    try:
        yield lambda: f"; GPU busy {sum(samples) / max(1, len(samples)):.0f} %"
    finally:
        sampler.terminate()
        answer, _ = sampler.communicate()
        samples += [float(line) for line in answer.split() if line.replace(".", "").isdecimal()]


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
