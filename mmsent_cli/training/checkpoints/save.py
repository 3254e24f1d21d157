"""Writes checkpoints; each file appears whole or not at all."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmsent_cli.ensemble import Probe, Stacker
from mmsent_cli.ensemble.serialize import probe_content, stacker_content
from mmsent_cli.files import atomic_write
from mmsent_cli.model import SentimentModel
from mmsent_cli.results import EpochResult
from mmsent_cli.training.checkpoints.schema import Description, header
from mmsent_cli.training.loop import FitState


def save_checkpoint(
    path: Path, model: SentimentModel, description: Description, epoch: int, with_frozen: bool = False
) -> None:
    """Write the model after an epoch; the file appears whole or not at all.

    Args:
        path: where to.
        model: on any device.
        description: see there.
        epoch: the finished epoch, counted from 1.
        with_frozen: keep frozen weights as well, for a machine that has none.
    """
    state = model.state_dict() if with_frozen else model.trained_state()
    content = header(description, epoch) | _seen_content(description)
    _save(path, content | {"with_frozen": with_frozen, "state": _to_cpu(state)})


def save_last(path: Path, description: Description, state: FitState) -> None:
    """Write everything that a resumed run needs."""
    content = header(description, len(state.history))
    content |= {
        "history": [asdict(result) for result in state.history],
        "evaluations": [torch.from_numpy(array) for each in (state.best, state.last) for array in each[:2]],
        "state": _to_cpu(state.model),
        "optimizer": state.optimizer,
        "schedule": state.schedule,
        "scaler": state.scaler,
    }
    _save(path, content)


@dataclass(frozen=True, slots=True)
class EnsembleParts:
    """What is saved of an ensemble.

    Attributes:
        states: of the models, as `SentimentModel.trained_state` gives them.
        probes: the fitted probes.
        stacker: combines all members.
        auxiliary_digests: digest of the weights of each auxiliary encoder, by name.
    """

    states: Sequence[Mapping[str, Any]]
    probes: Sequence[Probe]
    stacker: Stacker
    auxiliary_digests: Mapping[str, str]


def save_ensemble(path: Path, description: Description, epoch: int, parts: EnsembleParts) -> None:
    """Write an ensemble.

    Args:
        path: where to.
        description: of every model.
        epoch: the epochs that each was trained.
        parts: its models, probes and stacker.
    """
    content = header(description, epoch) | _seen_content(description)
    content |= {
        "states": [_to_cpu(state) for state in parts.states],
        "probes": [probe_content(probe) for probe in parts.probes],
        "stacker": stacker_content(parts.stacker),
        "auxiliary_digests": dict(parts.auxiliary_digests),
    }
    _save(path, content)


def save_fold(
    path: Path,
    description: Description,
    states: Sequence[Mapping[str, Any]],
    logits: np.ndarray,
    history: Sequence[EpochResult],
) -> None:
    """Write the finished models of one fold, their logits [K, N, C] of its pairs, and their epochs."""
    content = header(description, len(history)) | {
        "states": [_to_cpu(state) for state in states],
        "logits": torch.from_numpy(logits),
        "history": [asdict(result) for result in history],
    }
    _save(path, content)


def _seen_content(description: Description) -> dict[str, Any]:
    """The record of the training pairs, as tensors by name."""
    if description.seen is None:
        return {}
    return {"seen": {name: torch.from_numpy(array) for name, array in description.seen.arrays().items()}}


def _save(path: Path, content: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_write(path, buffer.getvalue())


def _to_cpu(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().cpu() for name, tensor in state.items()}
