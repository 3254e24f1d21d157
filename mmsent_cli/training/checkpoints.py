"""Checkpoints: trained parameters, plain data, and a digest of the frozen rest. They load with `weights_only=True`.

`predict` reads `best_model.pt`; `last.pt` adds the optimizer's state, for `--resume`.
"""

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmsent_cli.config import ResolvedModel, build, to_dict
from mmsent_cli.encoders.registry import build_auxiliary_encoder
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import Ensemble, Probe, Stacker, auxiliary_encoders
from mmsent_cli.ensemble.serialize import probe_content, read_probe, read_stacker, stacker_content
from mmsent_cli.errors import CheckpointError, MmsentError
from mmsent_cli.files import atomic_write
from mmsent_cli.model import MODALITIES, SentimentModel, build_model, copy_model
from mmsent_cli.results import EpochResult
from mmsent_cli.training.loop import Evaluation, FitState

FORMAT = "mmsent checkpoint"
VERSION = 1
PARTS = ("model", "labels", "vocabulary", "encoding", "run", "precision", "epoch", "frozen", "with_frozen")
BROKEN = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile)
"""What reading a damaged file raises: its bytes are instructions to the reader."""
OTHER_WEIGHTS = "{} was trained on other frozen encoder weights than those on this machine"
RETRAIN = "train again with mmsent train, or choose another checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a checkpoint contains besides the weights: how its model was made.

    Attributes:
        model: resolved configuration.
        labels: class names in order.
        vocabulary: words of an encoder that started from scratch, else None.
        encoding: the training corpus's encoding decision, as plain values.
        run: name of the run.
        precision: compute it was trained with.
        frozen: digest of the frozen stages of the `text` and `image` encoder.
    """

    model: ResolvedModel
    labels: tuple[str, ...]
    vocabulary: tuple[str, ...] | None
    encoding: Mapping[str, Any]
    run: str
    precision: str
    frozen: Mapping[str, str]


def frozen_digests(model: SentimentModel) -> dict[str, str]:
    """Digest of each encoder's frozen stages."""
    return {side: encoder.digest(encoder.frozen) for side, encoder in (("text", model.text), ("image", model.image))}


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
    _save(path, {**_header(description, epoch), "with_frozen": with_frozen, "state": _to_cpu(state)})


def save_last(path: Path, description: Description, state: FitState) -> None:
    """Write everything that a resumed run needs."""
    content = _header(description, len(state.history))
    content |= {
        "history": [asdict(result) for result in state.history],
        "evaluations": [torch.from_numpy(array) for each in (state.best, state.last) for array in each[:2]],
        "state": _to_cpu(state.model),
        "optimizer": state.optimizer,
        "schedule": state.schedule,
        "scaler": state.scaler,
    }
    _save(path, content)


def save_ensemble(
    path: Path,
    description: Description,
    epoch: int,
    states: Sequence[Mapping[str, Any]],
    probes: Sequence[Probe],
    stacker: Stacker,
    auxiliary_digests: Mapping[str, str],
) -> None:
    """Write an ensemble: the trained state of each model, the probes and the stacker.

    Args:
        path: where to.
        description: of every model.
        epoch: the epochs that each was trained.
        states: of the models, as `SentimentModel.trained_state` gives them.
        probes: the fitted probes.
        stacker: combines all members.
        auxiliary_digests: digest of the weights of each auxiliary encoder, by name.
    """
    content = _header(description, epoch) | {
        "states": [_to_cpu(state) for state in states],
        "probes": [probe_content(probe) for probe in probes],
        "stacker": stacker_content(stacker),
        "auxiliary_digests": dict(auxiliary_digests),
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
    content = _header(description, len(history)) | {
        "states": [_to_cpu(state) for state in states],
        "logits": torch.from_numpy(logits),
        "history": [asdict(result) for result in history],
    }
    _save(path, content)


def read_fold(
    path: Path, description: Description, pairs: int
) -> tuple[list[dict[str, Any]], np.ndarray, list[EpochResult]]:
    """States, logits and epochs of a finished fold.

    Args:
        path: where it is.
        description: of the run's models.
        pairs: N, the fold's.

    Raises:
        CheckpointError: damaged, or trained on other frozen weights.
    """
    hint = "delete it, and this fold is trained again"
    try:
        content = read_checkpoint(path)
    except CheckpointError as error:
        raise CheckpointError(error.message, hint) from error
    if content["frozen"] != description.frozen:
        raise CheckpointError(f"{path} was trained on other frozen encoder weights", "start a new run")
    try:
        history = [EpochResult(**values) for values in content["history"]]
        states, logits = content["states"], content["logits"].numpy()
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}", hint) from error
    if logits.shape != (description.model.models_per_fold, pairs, len(description.labels)) or len(states) != len(
        logits
    ):
        raise CheckpointError(f"{path} has other models or pairs than this run", hint)
    return states, logits, history


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint's plain content.

    Raises:
        CheckpointError: not to be read, holds pickled objects, or is no checkpoint of mmsent.
    """
    try:
        _require_sound(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch wonders aloud at a file that is refused just below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and plain data, and is not opened: such a file can run code", RETRAIN
        ) from error
    except BROKEN as error:
        why = (str(error).splitlines() or ["it is empty or cut short"])[0]
        raise CheckpointError(f"cannot read the checkpoint {path}: {why}", RETRAIN) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of mmsent", RETRAIN)
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has checkpoint version {content.get('version')}, this mmsent reads {VERSION}", RETRAIN
        )
    absent = [name for name in PARTS if name not in content]
    if absent:
        raise CheckpointError(f"{path} is damaged: it lacks {', '.join(absent)}", RETRAIN)
    return content


def _require_sound(path: Path) -> None:
    """Compare the archive's checksums, which `torch.load` does not: a damaged weight would load like any other."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} is damaged")


