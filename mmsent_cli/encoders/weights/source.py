"""Find pretrained weights: in the user's folder, in a cache, or by a download. See also wheels.py.

Missing weights always raise `WeightsUnavailable`. Only on this error, `--encoders auto` uses other encoders.
"""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.weights.hub import HUB, TIMEOUT_SECONDS, is_cached, is_reachable, status_of_model
from mmsent_cli.errors import CheckpointError, WeightsUnavailable
from mmsent_cli.files import default_cache_dir

Loaded = TypeVar("Loaded")
DOWNLOADS = Path("weights")
"""The folder in the download commands of error messages, if the user has no weights folder."""
VARIABLE = "MMSENT_WEIGHTS"
"""Environment variable that names the user's folder of weights."""


@dataclass(frozen=True, slots=True)
class WeightSource:
    """Where to look for weights.

    Attributes:
        folder: the user's folder of downloaded weights, or None.
        offline: never open a connection.
        cache: the cache folder, where archives are unpacked.
        is_mapped: weights may stay in their file until they are read. Rounding in torch can depend on their place in
            memory, so this is for stages that another engine computes.
        reached: whether a host responded, by its address. Each is tried once.
    """

    folder: Path | None = None
    offline: bool = False
    cache: Path = field(default_factory=default_cache_dir)
    is_mapped: bool = False
    reached: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: RuntimeConfig, cache: Path) -> "WeightSource":
        """Make the source from the settings. Without `--weights-dir`, the folder is `MMSENT_WEIGHTS`."""
        named = runtime.weights_dir or os.environ.get(VARIABLE)
        is_offline = runtime.offline or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        return cls(Path(named) if named else None, is_offline, cache)

    def load(self, name: str, load: Callable[..., Loaded]) -> Loaded:
        """Load a model from a folder, from the hub cache, or from the hub.

        Args:
            name: a name on the hub, such as `openai/clip-vit-base-patch32`, or a folder.
            load: a function such as `from_pretrained`, called as `load(name_or_folder, local_files_only=…)`.

        Raises:
            WeightsUnavailable: the weights are not on this machine and cannot be downloaded, or cannot be read.
        """
        import pickle

        from safetensors import SafetensorError

        # All that transformers raises on damaged files; an AttributeError would be a bug.
        files = (OSError, ValueError, LookupError, TypeError, RuntimeError)
        failures = (*files, pickle.UnpicklingError, SafetensorError)
        folder = self.find_folder(name)
        if folder is not None or is_cached(name):
            try:
                return load(str(folder or name), local_files_only=True)
            except failures as error:
                if folder is not None or self.offline:
                    raise self._cannot_load(folder or name, error, name) from error
        # Also where only some files of the model are in the cache.
        self._require_offer(os.environ.get("HF_ENDPOINT") or HUB, name)
        try:
            return load(name, local_files_only=False)
        except failures as error:
            raise self._cannot_load(name, error, name) from error

    def _cannot_load(self, place: Path | str, error: Exception, name: str) -> WeightsUnavailable:
        return WeightsUnavailable(f"cannot load {place}: {first_line_of(error)}", self.hub_hint(name))

    def _require_offer(self, endpoint: str, name: str) -> None:
        """Check that a hub has a model.

        Raises:
            WeightsUnavailable: downloads are forbidden, or the hub does not respond or does not have the model.
        """
        hint, offer = self.hub_hint(name), f"{endpoint}/{name}"
        self.require_connection(endpoint, name, hint)
        if offer in self.reached:
            return
        status = status_of_model(endpoint, name)
        if status is None:
            self.reached[endpoint] = False
            self.require_connection(endpoint, name, hint)
        elif status >= HTTPStatus.BAD_REQUEST:
            raise WeightsUnavailable(
                f"the weights of {name} are not on this machine, and {endpoint} does not give them (HTTP {status})",
                hint,
            )
        self.reached[offer] = True

    def require_connection(self, url: str, what: str, hint: str) -> None:
        """Check that downloads are allowed and that the host responds within seconds.

        Args:
            url: the address to download from, or its host.
            what: the name of the weights.
            hint: how to get the weights in another way.

        Raises:
            WeightsUnavailable: downloads are forbidden, or the host does not respond.
        """
        absent = f"the weights of {what} are not on this machine"
        if self.folder is not None and not self.folder.is_dir():
            absent += f" (there is no folder {self.folder})"
        if self.offline:
            raise WeightsUnavailable(f"{absent}, and downloads are off", f"leave out --offline; or {hint}")
        if url not in self.reached:
            self.reached[url] = is_reachable(url)
        if not self.reached[url]:
            raise WeightsUnavailable(f"{absent}, and {url} does not respond within {TIMEOUT_SECONDS:.0f} s", hint)

    def file_hint(self, url: str, file_name: str) -> str:
        """Return the command that downloads a weights file to the place where `find_file` looks for it."""
        folder = self.folder or DOWNLOADS
        command = shlex.join(["curl", "-L", "--create-dirs", "-o", str(folder / file_name), url])
        return f"where there is a connection, type: {command}; then give --weights-dir {shlex.quote(str(folder))}"

    def hub_hint(self, name: str) -> str:
        """Return the command that downloads a model of the hub to the place where `find_folder` looks for it."""
        folder = self.folder or DOWNLOADS
        command = shlex.join(["hf", "download", name, "--local-dir", str(folder / Path(name).name)])
        return (
            f"set HF_ENDPOINT to a mirror of the hub, or, where there is a connection, type: {command};"
            f" then give --weights-dir {shlex.quote(str(folder))}"
        )

    def has(self, name: str) -> bool:
        """Return True if the model is on this machine: in a folder or in the hub cache. Opens no connection."""
        return self.find_folder(name) is not None or is_cached(name)

    def find_folder(self, name: str) -> Path | None:
        """Return the folder `name`, or the folder of this name in the weights folder; None if neither has a model."""
        places = (
            [Path(name)] if self.folder is None else [Path(name), self.folder / name, self.folder / Path(name).name]
        )
        return next((place for place in places if (place / "config.json").is_file()), None)

    def require_folder(self, name: str) -> str:
        """Return the absolute path of the folder `name` with a model, which may be in the weights folder.

        Raises:
            WeightsUnavailable: there is no model.
        """
        folder = self.find_folder(str(Path(name).expanduser()))
        if folder is None:
            raise WeightsUnavailable(
                f"no model in the folder {name}: it has no config.json", "a model of the hub is written hf:NAME"
            )
        return str(folder.absolute())

    def find_file(self, *names: str) -> Path | None:
        """Return the first of these files in the weights folder, or None."""
        places = [] if self.folder is None else [self.folder / name for name in names]
        return next((place for place in places if place.is_file()), None)


def first_line_of(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its class if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def load_state(path: Path) -> dict[str, Any]:
    """Read a state dict of tensors from a `.pth` file.

    Raises:
        CheckpointError: the file cannot be read, or contains other objects.
    """
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"cannot read the weights {path}: {type(error).__name__}", "download the file again"
        ) from error
