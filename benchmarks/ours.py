"""mmsent's side of the measurements, through its own interface."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, RuntimeConfig, SplitConfig, TrainConfig
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.workspace import Workspace


def make_plan(
    data: Path,
    cache: Path,
    model: ModelConfig,
    epochs: int = 10,
    weights: Path | None = None,
    batch_size: int | None = None,
    **runtime_settings: Any,
) -> Plan:
    """A run that can start, on a plain split (texts that are repeated would all be one group)."""
    weights_dir = None if weights is None else str(weights)
    runtime = RuntimeConfig(cache_dir=str(cache), offline=True, weights_dir=weights_dir, **runtime_settings)
    split = SplitConfig(strategy="plain-80-20")
    data_config = DataConfig(data=str(data))
    fit = FitConfig(epochs=epochs, patience=0, batch_size=batch_size)
    return plan_run(TrainConfig(data=data_config, split=split, model=model, fit=fit, runtime=runtime))


def train_models(plan: Plan, fusions: Sequence[str], seeds: int = 1) -> float:
    """Seconds to train the models of each fusion, one after the other, filling the feature store included."""
    start = time.perf_counter()
    bench = Workspace(plan)
    for fusion in fusions:
        for seed in range(seeds):
            _, _, trainer = bench.trainer(plan.variant(fusion, seed=seed))
            for _ in trainer.fit():
                pass
    return time.perf_counter() - start


def split_sizes(plan: Plan) -> tuple[int, int]:
    """Training and validation pairs."""
    bench = Workspace(plan)
    return len(bench.train), len(bench.val)
