"""Load models from checkpoints, in eval mode."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmsent_cli.encoders.registry import build_auxiliary_encoder
from mmsent_cli.encoders.stages import WithoutInitialization
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import Ensemble, auxiliary_encoders
from mmsent_cli.ensemble.serialize import read_probe, read_stacker
from mmsent_cli.errors import CheckpointError, damage
from mmsent_cli.files import reason
from mmsent_cli.model import MODALITIES, SentimentModel, build_model, copy_model
from mmsent_cli.results import EpochResult
from mmsent_cli.training.checkpoints.schema import (
    OTHER_WEIGHTS,
    RETRAIN,
    Description,
    check_header,
    describe,
    require_same_frozen,
)
from mmsent_cli.training.loop import FitState
from mmsent_cli.training.metrics import Evaluation

BROKEN = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile)
"""Exceptions that reading a damaged file can raise. The bytes of a file are instructions to the reader, so damaged
bytes can cause many kinds of errors."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the plain content of a checkpoint.

    Raises:
        CheckpointError: the file is unreadable, damaged or not an mmsent checkpoint, or contains pickled objects.
    """
    try:
        with path.open("rb"):  # an error here is about path or permissions, not content
            pass
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {reason(error)}", RETRAIN) from error
    try:
        _require_sound(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns about files that are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} contains objects that could run code, so mmsent does not open it", RETRAIN
        ) from error
    except BROKEN as error:
        raise CheckpointError(f"{path} is not a checkpoint, or the file is incomplete or damaged", RETRAIN) from error
    return check_header(content, path)


def _require_sound(path: Path) -> None:
    """Check the checksums of the archive. `torch.load` ignores them, and would load damaged weights.

    Raises:
        BadZipFile: the file is truncated, or a part is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} is damaged")


def read_fold(
    path: Path, description: Description, pairs: int
) -> tuple[list[dict[str, Any]], np.ndarray, list[EpochResult]]:
    """Read the file of a finished fold.

    Args:
        path: the file of the fold.
        description: the metadata of the run's models.
        pairs: the number of pairs N of the fold.

    Returns:
        The trained parameters of K models, their logits [K, N, C] for C classes, and their epochs.

    Raises:
        CheckpointError: the file is damaged, or was trained with other frozen weights.
    """
    hint = "delete it, and this fold is trained again"
    try:
        content = read_checkpoint(path)
    except CheckpointError as error:
        raise CheckpointError(error.message, hint) from error
    if content["frozen"] != description.frozen:
        raise CheckpointError(
            f"{path} was trained with different frozen encoder weights than this run", "start a new run"
        )
    try:
        history = [EpochResult(**values) for values in content["history"]]
        states, logits = content["states"], content["logits"].numpy()
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {damage(error)}", hint) from error
    if logits.shape != (description.model.models_per_fold, pairs, len(description.labels)) or len(states) != len(
        logits
    ):
        raise CheckpointError(f"{path} belongs to a training of other models or with other pairs", hint)
    return states, logits, history


def fit_state(content: Mapping[str, Any]) -> FitState:
    """Make the training state from the content of a `last.pt`."""
    if "optimizer" not in content:
        raise CheckpointError(
            "last.pt has no training state, so the training cannot be resumed",
            "start a new run",
        )
    arrays = [tensor.numpy() for tensor in content["evaluations"]]
    return FitState(
        best=Evaluation(*arrays[:2]),
        last=Evaluation(*arrays[2:]),
        history=[EpochResult(**values) for values in content["history"]],
        model=content["state"],
        optimizer=content["optimizer"],
        schedule=content["schedule"],
        scaler=content["scaler"],
    )


def load_ensemble(path: Path, weights: WeightSource) -> tuple[Ensemble, Description]:
    """Load the model or the ensemble of a checkpoint, in eval mode. A single model becomes an ensemble of one model.

    Raises:
        CheckpointError: the checkpoint cannot be read, or was trained with different frozen weights than this machine
            has.
        WeightsUnavailable: the frozen encoders' weights are not available.
    """
    content = read_checkpoint(path)
    if "states" not in content:
        model, description = _rebuild(content, path, weights)
        return Ensemble((model,)), description
    states = content["states"]
    if not isinstance(states, list) or not states or not all(isinstance(state, dict) for state in states):
        raise CheckpointError(f"{path} is damaged: it contains no model", RETRAIN)
    first, description = _rebuild(content | {"state": states[0]}, path, weights)
    networks = [copy_model(first, shares_tensors=True) for _ in states[1:]]
    for network, state in zip(networks, states[1:], strict=True):
        load_trained(network, state, path, is_replaced=True)
    n_classes = len(description.labels)
    try:
        names = auxiliary_encoders([part["name"] for part in content["probes"]])
        with WithoutInitialization():
            auxiliary = {name: build_auxiliary_encoder(name, description.model, weights) for name in names}
        digests = {name: encoder.digest(encoder.n_stages) for name, encoder in auxiliary.items()}
        if digests != content["auxiliary_digests"]:
            raise CheckpointError(OTHER_WEIGHTS.format(path), RETRAIN)
        pooled = {side: getattr(first, side).out_dim for side in MODALITIES}
        pooled |= {name: encoder.out_dim for name, encoder in auxiliary.items()}
        probes = tuple(read_probe(part, n_classes, pooled) for part in content["probes"])
        stacker = read_stacker(content, 1 + len(probes), n_classes)
        members = (first, *(network.eval() for network in networks))
        return Ensemble(members, probes, stacker, auxiliary), description
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"the probes in {path} are damaged: {damage(error)}", RETRAIN) from error


def _rebuild(content: Mapping[str, Any], path: Path, weights: WeightSource) -> tuple[SentimentModel, Description]:
    """Build a model in eval mode from the `state` of a checkpoint, and read its metadata."""
    if "state" not in content:
        raise CheckpointError(f"{path} is damaged: it has no weights", RETRAIN)
    description = describe(content, path)
    with WithoutInitialization():  # all values come from the checkpoint or from published weights
        model = build_model(description.model, len(description.labels), weights, description.vocabulary)
    if not content["with_frozen"]:
        require_same_frozen(model, description.frozen, path)
    absent = load_trained(model, content["state"], path, is_replaced=True)
    if content["with_frozen"] and absent:
        raise CheckpointError(f"{path} is damaged: it lacks weights, such as {', '.join(sorted(absent)[:3])}", RETRAIN)
    return model.eval(), description


def load_trained(model: SentimentModel, state: Mapping[str, Any], path: Path, is_replaced: bool = False) -> set[str]:
    """Load trained parameters.

    Args:
        model: the model.
        state: the parameters by name.
        path: the checkpoint, for errors.
        is_replaced: replace the tensors of the model by the tensors of the state, instead of copying their values. This
            is not allowed during a training, since the optimizer holds the old tensors.

    Returns:
        The names of frozen parameters that are not in the state.

    Raises:
        CheckpointError: names or shapes do not match the model.
    """
    try:
        outcome = model.load_state_dict(_in_own_types(model, state) if is_replaced else state, False, is_replaced)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: its weights do not fit its model: {error}", RETRAIN) from error
    lacking = set(outcome.missing_keys) & set(model.trained_state())
    if lacking or outcome.unexpected_keys:
        raise CheckpointError(f"{path} is damaged: its weights do not fit its model", RETRAIN)
    return set(outcome.missing_keys)


def _in_own_types(model: SentimentModel, state: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the tensors of a state to the data types of the model's tensors."""
    own = model.state_dict()
    return {name: tensor.to(own[name].dtype) if name in own else tensor for name, tensor in state.items()}
