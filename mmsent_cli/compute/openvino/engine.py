"""Compute the stored stages of an encoder by OpenVINO instead of PyTorch, on a CPU.

"Stored stages" are the frozen stages of an encoder whose output is kept in the feature store. They are the first
`Encoder.cut` stages.

Images are computed in float32, and texts in bf16 if the processor supports it. The lowest cosine between bf16 and
float32 features was 0.990 for EfficientNet-Lite0 (192 photographs; hence float32), and 0.99996 for MiniLM (texts of 8
to 64 tokens).

All texts of a batch have the same length. So the features of a text do not depend on its batch, and no time is spent on
padding. A small batch does not use all cores, so several batches are computed in parallel (streams) with few threads
each.
"""

import contextlib
import json
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mmsent_cli.compute.bf16_probe import cpu_model
from mmsent_cli.compute.openvino.convert import MIN_COSINE, CannotConvert, agrees, convert, last_line, save
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.extras import load_openvino
from mmsent_cli.files import COMPILED_MODELS, FileFacts, atomic_write, make_own_cache


class CompiledModel:
    """A compiled OpenVINO model. Several threads can call it concurrently, since each thread has its own request."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._local = threading.local()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Compute the output for a batch [B, …] of B inputs that have the same shape."""
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        return self._local.request.infer([values], share_inputs=True)[0]

    def one_by_one(self, images: np.ndarray) -> np.ndarray:
        """Run B images [B, 3, height, width] one at a time. On a CPU, this is 20 % faster than batches of 16."""
        return np.concatenate([self(images[row : row + 1]) for row in range(len(images))])

    def by_length(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Run B padded texts [B, T] without their padding: texts of the same length form a batch.

        Returns:
            Pooled features [B, D], or hidden states [B, T, D] with zeros at the padding. T is the number of tokens,
            and D is the number of features.
        """
        parts = [(rows, self(ids[rows, :length])) for length, rows in _rows_by_length(lengths)]
        is_pooled = parts[0][1].ndim == 2
        shape = (len(ids), *parts[0][1].shape[1:]) if is_pooled else (*ids.shape, *parts[0][1].shape[2:])
        values = np.zeros(shape, dtype=np.float32)
        for rows, part in parts:
            if is_pooled:
                values[rows] = part
            else:
                values[rows, : part.shape[1]] = part
        return values


def _rows_by_length(lengths: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return [(int(length), np.flatnonzero(lengths == length)) for length in np.unique(lengths)]


HINTS = {"fp32": "f32", "bf16": "bf16"}
MAX_STREAMS = 8
CACHED_SHAPES = 128
"""Number of shape-specific operations that OpenVINO caches. Texts have hundreds of shapes. With OpenVINO's default
of 5,000, memory grows by 0.4 GB over the first thousands of pairs. With this smaller number, computing takes 5 % more
time."""
CONVERSION_FORMAT = 2
"""Increase this number if the stages compute other values from the same weights. Then models are converted again,
and features are computed again."""

_lock = threading.Lock()
_loaded: "weakref.WeakKeyDictionary[Encoder, Loaded]" = weakref.WeakKeyDictionary()
"""The models that this process has compiled. Each encoder is compiled once."""


class Loaded(NamedTuple):
    """The compiled stages of an encoder.

    Attributes:
        stages: the number of stages.
        digest: the result of `Engine._digest`.
        model: the compiled model; None if OpenVINO cannot run the stages.
        refusal: the reason why OpenVINO cannot run the stages, or an empty string.
    """

    stages: int
    digest: str
    model: CompiledModel | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """Computes stored stages by OpenVINO.

    Attributes:
        version: the version of the openvino package.
        text, image: the precision for text and image encoders, `bf16` or `fp32`.
        folder: the cache folder for converted models.
        threads: the number of CPU threads to use.
    """

    version: str
    text: str
    image: str
    folder: Path
    threads: int

    @property
    def streams(self) -> int:
        """Number of batches to compute concurrently."""
        return min(self.threads, MAX_STREAMS)

    def describe(self, encoder: Encoder) -> dict[str, str]:
        """Return all settings of OpenVINO that affect rounding. They are a part of the key in the feature store."""
        return {
            "precision": self._precision(encoder),
            "engine": f"openvino {self.version}",
            "conversion": str(CONVERSION_FORMAT),
        }

    def refusal(self, encoder: Encoder) -> str:
        """Return the reason why PyTorch must compute an encoder's stored stages; empty if OpenVINO can compute them.

        If nothing is known about these stages, they are converted first.
        """
        digest = self._digest(encoder)
        with _lock:
            if encoder in _loaded and _loaded[encoder].digest == digest:
                return _loaded[encoder].refusal
            _loaded.pop(encoder, None)
            refusal = self._known_refusal(digest)
            if refusal or self._file(digest).exists():  # compiled later, when there is something to compute
                return refusal
            self._load(encoder, digest)
            return _loaded[encoder].refusal

    def run(self, encoder: Encoder, inputs: Activations) -> Activations | None:
        """Return the activations after the stored stages, or None if PyTorch must compute them.

        Args:
            encoder: the encoder, on the CPU.
            inputs: images, or texts with padding at the end.
        """
        with _lock:
            if encoder not in _loaded or _loaded[encoder].stages != encoder.cut:
                self._load(encoder, self._digest(encoder))
            model = _loaded[encoder].model
        if model is None:
            return None
        if inputs.mask is None:
            return Activations(torch.from_numpy(model.one_by_one(inputs.values.numpy())))
        values = model.by_length(inputs.values.numpy(), inputs.mask.sum(dim=1).numpy())
        return Activations(torch.from_numpy(values), None if encoder.cut == encoder.n_stages else inputs.mask)

    def _load(self, encoder: Encoder, digest: str) -> None:
        """Load or convert an encoder's stored stages, and compile them.

        If OpenVINO cannot run the stages, the reason is saved for later processes.
        """
        model, refusal = None, self._known_refusal(digest)
        if not refusal:
            with contextlib.suppress(MmsentError):  # then each process converts the stages
                make_own_cache(self.folder)
            try:
                model = CompiledModel(self._read(encoder, digest) or self._convert(encoder, digest))
            except CannotConvert as error:
                refusal = f"{error}; to try again, run mmsent cache --clear"
                with contextlib.suppress(MmsentError, OSError):  # then the next process tries again
                    for path in (self._file(digest), self._file(digest).with_suffix(".bin")):
                        path.unlink(missing_ok=True)
                    atomic_write(self._refused(digest), refusal.encode())
        _loaded[encoder] = Loaded(encoder.cut, digest, model, refusal)

    def _known_refusal(self, digest: str) -> str:
        """Return the reason why OpenVINO cannot run the stages; empty if no earlier process saved a reason."""
        try:
            return self._refused(digest).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _read(self, encoder: Encoder, digest: str) -> Any:
        """Load and compile the model that an earlier process saved.

        Return None if there is no such model, if it is damaged, or if its features differ from PyTorch's.
        """
        if not self._file(digest).exists():
            return None
        facts = self._facts(digest)
        try:
            compiled = self._compile_saved(encoder, digest)
            if facts.recall(self._agreement(encoder)) is None:
                if not agrees(encoder, compiled):
                    return None
                facts.remember(self._agreement(encoder), "yes")
            return compiled
        except RuntimeError:  # the file is not a model, or is incomplete
            return None

    def _convert(self, encoder: Encoder, digest: str) -> Any:
        """Convert the stages, save the model, compile it, and compare it with PyTorch.

        The saved model is compiled, since later processes compile it too. The model in memory would round differently.

        Raises:
            CannotConvert: the stages cannot be converted or run, or the features differ from PyTorch's.
        """
        model = convert(encoder)
        save(model, self._file(digest))
        try:
            compiled = self._compile_new(encoder, digest, model)
            has_same_features = agrees(encoder, compiled)
        except RuntimeError as error:
            raise CannotConvert(f"OpenVINO cannot run it: {last_line(error)}") from error
        if not has_same_features:
            raise CannotConvert(f"in OpenVINO its features differ from PyTorch's (cosine below {MIN_COSINE})")
        return compiled

    def _compile_new(self, encoder: Encoder, digest: str, model: Any) -> Any:
        with contextlib.suppress(RuntimeError):  # nothing could be saved, or OpenVINO cannot run it
            return self._compile_saved(encoder, digest)
        return self._compile(encoder, model)

    def _facts(self, digest: str) -> FileFacts:
        """Return the saved facts about the model with this digest."""
        return FileFacts.of(self.folder, self._file(digest), self._file(digest).with_suffix(".bin"))

    def _agreement(self, encoder: Encoder) -> str:
        """Return the key of the saved fact that a model computes the same features as PyTorch on this CPU."""
        return f"agrees with PyTorch in {self._precision(encoder)} on {cpu_model()}"

    def _compile_saved(self, encoder: Encoder, digest: str) -> Any:
        """Compile a saved model. OpenVINO caches the compiled model, without the weights, for later processes."""
        kept = {"CACHE_DIR": str(self.folder / digest), "CACHE_MODE": "OPTIMIZE_SIZE"}
        try:
            return self._compile(encoder, self._file(digest), kept)
        except RuntimeError:  # the folder cannot be written, or the model is damaged
            return self._compile(encoder, self._file(digest))

    def _compile(self, encoder: Encoder, model: Any, kept: Mapping[str, str] | None = None) -> Any:
        return _core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": HINTS[self._precision(encoder)],
                "INFERENCE_NUM_THREADS": self.threads,
                "NUM_STREAMS": self.streams,
                "CPU_RUNTIME_CACHE_CAPACITY": CACHED_SHAPES,
                "ENABLE_CPU_PINNING": False,  # a pinned thread waits if another program uses its core
                **(kept or {}),
            },
        )

    def _precision(self, encoder: Encoder) -> str:
        return self.image if isinstance(encoder.inputs, ImageInputs) else self.text

    def _digest(self, encoder: Encoder) -> str:
        """Return a digest of everything that affects the compiled model, including the size of images."""
        parts = [encoder.name, encoder.cut, encoder.digest(encoder.cut), torch.__version__, self.describe(encoder)]
        if isinstance(encoder.inputs, ImageInputs):
            parts.append(encoder.inputs.settings())
        return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest}.xml"

    def _refused(self, digest: str) -> Path:
        return self.folder / f"{digest}.refused"


def choose_engine(wanted: str, device_type: str, precision: str, cache_dir: Path) -> tuple[Engine | None, str]:
    """Choose whether OpenVINO or PyTorch computes the stored stages.

    Returns:
        The OpenVINO engine, or None for PyTorch; and a note for the user, or an empty string.

    Args:
        wanted: `auto`, `torch` or `openvino`. `ray` is only for `predict`.
        device_type: the device that trains the model, such as `cpu`.
        precision: the precision that the user chose. With `auto`, texts get bf16 if the processor has it, and images
            float32.
        cache_dir: the cache folder.

    Raises:
        ConfigError: the user chose `ray`, or chose `openvino` but OpenVINO cannot be used here.
    """
    if wanted == "ray":
        raise ConfigError("--engine ray works only in mmsent predict with --out", "leave out --engine ray")
    if wanted == "torch" or (wanted == "auto" and device_type != "cpu"):
        return None, ""
    if device_type != "cpu":
        raise ConfigError(f"--engine openvino runs on the CPU, not on {device_type}", "use --engine auto")
    try:
        openvino = load_openvino()
    except ImportError as error:
        if wanted == "openvino":
            raise ConfigError(
                f"--engine openvino: cannot load OpenVINO: {last_line(error)}", "pip install openvino"
            ) from error
        return None, f"engine: torch, since openvino cannot be loaded ({last_line(error)}); pip install openvino"
    text, image = ("bf16", "fp32") if precision == "auto" else (precision, precision)
    if "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        text = image = "fp32"  # OpenVINO then uses fp32 anyway, and the key of the feature store must contain it
    version = openvino.__version__.partition("-")[0]
    return Engine(version, text, image, cache_dir / COMPILED_MODELS, torch.get_num_threads()), ""


@cache
def _core() -> Any:
    return load_openvino().Core()
