"""An arm of an experiment: one model to train, and what it says of the validation pairs after each epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmsent_cli.config import ResolvedConfig
from mmsent_cli.experiments.trained_arm import TrainedArm
from mmsent_cli.model import count_parameters
from mmsent_cli.progress import Epoch
from mmsent_cli.records import as_file_name
from mmsent_cli.training.loop import Evaluation
from mmsent_cli.training.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One model to train. Arms of one name differ by seed only; references are shown and not tested."""

    name: str
    config: ResolvedConfig
    is_reference: bool = False

    @property
    def seed(self) -> int:
        """Seed of the model."""
        return self.config.fit.seed

    @property
    def stem(self) -> str:
        """Name of its files in the run's folder."""
        return as_file_name(f"{self.name}-seed-{self.seed}")


def arms_of(name: str, config: ResolvedConfig, seeds: Sequence[int], is_reference: bool = False) -> list[Arm]:
    """One arm's models, one a seed."""
    configs = [replace(config, fit=replace(config.fit, seed=seed)) for seed in seeds]
    return [Arm(name=name, config=seeded, is_reference=is_reference) for seeded in configs]


def seeds_of(config: ResolvedConfig, count: int) -> tuple[int, ...]:
    """As many seeds as asked for, from the configuration's own on."""
    return tuple(range(config.fit.seed, config.fit.seed + count))


def train_arm(bench: Workspace, arm: Arm, shown_as: str = "") -> Iterator[TrainedArm]:
    """Train one arm; what there is of it after each epoch, so that a caller may stop early.

    The bench's `progress` receives batches and epochs, of a model called `shown_as` or by the arm's name.
    """
    model, table, trainer = bench.trainer(arm.config)
    trainable, _ = count_parameters(model)
    order = np.argsort(table.val)  # the table goes by text length
    evaluations: list[Evaluation] = []
    name = shown_as or arm.name
    for result in trainer.fit(bench.progress, name):
        bench.progress(Epoch(name, arm.seed, result))
        evaluations.append(trainer.last)
        yield TrainedArm(
            name=arm.name,
            fusion=arm.config.model.fusion,
            augmentation=arm.config.fit.augmentation,
            seed=arm.seed,
            is_reference=arm.is_reference,
            trainable_parameters=trainable,
            monitor=arm.config.fit.monitor,
            curve=tuple(epoch.score() for epoch in trainer.history),
            predicted=np.stack([evaluation.logits.argmax(axis=1) for evaluation in evaluations])[:, order],
            losses=np.stack([evaluation.losses() for evaluation in evaluations])[:, order],
        )
