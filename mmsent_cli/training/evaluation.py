"""The only evaluation: the logits of every validation pair, gathered from all processes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from mmsent_cli.compute import processes
from mmsent_cli.model import Batch, Logits
from mmsent_cli.results import Metrics
from mmsent_cli.training.metrics import compute_metrics

if TYPE_CHECKING:
    from accelerate import Accelerator


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


@torch.no_grad()
def evaluate(model: torch.nn.Module, loader: Any, accelerator: "Accelerator") -> Evaluation:
    """Compute the logits of every pair of a loader in eval mode, and the mean of each gate of the fusion."""
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
    """Join the batches of all processes, each of which has every n-th row of every batch, in the order of the rows."""
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
