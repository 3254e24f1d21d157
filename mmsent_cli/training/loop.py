"""The training loop, and the evaluation of a model.

The result of an epoch depends only on the state before it, the seed and the number of the epoch. So a resumed run ends
with exactly the same weights as an uninterrupted one.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn import functional

from mmsent_cli.compute.threads import suited_threads
from mmsent_cli.config import ResolvedFit
from mmsent_cli.features.table import EpochBatches, Table, make_loader
from mmsent_cli.model import Batch, Logits, SentimentModel
from mmsent_cli.progress import Progress, Step, silent
from mmsent_cli.results import EpochResult, Metrics
from mmsent_cli.training.loss import Loss
from mmsent_cli.training.metrics import compute_metrics
from mmsent_cli.training.monitor import Monitor
from mmsent_cli.training.optimizer import build_optimizer, build_schedule, current_lr, steps_per_epoch
from mmsent_cli.training.seeds import seed_everything

EVALUATION_BATCH = 64


class Evaluation(NamedTuple):
    """Logits [N, C] and true class numbers [N] of evaluated pairs, in row order, and the mean gates of the fusion."""

    logits: np.ndarray
    targets: np.ndarray
    gates: Mapping[str, float] = {}

    def metrics(self, labels: tuple[str, ...]) -> Metrics:
        """Compute the metrics."""
        loss = float(self.losses().mean())
        return compute_metrics(self.targets.tolist(), self.logits.argmax(axis=1).tolist(), labels, loss)

    def losses(self) -> np.ndarray:
        """Compute the cross-entropy of each pair [N], float64, without label smoothing and class weights."""
        logits, targets = torch.from_numpy(self.logits).double(), torch.from_numpy(self.targets)
        return functional.cross_entropy(logits, targets, reduction="none").numpy()


@dataclass
class FitState:
    """The state of a training after an epoch, in plain data and tensors.

    Attributes:
        history: the results of the finished epochs.
        best, last: the logits of the validation pairs after the best and the last epoch.
        model: trained parameters and running statistics, by name.
        optimizer, schedule, scaler: the state dicts of these objects.
    """

    history: list[EpochResult]
    best: Evaluation
    last: Evaluation
    model: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """Trains a model.

    Args:
        model: the model, with frozen stages.
        table: the encoded pairs.
        labels: class names.
        config: resolved settings of the training.
        auxiliary_weight: weight of the auxiliary losses.
        accelerator: device, precision and gradient accumulation.
        workers: number of extra processes that load batches.
    """

    def __init__(
        self,
        model: SentimentModel,
        table: Table,
        labels: tuple[str, ...],
        config: ResolvedFit,
        auxiliary_weight: float,
        accelerator: Accelerator,
        workers: int = 0,
    ) -> None:
        self.labels = labels
        self.config = config
        self.accelerator = accelerator
        self.sampler = EpochBatches(table, config.batch_size, config.seed, is_training=True)
        val_sampler = EpochBatches(table, EVALUATION_BATCH, config.seed, is_training=False)
        loaders = make_loader(table, self.sampler, workers), make_loader(table, val_sampler, workers)
        optimizer = build_optimizer(model, config)
        prepared = accelerator.prepare(model, optimizer, *loaders)
        self.model, self.optimizer, self.train_loader, self.val_loader = prepared
        self.trains_encoders = any(p.requires_grad for part in (model.text, model.image) for p in part.parameters())
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        steps = steps_per_epoch(len(self.train_loader), config.accumulation_steps) * config.epochs
        self.schedule = build_schedule(optimizer, config, steps)
        targets = table.targets[list(table.train)].tolist()
        self.loss = Loss(config, targets, len(labels), auxiliary_weight, accelerator.device)
        self.monitor = Monitor(config.monitor)
        self.rates = (0.0, 0.0)
        self.history: list[EpochResult] = []
        self.best = self.last = Evaluation(np.empty((0, len(labels))), np.empty(0))

    def fit(self, progress: Progress = silent, model: str = "") -> Iterator[EpochResult]:
        """Train until the last epoch, or until early stopping. Yields after each epoch.

        Args:
            progress: receives progress events.
            model: name of the model in progress events.
        """
        for epoch in range(len(self.history) + 1, self.config.epochs + 1):
            if self._is_out_of_patience():
                return
            start = time.perf_counter()
            seed_everything(self.config.seed, epoch)
            with suited_threads(self.trains_encoders):
                train_loss, objective, skipped = self._train_epoch(epoch, progress, model)
                self.last = evaluate(self.model, self.val_loader, self.accelerator)
            metrics = self.last.metrics(self.labels)
            result = EpochResult(
                epoch=epoch,
                train_loss=train_loss,
                train_objective=objective,
                val_loss=metrics.loss,
                accuracy=metrics.accuracy,
                macro_f1=metrics.macro_f1,
                encoder_lr=self.rates[0],
                head_lr=self.rates[1],
                skipped_steps=skipped,
                seconds=time.perf_counter() - start,
                is_best=False,
                gates=dict(self.last.gates),
            )
            if self.monitor.best([*self.history, result]) is result:
                result, self.best = replace(result, is_best=True), self.last
            self.history.append(result)
            yield result

    def _train_epoch(self, epoch: int, progress: Progress, model: str) -> tuple[float, float, int]:
        """Train for one epoch.

        Returns:
            The mean cross-entropy of the pairs, the mean objective of the batches, and the number of skipped steps.
            Values that are not finite are left out of the means.
        """
        self.sampler.epoch = epoch
        self.model.train()
        total, losses, objectives, skipped = len(self.train_loader), [], [], 0
        for done, batch in enumerate(self.train_loader, start=1):
            with self.accelerator.accumulate(self.model):
                logits = self.model(batch)
                objective = self.loss(logits, batch)
                self.accelerator.backward(objective * self._group_scale(done, total))
                skipped += self._step()
            losses.append(functional.cross_entropy(logits.main.detach().float(), batch.target, reduction="none"))
            objectives.append(objective.detach())
            progress(Step(model, self.config.seed, epoch, done, total))
        return self._finite_mean(torch.cat(losses)), self._finite_mean(torch.stack(objectives)), skipped

    def _finite_mean(self, values: torch.Tensor) -> float:
        finite = torch.where(values.isfinite(), values, torch.nan)
        return float(torch.as_tensor(self.accelerator.reduce(finite.nanmean(), "mean")))

    def _group_scale(self, done: int, total: int) -> float:
        """Return a loss factor for the last accumulation group, which may have fewer batches than the others."""
        size = self.config.accumulation_steps
        first = (done - 1) // size * size
        return size / min(size, total - first)

    def _step(self) -> bool:
        """Do an optimizer step if this batch completes an accumulation group. Returns True if the step was skipped."""
        if not self.accelerator.sync_gradients:
            return False
        self.rates = current_lr(self.optimizer, "encoder"), current_lr(self.optimizer, "head")
        # Clipping unscales first, and an infinite limit leaves the gradients as they are.
        limit = self.config.max_grad_norm or math.inf
        norm = torch.as_tensor(self.accelerator.clip_grad_norm_(self.trained, limit))
        is_finite = bool(torch.isfinite(norm))
        if is_finite or self.accelerator.scaler is not None:
            self.optimizer.step()  # a scaler skips what is not finite by itself, and lowers its scale
        if is_finite:
            self.schedule.step()
        self.optimizer.zero_grad()
        return not is_finite

    def _is_out_of_patience(self) -> bool:
        if not self.config.patience or not self.history:
            return False
        return len(self.history) - self.monitor.best(self.history).epoch >= self.config.patience

    def state(self) -> FitState:
        """Return the state that is needed to resume."""
        scaler = self.accelerator.scaler
        return FitState(
            history=list(self.history),
            best=self.best,
            last=self.last,
            model=self.accelerator.unwrap_model(self.model).trained_state(),
            optimizer=self.optimizer.state_dict(),
            schedule=self.schedule.state_dict(),
            scaler=scaler.state_dict() if scaler is not None else {},
        )

    def load(self, state: FitState) -> None:
        """Restore a state of `state()`."""
        self.history, self.best, self.last = list(state.history), state.best, state.last
        self.accelerator.unwrap_model(self.model).load_state_dict(state.model, strict=False)
        self.optimizer.load_state_dict(state.optimizer)
        self.schedule.load_state_dict(state.schedule)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: Any, accelerator: Accelerator) -> Evaluation:
    """Compute the logits of every pair of a loader in eval mode, and the mean of each gate of the fusion."""
    model.eval()
    logits, targets = [], []
    gates: defaultdict[str, list[torch.Tensor]] = defaultdict(list)
    batch: Batch
    for batch in loader:
        answer: Logits = model(batch)
        gathered = accelerator.gather_for_metrics((answer.main.float(), batch.target))
        logits.append(gathered[0].cpu())
        targets.append(gathered[1].cpu())
        for name, gate in (answer.gates or {}).items():
            gates[name].append(gate.float().cpu())
    means = {name: float(torch.cat(parts).mean()) for name, parts in gates.items()}
    return Evaluation(torch.cat(logits).numpy(), torch.cat(targets).numpy(), means)
