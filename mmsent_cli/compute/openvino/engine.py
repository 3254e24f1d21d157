"""Frozen stages on a CPU, computed by OpenVINO instead of PyTorch, with the same features.

It runs an encoder's stored stages alone (`Encoder.cut`); trained stages stay in PyTorch. Images run in float32, texts
in bf16 where the processor has bf16 multiplication. Lowest cosine to float32 features: EfficientNet-Lite0 in bf16
0.990 over 192 photographs (hence float32), MiniLM in bf16 0.99996 over texts of 8 to 64 tokens.

Texts run one length at a time: a row then has the same bits in any batch, and no time is spent on padding. Several
streams of few threads each, because a small batch does not keep all cores busy.
"""

import contextlib
import json
import threading
import weakref
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mmsent_cli.compute.openvino.compiled import CompiledModel
from mmsent_cli.compute.openvino.convert import MIN_COSINE, CannotConvert, agrees, convert, last_line, save
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.files import COMPILED_MODELS, atomic_write, make_own_cache

HINTS = {"fp32": "f32", "bf16": "bf16"}
MAX_STREAMS = 8
CACHED_SHAPES = 128
"""Shape-specific operations that OpenVINO caches. Texts come in hundreds of shapes: with OpenVINO's default of 5,000,
memory grows by 0.4 GB over the first thousands of pairs. This size costs 5 % of the time."""
CONVERSION_FORMAT = 2
"""Increase it when the stages compute other values from the same weights, so that saved models are not used."""

_lock = threading.Lock()
_loaded: "weakref.WeakKeyDictionary[Encoder, Loaded]" = weakref.WeakKeyDictionary()
"""Models compiled in this process, so that each encoder is compiled once."""


class Loaded(NamedTuple):
    """An encoder's compiled stages.

    Attributes:
        stages: their number.
        digest: see `Engine._digest`.
        model: None where OpenVINO cannot run them.
        refusal: the reason why not, else empty.
    """

    stages: int
    digest: str
    model: CompiledModel | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """OpenVINO on this machine.

    Attributes:
        version: of the openvino package.
        text, image: precision of each modality's stages, `bf16` or `fp32`.
        folder: of the cache, for converted models.
        threads: number of CPU threads it may use.
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
        """The settings that decide rounding, apart from the device; part of the feature store's key."""
        return {"precision": self._precision(encoder), "engine": f"openvino {self.version}"}

    def refusal(self, encoder: Encoder) -> str:
        """The reason why PyTorch has to compute an encoder's stored stages, or "". Converts them if no run has yet."""
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
        """The stored stages' activations, or None if PyTorch has to compute them.

        Args:
            encoder: on the CPU.
            inputs: images, or texts that may be padded at their end.
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
        """Compile an encoder's stored stages from their file, or after converting them; a refusal is saved."""
        model, refusal = None, self._known_refusal(digest)
        if not refusal:
            with contextlib.suppress(MmsentError):  # then each process converts the stages
                make_own_cache(self.folder)
            try:
                model = CompiledModel(self._read(encoder, digest) or self._convert(encoder, digest))
            except CannotConvert as error:
                refusal = f"{error}; to try again, run mmsent cache --clear"
                with contextlib.suppress(MmsentError, OSError):  # then the next process tries again
                    self._file(digest).unlink(missing_ok=True)
                    atomic_write(self._refused(digest), refusal.encode())
        _loaded[encoder] = Loaded(encoder.cut, digest, model, refusal)

    def _known_refusal(self, digest: str) -> str:
        """The refusal that an earlier process saved, or an empty string."""
        try:
            return self._refused(digest).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _read(self, encoder: Encoder, digest: str) -> Any:
        """The model that an earlier process saved, compiled; None if there is none or it is damaged."""
        if not self._file(digest).exists():
            return None
        try:
            compiled = self._compile(encoder, self._file(digest))
            return compiled if agrees(encoder, compiled) else None
        except RuntimeError:  # OpenVINO's for a file that is not a model or is incomplete
            return None

    def _convert(self, encoder: Encoder, digest: str) -> Any:
        """Convert the stages, compile them, compare them with PyTorch, and save the model.

        Raises:
            CannotConvert: they cannot be converted or run, or have other features.
        """
        model = convert(encoder)
        try:
            compiled = self._compile(encoder, model)
            has_same_features = agrees(encoder, compiled)
        except RuntimeError as error:
            raise CannotConvert(f"OpenVINO cannot run it: {last_line(error)}") from error
        if not has_same_features:
            raise CannotConvert(f"in OpenVINO its features differ from PyTorch's (cosine below {MIN_COSINE})")
        save(model, self._file(digest))
        return compiled

    def _compile(self, encoder: Encoder, model: Any) -> Any:
        return _core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": HINTS[self._precision(encoder)],
                "INFERENCE_NUM_THREADS": self.threads,
                "NUM_STREAMS": self.streams,
                "CPU_RUNTIME_CACHE_CAPACITY": CACHED_SHAPES,
                "ENABLE_CPU_PINNING": False,  # pinned threads wait where another program has their core
            },
        )

    def _precision(self, encoder: Encoder) -> str:
        return self.image if isinstance(encoder.inputs, ImageInputs) else self.text

    def _digest(self, encoder: Encoder) -> str:
        """Digest of everything that decides what the compiled model computes."""
        parts = [CONVERSION_FORMAT, encoder.name, encoder.cut, encoder.digest(encoder.cut), torch.__version__]
        parts += [self.describe(encoder)]
        return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest}.xml"

    def _refused(self, digest: str) -> Path:
        return self.folder / f"{digest}.refused"


def choose_engine(wanted: str, device_type: str, precision: str, cache_dir: Path) -> tuple[Engine | None, str]:
    """The engine to use, or None for PyTorch, and a note for the user where one is needed, else "".

    Args:
        wanted: `auto`, `torch` or `openvino`.
        device_type: of the trained part, such as `cpu`.
        precision: as the user gave it; with `auto`, bf16 is used where its features agree with float32.
        cache_dir: mmsent's cache folder.

    Raises:
        ConfigError: `openvino` is required and cannot be used.
    """
    if wanted == "torch" or (wanted == "auto" and device_type != "cpu"):
        return None, ""
    if device_type != "cpu":
        raise ConfigError(f"--engine openvino runs on the CPU, not on {device_type}", "use --engine auto")
    try:
        import openvino
    except ImportError as error:
        if wanted == "openvino":
            raise ConfigError(f"--engine openvino: {last_line(error)}", "pip install openvino") from error
        return None, f"engine: torch, since openvino cannot be loaded ({last_line(error)}); pip install openvino"
    text, image = ("bf16", "fp32") if precision == "auto" else (precision, precision)
    if "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        text = image = "fp32"  # as OpenVINO computes then anyway; the feature store's key has to say so
    version = openvino.__version__.partition("-")[0]
    return Engine(version, text, image, cache_dir / COMPILED_MODELS, torch.get_num_threads()), ""


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()
