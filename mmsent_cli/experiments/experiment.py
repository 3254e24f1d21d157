"""A running experiment: arms trained one after the other on one bench, each kept when it is done.

A killed experiment goes on from the arms that its run folder holds. What was computed for them is added up in the
folder too, so the result says what the whole experiment cost, not what was left of it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mmsent_cli.config import TrainConfig
from mmsent_cli.errors import DataError
from mmsent_cli.experiments.nested import best_epoch
from mmsent_cli.experiments.trained import TrainedArm, load, save
from mmsent_cli.findings import EpochScore, Setting
from mmsent_cli.model import count_parameters
from mmsent_cli.records import ARMS, Run, as_file_name
from mmsent_cli.results import EpochResult
from mmsent_cli.training.bench import Bench
from mmsent_cli.training.loop import Evaluation, Step
from mmsent_cli.training.metrics import majority_accuracy
from mmsent_cli.training.plan import Listener, Plan

ENCODER_RUNS = "encoder_runs.json"


class ArmsListener(Listener, Protocol):
    """Who watches an experiment."""

    total_epochs: int | None

    def begin(self, name: str, seed: int, done: int, total: int) -> None: ...
    def finish(self, name: str, seed: int, accuracy: float, macro_f1: float, resumed: bool) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One model to train. Arms of one name differ by seed only; references are shown and not tested."""

    name: str
    config: TrainConfig
    is_reference: bool = False

    @property
    def seed(self) -> int:
        """Seed of the model."""
        return self.config.fit.seed

    @property
    def stem(self) -> str:
        """Name of its files in the run's folder."""
        return as_file_name(f"{self.name}-seed-{self.seed}")


class Experiment:
    """Trains arms that share one plan.

    Args:
        plan: what all arms have in common.
        run: folder that keeps the finished arms.
        listener: hears of progress.

    Attributes:
        bench: makes models and tables.
        true: class numbers of the validation pairs, in the order of the data set [N].

    Raises:
        DataError: a single validation pair.
    """

    def __init__(self, plan: Plan, run: Run, listener: ArmsListener) -> None:
        self.plan = plan
        self.run = run
        self.listener = listener
        self.bench = Bench(plan, listener, self._write_encoder_runs)
        self.true = self.bench.targets[list(self.bench.val)]
        if len(self.true) < 2:
            raise DataError("there is one validation pair: nothing can be said of its choice", "use a larger split")
        self._earlier = Counter(run.read_json(ENCODER_RUNS) if run.path(ENCODER_RUNS).is_file() else {})

    def train(self, arms: Sequence[Arm]) -> list[TrainedArm]:
        """Train every arm that the run's folder does not hold yet; all of them, in order.

        Raises:
            ConfigError: encoders that do not suit one of the fusions; found before the first arm is trained.
        """
        for arm in arms:
            self.bench.model(arm.config.model, arm.seed)
        return [self._trained(arm, number, len(arms)) for number, arm in enumerate(arms)]

    def epochs(self, arm: Arm) -> Iterator["TrainedArm"]:
        """Train one arm; what there is of it after each epoch, so that a caller may stop early."""
        model, table, trainer = self.bench.trainer(arm.config)
        trainable, _ = count_parameters(model)
        order = np.argsort(table.val)  # the table goes by text length
        evaluations: list[Evaluation] = []
        for event in trainer.fit():
            if isinstance(event, Step):
                self.listener.step(*event)
                continue
            self.listener.epoch(event)
            evaluations.append(trainer.last)
            yield TrainedArm(
                name=arm.name,
                fusion=arm.config.model.fusion,
                augmentation=arm.config.fit.augmentation or "none",
                seed=arm.seed,
                is_reference=arm.is_reference,
                trainable_parameters=trainable,
                monitor=arm.config.fit.monitor or "accuracy",
                curve=tuple(map(_score, trainer.history)),
                predicted=np.stack([evaluation.logits.argmax(axis=1) for evaluation in evaluations])[:, order],
                losses=np.stack([evaluation.losses() for evaluation in evaluations])[:, order],
            )

    def setting(self, config: TrainConfig, seeds: Sequence[int]) -> Setting:
        """What all arms share, for the result."""
        plan, bench = self.plan, self.bench
        targets = bench.targets
        return Setting(
            encoders=config.model.encoders,
            labels=plan.dataset.labels,
            train_pairs=len(bench.train),
            val_pairs=len(bench.val),
            split=f"{plan.split.strategy}, digest {plan.split.digest}",
            epochs=config.fit.epochs or 0,
            seeds=tuple(seeds),
            majority_accuracy=majority_accuracy(targets[list(bench.train)].tolist(), self.true.tolist()),
            encoder_runs=self.encoder_runs(),
            device=plan.arithmetic.device,
            precision=plan.arithmetic.precision,
        )

    def encoder_runs(self) -> dict[str, int]:
        """Texts and images that went through an encoder's stored stages, in this process and those before it."""
        return {side: self._earlier[side] + self.bench.encoder_runs[side] for side in ("text", "image")}

    def _trained(self, arm: Arm, done: int, total: int) -> TrainedArm:
        folder = self.run.path(ARMS)
        self.listener.begin(arm.name, arm.seed, done, total)
        trained = load(folder, arm.stem)
        is_resumed = trained is not None
        if trained is None:
            *_, trained = self.epochs(arm)
            save(folder, arm.stem, trained)
        best = best_epoch(trained.curve, trained.monitor)
        self.listener.finish(arm.name, arm.seed, best.accuracy, best.macro_f1, is_resumed)
        return trained

    def _write_encoder_runs(self) -> None:
        """Keep the count as soon as what was counted is kept: a killed experiment finds it in the feature store."""
        self.run.write_json(ENCODER_RUNS, self.encoder_runs())


def arms_of(name: str, config: TrainConfig, seeds: Sequence[int], is_reference: bool = False) -> list[Arm]:
    """One arm's models, one a seed."""
    configs = [replace(config, fit=replace(config.fit, seed=seed)) for seed in seeds]
    return [Arm(name=name, config=seeded, is_reference=is_reference) for seeded in configs]


def seeds_of(config: TrainConfig, count: int) -> tuple[int, ...]:
    """As many seeds as asked for, from the configuration's own on."""
    return tuple(range(config.fit.seed, config.fit.seed + count))


def seed_notes(count: int) -> list[str]:
    """What the reader of a comparison should know of its number of seeds."""
    if count > 1:
        return []
    return ["one seed: intervals cover the choice of pairs alone, and another seed may turn a verdict; use --seeds 3"]


def _score(result: EpochResult) -> EpochScore:
    return EpochScore(
        epoch=result.epoch,
        train_loss=result.train_loss,
        val_loss=result.val_loss,
        accuracy=result.accuracy,
        macro_f1=result.macro_f1,
        gates=result.gates,
    )