def load_ensemble(path: Path, weights: WeightSource) -> tuple[Ensemble, Description]:
    """Rebuild what a checkpoint predicts with, a single model or an ensemble, in eval mode.

    Raises:
        CheckpointError: unreadable, or its frozen encoder weights differ from those on this machine.
        WeightsUnavailable: the frozen encoders' weights are not available.
    """
    content = read_checkpoint(path)
    if "states" not in content:
        model, description = _rebuild(content, path, weights)
        return Ensemble((model,)), description
    states = content["states"]
    if not isinstance(states, list) or not states or not all(isinstance(state, dict) for state in states):
        raise CheckpointError(f"{path} is damaged: it holds no model", RETRAIN)
    first, description = _rebuild(content | {"state": states[0]}, path, weights)
    networks = [copy_model(first) for _ in states[1:]]
    for network, state in zip(networks, states[1:], strict=True):
        load_trained(network, state, path)
    n_classes = len(description.labels)
    try:
        names = auxiliary_encoders([part["name"] for part in content["probes"]])
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
        raise CheckpointError(f"the probes in {path} are damaged: {error}", RETRAIN) from error


def load_model(path: Path, weights: WeightSource) -> tuple[SentimentModel, Description]:
    """Rebuild the single model of a checkpoint, in eval mode.

    Raises:
        CheckpointError: unreadable, an ensemble, or its frozen encoder weights differ from those on this machine.
        WeightsUnavailable: the frozen encoders' weights are not available.
    """
    content = read_checkpoint(path)
    if "states" in content:
        raise CheckpointError(
            f"{path} is an ensemble, and this command needs a single model",
            "train without --folds, or name another checkpoint with --checkpoint",
        )
    return _rebuild(content, path, weights)


def _rebuild(content: Mapping[str, Any], path: Path, weights: WeightSource) -> tuple[SentimentModel, Description]:
    """The model of a checkpoint's `state`, in eval mode."""
    if "state" not in content:
        raise CheckpointError(f"{path} is damaged: it lacks state", RETRAIN)
    description = describe(content, path)
    model = build_model(description.model, len(description.labels), weights, description.vocabulary)
    if not content["with_frozen"]:
        require_same_frozen(model, description.frozen, path)
    absent = load_trained(model, content["state"], path)
    if content["with_frozen"] and absent:
        raise CheckpointError(f"{path} lacks {', '.join(sorted(absent)[:3])}", RETRAIN)
    return model.eval(), description


def load_trained(model: SentimentModel, state: Mapping[str, Any], path: Path) -> set[str]:
    """Load trained parameters; returns the names that the state did not hold, all of frozen stages.

    Raises:
        CheckpointError: names or shapes do not fit the model.
    """
    try:
        outcome = model.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: its weights do not fit its model: {error}", RETRAIN) from error
    lacking = set(outcome.missing_keys) & set(model.trained_state())
    if lacking or outcome.unexpected_keys:
        raise CheckpointError(f"{path} is damaged: its weights do not fit its model", RETRAIN)
    return set(outcome.missing_keys)


def require_same_frozen(model: SentimentModel, frozen: Mapping[str, str], path: Path) -> None:
    """Check that the frozen stages of a model are those that a checkpoint was trained on.

    Raises:
        CheckpointError: they are not.
    """
    if frozen_digests(model) != frozen:
        raise CheckpointError(OTHER_WEIGHTS.format(path), RETRAIN)


def describe(content: Mapping[str, Any], path: Path) -> Description:
    """The description inside the content of a checkpoint."""
    try:
        return Description(
            model=build(ResolvedModel, content["model"]),
            labels=tuple(content["labels"]),
            vocabulary=None if content["vocabulary"] is None else tuple(content["vocabulary"]),
            encoding=content["encoding"],
            run=content["run"],
            precision=content["precision"],
            frozen=content["frozen"],
        )
    except (KeyError, TypeError, MmsentError) as error:
        raise CheckpointError(f"the description in {path} is damaged: {error}", RETRAIN) from error


def fit_state(content: Mapping[str, Any]) -> FitState:
    """The training state inside a `last.pt`."""
    if "optimizer" not in content:
        raise CheckpointError("this checkpoint holds a model but no training state", "resume needs the run's last.pt")
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


def _header(description: Description, epoch: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": to_dict(description.model),
        "labels": list(description.labels),
        "vocabulary": None if description.vocabulary is None else list(description.vocabulary),
        "encoding": dict(description.encoding),
        "run": description.run,
        "precision": description.precision,
        "epoch": epoch,
        "frozen": dict(description.frozen),
        "with_frozen": False,
    }


def _save(path: Path, content: Mapping[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_write(path, buffer.getvalue())


def _to_cpu(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().cpu() for name, tensor in state.items()}
