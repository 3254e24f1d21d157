"""Reads the plain content of checkpoints; nothing in a file is trusted."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmsent_cli.errors import CheckpointError
from mmsent_cli.files import reason
from mmsent_cli.results import EpochResult
from mmsent_cli.training.checkpoints.schema import RETRAIN, Description, check_header
from mmsent_cli.training.loop import Evaluation, FitState

BROKEN = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile)
"""What reading a damaged file raises: its bytes are instructions to the reader."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint's plain content.

    Raises:
        CheckpointError: not to be read, cut short or damaged, holds pickled objects, or is no checkpoint of mmsent.
    """
    try:
        with path.open("rb"):  # an error here is about the file's name or rights, a later one about its content
            pass
    except OSError as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {reason(error)}", RETRAIN) from error
    try:
        _require_sound(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch wonders aloud at a file that is refused just below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} contains objects that could run code, so mmsent does not open it", RETRAIN
        ) from error
    except BROKEN as error:
        raise CheckpointError(f"{path} is no checkpoint, or is cut short or damaged", RETRAIN) from error
    return check_header(content, path)


def _require_sound(path: Path) -> None:
    """Compare the archive's checksums, which `torch.load` does not: a damaged weight would load like any other.

    Raises:
        BadZipFile: no archive, as after a cut, or one of its parts is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} is damaged")


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
        raise CheckpointError(
            f"{path} was trained with different frozen encoder weights than this run", "start a new run"
        )
    try:
        history = [EpochResult(**values) for values in content["history"]]
        states, logits = content["states"], content["logits"].numpy()
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}", hint) from error
    if logits.shape != (description.model.models_per_fold, pairs, len(description.labels)) or len(states) != len(
        logits
    ):
        raise CheckpointError(f"{path} belongs to a run with other models or pairs", hint)
    return states, logits, history


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
