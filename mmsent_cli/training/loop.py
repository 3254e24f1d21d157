"""The training loop, and the evaluation of a model.

The result of an epoch depends only on the state before it, the seed and the number of the epoch. So a resumed run has
exactly the same weights as an uninterrupted one.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from mmsent_cli.compute import processes
from mmsent_cli.compute.threads import suited_threads
from mmsent_cli.config import ResolvedFit, RuntimeConfig
from mmsent_cli.features.table import EpochBatches, Table, make_loader
from mmsent_cli.model import SentimentModel, trains_encoders
from mmsent_cli.progress import Progress, Step, silent
from mmsent_cli.results import EpochResult
from mmsent_cli.training.loss import Loss, build_optimizer, build_schedule, current_lr, seed_everything, steps_per_epoch
from mmsent_cli.training.memory import out_of_memory
from mmsent_cli.training.metrics import Evaluation, Monitor, evaluate

if TYPE_CHECKING:
    from accelerate import Accelerator

EVALUATION_BATCH = 64
DEFAULT_RUNTIME = RuntimeConfig()


@dataclass
class FitState:
    """The state of a training after an epoch, as plain data and tensors.

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
        auxiliary_weight: weight of the losses of the text-only and image-only heads.
        accelerator: device, precision and gradient accumulation.
        runtime: number of processes that load batches, and whether the model is compiled.
    """

    def __init__(
        self,
        model: SentimentModel,
        table: Table,
        labels: tuple[str, ...],
        config: ResolvedFit,
        auxiliary_weight: float,
        accelerator: "Accelerator",
        runtime: RuntimeConfig = DEFAULT_RUNTIME,
    ) -> None:
        from accelerate.data_loader import prepare_data_loader

        self.labels = labels
        self.config = config
        self.accelerator = accelerator
        self.table = table
        part = accelerator.process_index, accelerator.num_processes
        self.sampler = EpochBatches(table, config.batch_size, config.seed, is_training=True, part=part)
        val_sampler = EpochBatches(table, EVALUATION_BATCH, config.seed, is_training=False, part=part)
        optimizer = build_optimizer(model, config)
        steps = steps_per_epoch(len(self.sampler), config.accumulation_steps) * config.epochs
        # Built before Accelerate wraps the optimizer, since a scheduler counts the steps of the optimizer it is given.
        self.schedule = build_schedule(optimizer, config, steps)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        # Accelerate would drop pairs where a short batch is not the last one, so the samplers divide the batches.
        self.train_loader, self.val_loader = (
            prepare_data_loader(
                make_loader(table, sampler, runtime.workers, accelerator.device),
                accelerator.device,
                num_processes=1,
                process_index=0,
                put_on_device=True,
                non_blocking=accelerator.device.type == "cuda",
            )
            for sampler in (self.sampler, val_sampler)
        )
        self.network = torch.compile(self.model, dynamic=True) if runtime.compile else self.model
        self.trains_encoders = trains_encoders(model)
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        targets = table.targets[list(table.train)].tolist()
        self.loss = Loss(config, targets, len(labels), auxiliary_weight, accelerator)
        self.monitor = Monitor(config.monitor)
        self.rates = (0.0, 0.0)
        self.history: list[EpochResult] = []
        self.best = self.last = Evaluation(np.empty((0, len(labels))), np.empty(0))

    def fit(self, progress: Progress = silent, model: str = "") -> Iterator[EpochResult]:
        """Train until the last epoch, or until early stopping. Yields the result of each epoch.

        Args:
            progress: receives progress events.
            model: name of the model in progress events.
        """
        for epoch in range(len(self.history) + 1, self.config.epochs + 1):
            if self._is_out_of_patience():
                return
            start = time.perf_counter()
            seed_everything(self.config.seed, epoch, self.accelerator.process_index)
            with suited_threads(self.trains_encoders):
                try:
                    train_loss, objective, skipped = self._train_epoch(epoch, progress, model)
                    self.last = evaluate(self.model, self.val_loader, self.accelerator)
                except torch.OutOfMemoryError as error:
                    raise out_of_memory(self.config) from error
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
                logits = self.network(batch)
                objective = self.loss(logits, batch)
                self.accelerator.backward(objective * self._group_scale(done, total))
                skipped += self._step()
            losses.append(self._losses(logits.main.detach().float(), batch.target))
            objectives.append(objective.detach())
            progress(Step(model, self.config.seed, epoch, done, total))
        parts = processes.of_all((torch.cat(losses).cpu(), torch.stack(objectives).cpu()))
        pairs, batches = zip(*parts, strict=True)
        return _finite_mean(torch.cat(pairs)), _finite_mean(torch.stack(batches).mean(dim=0)), skipped

    def try_step(self) -> None:
        """Do a training step with the batch that needs the most memory. Afterwards, the trainer cannot be used.

        Raises:
            torch.OutOfMemoryError: the step does not fit.
        """
        from accelerate.utils import send_to_device

        self.sampler.epoch = 1
        self.model.train()
        batch = send_to_device(self.table.batch(self.sampler.largest(), epoch=1), self.accelerator.device)
        self.accelerator.backward(self.loss(self.network(batch), batch))
        self.optimizer.step()

    def _losses(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compute the cross-entropy of each pair. Pairs that only fill up a batch (class -1) are left out."""
        if self.accelerator.num_processes > 1:
            logits, target = logits[target >= 0], target[target >= 0]
        return functional.cross_entropy(logits, target, reduction="none")

    def _group_scale(self, done: int, total: int) -> float:
        """Return the factor for the loss of batch `done`.

        The factor is 1 in a complete accumulation group. It is larger in an incomplete group at the end of an epoch.
        """
        size = self.config.accumulation_steps
        first = (done - 1) // size * size
        return size / min(size, total - first)

    def _step(self) -> bool:
        """Do an optimizer step if this batch completes an accumulation group. Returns True if the step was skipped."""
        if not self.accelerator.sync_gradients:
            return False
        self.rates = current_lr(self.optimizer, "encoder"), current_lr(self.optimizer, "head")
        # Clipping unscales the gradients first. With an infinite limit, it does not change them otherwise.
        limit = self.config.max_grad_norm or math.inf
        norm = torch.as_tensor(self.accelerator.clip_grad_norm_(self.trained, limit))
        is_finite = bool(torch.isfinite(norm))
        if is_finite or self.accelerator.scaler is not None:
            self.optimizer.step()  # a scaler skips a step that is not finite, and lowers its scale
        if is_finite:
            self.schedule.step()
        self.optimizer.zero_grad()
        return not is_finite

    def _is_out_of_patience(self) -> bool:
        if not self.config.patience or not self.history:
            return False
        return len(self.history) - self.monitor.best(self.history).epoch >= self.config.patience

    def state(self) -> FitState:
        """Return the state of the training, from which it can be resumed later."""
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
        """Restore a training state that the method `state` has returned."""
        self.history, self.best, self.last = list(state.history), state.best, state.last
        self.accelerator.unwrap_model(self.model).load_state_dict(state.model, strict=False)
        self.optimizer.load_state_dict(state.optimizer)
        self.schedule.load_state_dict(state.schedule)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)


def _finite_mean(values: torch.Tensor) -> float:
    """Return the mean of those values that are finite."""
    return float(torch.where(values.isfinite(), values, torch.nan).nanmean())
