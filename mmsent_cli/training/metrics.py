"""Evaluate a model, and compare epochs by a monitored metric."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch.nn import functional

from mmsent_cli.compute import processes
from mmsent_cli.model import Batch, Logits
from mmsent_cli.results import ClassMetrics, Metrics
from mmsent_cli.stats import accuracy_interval, confusion_counts, f1_by_class, macro_f1_of

if TYPE_CHECKING:
    from accelerate import Accelerator


class Score(Protocol):
    """The validation metrics of an epoch, such as an EpochScore or an EpochResult."""

    @property
    def val_loss(self) -> float: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def macro_f1(self) -> float: ...


S = TypeVar("S", bound=Score)


class Monitor:
    """A validation metric, and whether high or low values are better.

    Args:
        name: `accuracy` or `macro_f1`, where higher is better; or `loss`, where lower is better.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_loss = name == "loss"

    def value(self, score: Score) -> float:
        """Return the metric of an epoch. A loss of NaN counts as infinite."""
        if not self.is_loss:
            return getattr(score, self.name)
        return math.inf if math.isnan(score.val_loss) else score.val_loss

    def is_better(self, score: Score, other: Score) -> bool:
        """Return True if `score` is strictly better."""
        return self.value(score) < self.value(other) if self.is_loss else self.value(score) > self.value(other)

    def best(self, curve: Sequence[S]) -> S:
        """Return the best of one or more epochs. Of equally good epochs, the first is returned."""
        best = curve[0]
        for score in curve[1:]:
            best = score if self.is_better(score, best) else best
        return best


def compute_metrics(true: Sequence[int], predicted: Sequence[int], labels: Sequence[str], loss: float) -> Metrics:
    """Compute accuracy and macro-F1 with their intervals, confusion matrix, and the scores of each class.

    Args:
        true: true class numbers [N].
        predicted: predicted class numbers [N].
        labels: class names in order.
        loss: mean cross-entropy of these pairs, without label smoothing and class weights.
    """
    rows, columns = np.asarray(true), np.asarray(predicted)
    confusion = confusion_counts(rows, columns, len(labels))  # [C, C], a row for each true class
    hits, support = np.diagonal(confusion), confusion.sum(axis=1)
    precision, recall = hits / np.maximum(confusion.sum(axis=0), 1), hits / np.maximum(support, 1)
    f1, correct = f1_by_class(confusion), int(hits.sum())
    # A single pair has no spread to estimate an interval from.
    interval = macro_f1_of(rows, columns[None], len(labels)) if len(true) > 1 else (0.0, 1.0)
    return Metrics(
        loss=loss,
        accuracy=correct / len(true),
        macro_f1=float(np.mean(f1)),
        interval=accuracy_interval(correct, len(true)),
        macro_f1_interval=interval,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        per_class=tuple(
            ClassMetrics(label=label, precision=float(p), recall=float(r), f1=float(f), support=int(n))
            for label, p, r, f, n in zip(labels, precision, recall, f1, support, strict=True)
        ),
    )


def majority_accuracy(train: Sequence[int], val: Sequence[int]) -> float:
    """Return the accuracy on `val` of always predicting the most frequent class of `train`."""
    answer = Counter(train).most_common(1)[0][0]
    return sum(target == answer for target in val) / len(val)


def metrics_of(log_probabilities: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]) -> Metrics:
    """Compute metrics from the log-probabilities [N, C] and the true class numbers [N] of N pairs."""
    loss = float(-log_probabilities[np.arange(len(targets)), targets].mean())
    return compute_metrics(targets.tolist(), log_probabilities.argmax(axis=1).tolist(), labels, loss)


class Evaluation(NamedTuple):
    """Logits [N, C] and true class numbers [N] of N evaluated pairs, in row order.

    `gates` has the learned weights of the fusion by name, averaged over the pairs.
    """

    logits: np.ndarray
    targets: np.ndarray
    gates: Mapping[str, float] = {}

    def metrics(self, labels: tuple[str, ...]) -> Metrics:
        """Compute the metrics of the evaluated pairs."""
        loss = float(self.losses().mean())
        return compute_metrics(self.targets.tolist(), self.logits.argmax(axis=1).tolist(), labels, loss)

    def losses(self) -> np.ndarray:
        """Compute the cross-entropy of each pair [N], float64, without label smoothing and class weights."""
        logits, targets = torch.from_numpy(self.logits).double(), torch.from_numpy(self.targets)
        return functional.cross_entropy(logits, targets, reduction="none").numpy()


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: Any, accelerator: "Accelerator") -> Evaluation:
    """Compute the logits of all pairs of a loader in eval mode, and the mean of each gate of the fusion."""
    network = accelerator.unwrap_model(model) if accelerator.num_processes > 1 else model
    processes.share_buffers(network)
    network.eval()
    logits, targets = [], []
    gates: defaultdict[str, list[torch.Tensor]] = defaultdict(list)
    batch: Batch
    for batch in loader:
        answer: Logits = network(batch)
        logits.append(answer.main.float().cpu())
        targets.append(batch.target.cpu())
        for name, gate in (answer.gates or {}).items():
            gates[name].append(gate.float().cpu())
    parts = processes.of_all((logits, targets, dict(gates)))
    means = {name: float(torch.cat([gate for part in parts for gate in part[2][name]]).mean()) for name in parts[0][2]}
    return Evaluation(_in_order([part[0] for part in parts]), _in_order([part[1] for part in parts]), means)


def _in_order(parts: Sequence[Sequence[torch.Tensor]]) -> np.ndarray:
    """Combine the batches of all processes in row order. Each process has every n-th row of every batch."""
    if len(parts) == 1:
        return torch.cat([*parts[0]]).numpy()
    rows = []
    for batches in zip_longest(*parts):
        batch = [part for part in batches if part is not None]
        whole = torch.empty(sum(map(len, batch)), *batch[0].shape[1:], dtype=batch[0].dtype)
        for number, part in enumerate(batch):
            whole[number :: len(parts)] = part
        rows.append(whole)
    return torch.cat(rows).numpy()
