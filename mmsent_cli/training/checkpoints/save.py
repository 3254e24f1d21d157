"""Write checkpoints atomically."""

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
    """Write a checkpoint of a model after an epoch.

    Args:
        path: the file to write.
        model: the model, on any device.
        description: the metadata of the model.
        epoch: the finished epoch, counted from 1.
        with_frozen: also write frozen weights, so that the checkpoint can be used on machines without these weights.
    """
    state = model.state_dict() if with_frozen else model.trained_state()
    content = header(description, epoch) | _seen_content(description)
    _save(path, content | {"with_frozen": with_frozen, "state": _to_cpu(state)})


def save_last(path: Path, description: Description, state: FitState) -> None:
    """Write the training state for a later resume."""
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
    """The parts of an ensemble.

    Attributes:
        states: the states of the models, from `SentimentModel.trained_state`.
        probes: the fitted probes.
        stacker: the stacker.
        auxiliary_digests: for each auxiliary encoder (used by probes only), the digest of its weights.
    """

    states: Sequence[Mapping[str, Any]]
    probes: Sequence[Probe]
    stacker: Stacker
    auxiliary_digests: Mapping[str, str]


def save_ensemble(path: Path, description: Description, epoch: int, parts: EnsembleParts) -> None:
    """Write an ensemble.

    Args:
        path: the file to write.
        description: the metadata of the models.
        epoch: the number of epochs that each model was trained.
        parts: models, probes and stacker.
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
    """Write the K finished models of a fold, their logits [K, N, C] for the N pairs of the fold, and their epochs."""
    content = header(description, len(history)) | {
        "states": [_to_cpu(state) for state in states],
        "logits": torch.from_numpy(logits),
        "history": [asdict(result) for result in history],
    }
    _save(path, content)


def _seen_content(description: Description) -> dict[str, Any]:
    """Return the records of the training pairs and of the validation pairs as tensors by name."""
    seen = description.seen
    records = {"seen": seen, "validation": None if seen is None else seen.validation}
    return {
        part: {name: torch.from_numpy(array) for name, array in record.arrays().items()}
        for part, record in records.items()
        if record is not None
    }


def _save(path: Path, content: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_write(path, buffer.getvalue())


def _to_cpu(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().cpu() for name, tensor in state.items()}
