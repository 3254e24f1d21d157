"""The experts of a training over folds: what they read, and what each says of pairs that it was not fit on."""

from collections.abc import Sequence

import numpy as np
import torch

from mmsent_cli.config import ModelConfig
from mmsent_cli.ensemble import EXPERTS, Expert, ExpertInputs, expert_inputs, fit_expert, is_frozen, join_inputs
from mmsent_cli.errors import ConfigError
from mmsent_cli.model import SentimentModel
from mmsent_cli.training.batches import Table
from mmsent_cli.training.bench import Bench

BATCH = 256


def require_experts(config: ModelConfig, model: SentimentModel) -> None:
    """Check that each expert has a frozen encoder to read.

    Raises:
        ConfigError: one has none.
    """
    for name in config.experts or ():
        spec = EXPERTS[name]
        if spec.features == "pooled" and not is_frozen(model, spec.side):
            raise ConfigError(
                f"the expert {name} reads the features of a frozen encoder, and the {spec.side} encoder is trained",
                f"add --freeze-{spec.side} all, or leave the expert out",
            )


def cross_fit(
    names: Sequence[str], model: SentimentModel, table: Table, bench: Bench, folds: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], tuple[Expert, ...]]:
    """Fit experts without each fold in turn, then on all pairs.

    Args:
        names: of the experts.
        model: whose frozen encoders they read.
        table: all pairs as the model takes them.
        bench: knows the texts, and who listens.
        folds: rows of each fold.

    Returns:
        Each expert's log-probabilities out of fold [N, C], and the experts fit on all pairs.
    """
    if not names:
        return [], ()
    inputs = _inputs(model, table, [pair.text or "" for pair in bench.plan.dataset.pairs])
    n_classes = len(bench.plan.dataset.labels)
    every = np.arange(len(table.targets))
    said, experts = [], []
    for number, name in enumerate(names, start=1):
        answer = np.empty((len(every), n_classes))
        for fold in folds:
            expert = fit_expert(name, inputs, table.targets, np.setdiff1d(every, fold), n_classes)
            answer[fold] = expert.log_probabilities(inputs.take(fold))
        said.append(answer)
        experts.append(fit_expert(name, inputs, table.targets, every, n_classes))
        bench.listener.prepare("fitting experts", number, len(names))
    return said, tuple(experts)


@torch.inference_mode()
def _inputs(model: SentimentModel, table: Table, texts: Sequence[str]) -> ExpertInputs:
    """What experts may read of all pairs."""
    model.eval().to("cpu")
    chunks = [range(start, min(start + BATCH, len(texts))) for start in range(0, len(texts), BATCH)]
    return join_inputs([expert_inputs(model, table.batch(chunk), [texts[row] for row in chunk]) for chunk in chunks])
