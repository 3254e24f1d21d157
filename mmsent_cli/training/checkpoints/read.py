"""Read and check the content of checkpoints."""

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
from mmsent_cli.training.evaluation import Evaluation
from mmsent_cli.training.loop import FitState

BROKEN = (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile)
"""What reading a damaged file raises: its bytes are instructions to the reader."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the plain content of a checkpoint.

    Raises:
        CheckpointError: the file is unreadable, damaged or not an mmsent checkpoint, or contains pickled objects.
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
        raise CheckpointError(f"{path} is not a checkpoint, or is cut short or damaged", RETRAIN) from error
    return check_header(content, path)


def _require_sound(path: Path) -> None:
    """Check the checksums of the archive. `torch.load` does not check them, and would load damaged weights.

    Raises:
        BadZipFile: the file is truncated, or a part of it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} is damaged")


def read_fold(
    path: Path, description: Description, pairs: int
) -> tuple[list[dict[str, Any]], np.ndarray, list[EpochResult]]:
    """Read states, logits and epochs of a finished fold.

    Args:
        path: the file of the fold.
        description: the metadata of the run's models.
        pairs: the number of pairs N of the fold.

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
        raise CheckpointError(f"{path} is damaged: {error}", hint) from error
    if logits.shape != (description.model.models_per_fold, pairs, len(description.labels)) or len(states) != len(
        logits
    ):
        raise CheckpointError(f"{path} belongs to a run with other models or pairs", hint)
    return states, logits, history


def fit_state(content: Mapping[str, Any]) -> FitState:
    """Return the training state of a `last.pt`."""
    if "optimizer" not in content:
        raise CheckpointError("this checkpoint contains a model but no training state", "--resume needs last.pt")
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
