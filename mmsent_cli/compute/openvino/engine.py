"""The engine for frozen stages on a CPU: OpenVINO in the place of PyTorch, with the same features.

It runs an encoder's stored stages alone (`Encoder.cut`); what is trained stays in PyTorch. Images run in float32 and
texts in bf16 where the processor multiplies in it, for that is what parity allows: over 192 photographs the lowest
cosine to float32 features was 0.990 with EfficientNet-Lite0 in bf16 (0.9997 with its second half alone, which saved no
time), over texts of 8 to 64 tokens 0.99996 with MiniLM. One text length at a time: OpenVINO then gives a row the same
bits in any batch, and no time goes into padding. Several streams of few threads each, because small batches do not fill
a processor.
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

from mmsent_cli.compute.openvino.compiled import Network
from mmsent_cli.compute.openvino.convert import MIN_COSINE, CannotConvert, agrees, convert, last_line, save
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.files import NETWORKS, atomic_write

HINTS = {"fp32": "f32", "bf16": "bf16"}
MAX_STREAMS = 8
CACHED_SHAPES = 128
"""Operations that OpenVINO keeps ready for shapes it has met. Texts come in hundreds of shapes, and with its own 5,000
memory grows by 0.4 GB over the first thousands of pairs; this costs a twentieth of the time."""
NETWORK_FORMAT = 1
"""Raise it when the stages compute something else from the same weights."""

_lock = threading.Lock()
_loaded: "weakref.WeakKeyDictionary[Encoder, Loaded]" = weakref.WeakKeyDictionary()
"""What is compiled in this process, so that each encoder is compiled once."""


class Loaded(NamedTuple):
    """An encoder's compiled stages: their number, the digest they go by, and the network, or why there is none."""

    stages: int
    digest: str
    network: Network | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """OpenVINO on this machine.

    Attributes:
        version: of the package.
        text, image: precision of each side's stages, `bf16` or `fp32`.
        folder: where translated networks are kept.
        threads: how many it may use.
    """

    version: str
    text: str
    image: str
    folder: Path
    threads: int

    @property
    def streams(self) -> int:
        """How many batches are best computed at the same time."""
        return min(self.threads, MAX_STREAMS)

    def describe(self, encoder: Encoder) -> dict[str, str]:
        """What decides rounding, beside the device."""
        return {"precision": self._precision(encoder), "engine": f"openvino {self.version}"}

    def refusal(self, encoder: Encoder) -> str:
        """Why PyTorch computes an encoder's stored stages instead, or an empty string. Translates them if need be."""
        digest = self._digest(encoder)
        with _lock:
            if encoder in _loaded and _loaded[encoder].digest == digest:
                return _loaded[encoder].refusal
            _loaded.pop(encoder, None)
            refusal = self._known_refusal(digest)
            if refusal or self._file(digest).exists():  # compiled only when there is something to compute
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
            network = _loaded[encoder].network
        if network is None:
            return None
        if inputs.mask is None:
            return Activations(torch.from_numpy(network.one_by_one(inputs.values.numpy())))
        values = network.by_length(inputs.values.numpy(), inputs.mask.sum(dim=1).numpy())
        return Activations(torch.from_numpy(values), None if encoder.cut == encoder.n_stages else inputs.mask)

    def _load(self, encoder: Encoder, digest: str) -> None:
        """Compile an encoder's stored stages from their file, or after translating them; a refusal is written down."""
        network, refusal = None, self._known_refusal(digest)
        if not refusal:
            try:
                network = Network(self._read(encoder, digest) or self._translate(encoder, digest))
            except CannotConvert as error:
                refusal = f"{error}; mmsent cache --clear lets it be tried again"
                with contextlib.suppress(MmsentError, OSError):  # the next process finds out by itself
                    self._file(digest).unlink(missing_ok=True)
                    atomic_write(self._refused(digest), refusal.encode())
        _loaded[encoder] = Loaded(encoder.cut, digest, network, refusal)

    def _known_refusal(self, digest: str) -> str:
        """What an earlier process found out, or an empty string."""
        try:
            return self._refused(digest).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _read(self, encoder: Encoder, digest: str) -> Any:
        """The network that an earlier process kept, compiled; None if there is none or it is damaged."""
        if not self._file(digest).exists():
            return None
        try:
            compiled = self._compile(encoder, self._file(digest))
            return compiled if agrees(encoder, compiled) else None
        except RuntimeError:  # OpenVINO's for a file that is no network, or cut short
            return None

    def _translate(self, encoder: Encoder, digest: str) -> Any:
        """The network translated anew, compiled, compared with PyTorch, and kept.

        Raises:
            CannotConvert: it cannot be had, or says something else.
        """
        network = convert(encoder)
        try:
            compiled = self._compile(encoder, network)
            faithful = agrees(encoder, compiled)
        except RuntimeError as error:
            raise CannotConvert(f"OpenVINO cannot run it: {last_line(error)}") from error
        if not faithful:
            raise CannotConvert(f"in OpenVINO its features differ from PyTorch's (cosine below {MIN_COSINE})")
        save(network, self._file(digest))
        return compiled

    def _compile(self, encoder: Encoder, network: Any) -> Any:
        return _core().compile_model(
            network,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": HINTS[self._precision(encoder)],
                "INFERENCE_NUM_THREADS": self.threads,
                "NUM_STREAMS": self.streams,
                "CPU_RUNTIME_CACHE_CAPACITY": CACHED_SHAPES,
                "ENABLE_CPU_PINNING": False,  # other programs have cores to themselves where they need them
            },
        )

    def _precision(self, encoder: Encoder) -> str:
        return self.image if isinstance(encoder.inputs, ImageInputs) else self.text

    def _digest(self, encoder: Encoder) -> str:
        """Names everything that decides what the network computes."""
        parts = [NETWORK_FORMAT, encoder.name, encoder.cut, encoder.digest(encoder.cut), torch.__version__]
        parts += [self.describe(encoder)]
        return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _file(self, digest: str) -> Path:
        return self.folder / f"{digest}.xml"

    def _refused(self, digest: str) -> Path:
        return self.folder / f"{digest}.refused"


def choose_engine(wanted: str, device_type: str, precision: str, cache_dir: Path) -> tuple[Engine | None, str]:
    """The engine to use, or None for PyTorch, and a note if the choice needs one.

    Args:
        wanted: `auto`, `torch` or `openvino`.
        device_type: where the rest is computed.
        precision: as the user gave it; `auto` leaves it to parity.
        cache_dir: mmsent's cache folder.

    Raises:
        ConfigError: openvino was asked for by name and is not to be had.
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
        text = image = "fp32"  # what OpenVINO would do unasked, and the feature store must know
    version = openvino.__version__.partition("-")[0]
    return Engine(version, text, image, cache_dir / NETWORKS, torch.get_num_threads()), ""


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()
