"""One trained model of an experiment's arm, and how it is kept on disk so that a killed experiment goes on.

Two files a model: `<stem>.npz` with the arrays, then `<stem>.json` with the rest and a digest of both. A digest that
fits means that both are whole; anything else reads as nothing, and the arm is trained again.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.files import atomic_write
from mmsent_cli.results import EpochScore

ARRAYS = ("predicted", "losses")
DAMAGED = (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile)
"""What reading a missing, half-written or foreign file raises."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedArm:
    """One model of an arm: what it is, and what it said about each validation pair after each epoch.

    Attributes:
        name: of the arm; models of one name differ by `seed` only.
        is_reference: shown but not tested (text-only, image-only).
        monitor: accuracy, macro_f1 or loss: what its best epoch is chosen by.
        curve: one score an epoch, E of them.
        predicted: class numbers [E, N], int64.
        losses: cross-entropy of each pair [E, N], float64.
    """

    name: str
    fusion: str
    augmentation: str
    seed: int
    is_reference: bool
    trainable_parameters: int
    monitor: str
    curve: tuple[EpochScore, ...]
    predicted: np.ndarray
    losses: np.ndarray

    def __post_init__(self) -> None:
        shapes = {array.shape for array in (self.predicted, self.losses)}
        if len(shapes) != 1 or self.predicted.ndim != 2 or len(self.curve) != len(self.predicted) or not self.curve:
            raise ValueError(f"{self.name}: {len(self.curve)} epochs do not fit arrays of shape {sorted(shapes)}")


def save(folder: Path, stem: str, trained: TrainedArm) -> None:
    """Write `<stem>.npz`, then `<stem>.json`, each whole or not at all.

    Raises:
        MmsentError: they cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: getattr(trained, name) for name in ARRAYS})
    arrays = buffer.getvalue()
    plain = {name: getattr(trained, name) for name in TrainedArm.__slots__ if name not in (*ARRAYS, "curve")}
    plain["curve"] = [asdict(score) for score in trained.curve]
    content = {"digest": _digest(plain, arrays), "model": plain}
    atomic_write(folder / f"{stem}.npz", arrays)
    atomic_write(folder / f"{stem}.json", (json.dumps(content, indent=1) + "\n").encode("utf-8"))


def load(folder: Path, stem: str) -> TrainedArm | None:
    """What `save` wrote, to the last bit; None if it is missing, half-written or damaged."""
    try:
        content = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        arrays, plain = (folder / f"{stem}.npz").read_bytes(), content["model"]
        if content["digest"] != _digest(plain, arrays):
            return None
        with np.load(io.BytesIO(arrays), allow_pickle=False) as stored:
            plain |= {name: stored[name] for name in ARRAYS}
        plain["curve"] = tuple(EpochScore(**score) for score in plain["curve"])
        return TrainedArm(**plain)
    except DAMAGED:
        return None


def _digest(plain: dict[str, Any], arrays: bytes) -> str:
    return hashlib.sha256(json.dumps(plain).encode("utf-8") + arrays).hexdigest()
