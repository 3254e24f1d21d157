"""mmsent's side of the measurements, through its own interface."""

import time
from collections.abc import Sequence
from pathlib import Path

from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, RuntimeConfig, SplitConfig, TrainConfig
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.workspace import Workspace


def make_plan(data: Path, cache: Path, model: ModelConfig, epochs: int = 10, weights: Path | None = None) -> Plan:
    """A run that can start, on a plain split (texts that are repeated would all be one group)."""
    runtime = RuntimeConfig(cache_dir=str(cache), offline=True, weights_dir=None if weights is None else str(weights))
    split = SplitConfig(strategy="plain-80-20")
    data_config = DataConfig(data=str(data))
    fit = FitConfig(epochs=epochs, patience=0)
    return plan_run(TrainConfig(data=data_config, split=split, model=model, fit=fit, runtime=runtime))


def train_models(plan: Plan, fusions: Sequence[str]) -> float:
    """Seconds to train one model a fusion, one after the other, filling the feature store included."""
    start = time.perf_counter()
    bench = Workspace(plan)
    for fusion in fusions:
        _, _, trainer = bench.trainer(plan.variant(fusion))
        for _ in trainer.fit():
            pass
    return time.perf_counter() - start


def split_sizes(plan: Plan) -> tuple[int, int]:
    """Training and validation pairs."""
    bench = Workspace(plan)
    return len(bench.train), len(bench.val)
