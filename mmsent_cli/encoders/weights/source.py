"""Where pretrained weights are looked for: the user's folder, a cache, and last a download. See also wheels.py.

Missing weights always raise `WeightsUnavailable`. `--encoders auto` falls back on that exception alone, so a bug is
never mistaken for a missing file.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.weights.hub import HUB, OFFLINE_HINT, TIMEOUT_SECONDS, is_cached, is_reachable
from mmsent_cli.errors import CheckpointError, WeightsUnavailable
from mmsent_cli.files import default_cache_dir

Loaded = TypeVar("Loaded")
VARIABLE = "MMSENT_WEIGHTS"
"""Environment variable that names the user's folder of weights."""


@dataclass(frozen=True, slots=True)
class WeightSource:
    """Where to look for weights.

    Attributes:
        folder: the user's folder of downloaded weights, or None.
        offline: never open a connection.
        cache: the cache folder, where archives are unpacked.
    """

    folder: Path | None = None
    offline: bool = False
    cache: Path = field(default_factory=default_cache_dir)

    @classmethod
    def of(cls, runtime: RuntimeConfig, cache: Path) -> "WeightSource":
        """The source that the options describe; without `--weights-dir`, `MMSENT_WEIGHTS` is the folder."""
        named = runtime.weights_dir or os.environ.get(VARIABLE)
        is_offline = runtime.offline or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        return cls(Path(named) if named else None, is_offline, cache)

    def load(self, name: str, load: Callable[..., Loaded]) -> Loaded:
        """Call a `from_pretrained` with a folder, a cached name, or a name to download.

        Args:
            name: hub name such as `openai/clip-vit-base-patch32`, or a folder.
            load: called as `load(name_or_folder, local_files_only=…)`.

        Raises:
            WeightsUnavailable: they are not on this machine and cannot be downloaded, or cannot be read.
        """
        from safetensors import SafetensorError

        folder = self.find_folder(name)
        if folder is None and not is_cached(name):
            self.require_connection(os.environ.get("HF_ENDPOINT", HUB), name)
        is_local = folder is not None or is_cached(name)
        try:
            return load(str(folder or name), local_files_only=is_local)
        except (OSError, ValueError, SafetensorError) as error:
            raise WeightsUnavailable(f"cannot load {folder or name}: {first_line_of(error)}", OFFLINE_HINT) from error

    def require_connection(self, url: str, what: str) -> None:
        """Raise WeightsUnavailable unless downloads are allowed and the host responds within seconds."""
        if self.offline:
            raise WeightsUnavailable(
                f"no weights of {what} on this machine, and --offline forbids a download", OFFLINE_HINT
            )
        if not is_reachable(url):
            raise WeightsUnavailable(
                f"no weights of {what} on this machine, and {url} does not respond within {TIMEOUT_SECONDS:.0f} s",
                OFFLINE_HINT,
            )

    def has(self, name: str) -> bool:
        """True if `name` is a folder, in the weights folder, or in the hub cache; opens no connection."""
        return self.find_folder(name) is not None or is_cached(name)

    def find_folder(self, name: str) -> Path | None:
        """`name` as a folder, or one of that name in the weights folder; None if neither holds a `config.json`."""
        places = (
            [Path(name)] if self.folder is None else [Path(name), self.folder / name, self.folder / Path(name).name]
        )
        return next((place for place in places if (place / "config.json").is_file()), None)

    def find_file(self, *names: str) -> Path | None:
        """The first of these files in the weights folder, or None."""
        places = [] if self.folder is None else [self.folder / name for name in names]
        return next((place for place in places if place.is_file()), None)


def first_line_of(error: Exception) -> str:
    """The first line of an error's message, or its class name if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def load_state(path: Path) -> dict[str, Any]:
    """Read a `.pth` state dict that holds nothing but tensors.

    Raises:
        CheckpointError: the file cannot be read, or holds other objects.
    """
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"cannot read the weights {path}: {type(error).__name__}", "download the file again"
        ) from error
