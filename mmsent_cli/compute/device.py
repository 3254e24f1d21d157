"""Choose device, precision, engine and batch sizes, and diagnose why a GPU cannot be used."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mmsent_cli.compute import processes
from mmsent_cli.compute.bf16_probe import Bf16Probe, probe_bf16
from mmsent_cli.compute.gpu import NO_CARD, gpu_facts, why_unused
from mmsent_cli.compute.openvino.engine import Engine, choose_engine
from mmsent_cli.compute.threads import choose_kernels, keep_freed_memory, memory_bytes
from mmsent_cli.compute.transfer import to_device
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError, MmsentError, counted
from mmsent_cli.files import default_cache_dir

if TYPE_CHECKING:
    from accelerate import Accelerator

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


CUBLAS_WORKSPACE = ":4096:8"
"""The setting that makes cuBLAS deterministic. Source: CUDA's cuBLAS manual, "Results Reproducibility"."""


MUCH_MEMORY_BYTES = 15 * 10**9
COLUMN_BYTES = 256 * 2**20
"""Maximum size of a feature column in memory. This is enough for 50,000 images with 1,280 features each, or for 7,000
texts of 25 tokens with 384 features per token."""
GPU_SHARE = 32
"""A column may take 1 / GPU_SHARE of a GPU's memory. On a GPU with 80 GB, these are 16,000 decoded images of 224 px."""


@dataclass(frozen=True, slots=True)
class Compute:
    """The device, precision and engine of a run, and batch sizes for them.

    On a CPU, batches are small, so that feature maps stay in the CPU's cache. In a batch of 32 images, each image takes
    four times as long as in a batch of 8.

    "Stored stages" are the frozen stages of an encoder whose output is kept in the feature store.

    Attributes:
        device: `cpu`, `cuda:0`, …
        precision: precision of the forward pass: `fp32`, `bf16` or `fp16`. Weights stay fp32.
        engine: the OpenVINO engine that computes stored stages; None if torch computes them.
    """

    device: str
    precision: str
    engine: Engine | None = None

    @property
    def device_type(self) -> str:
        """The type of the device: `cpu`, `cuda` or `mps`."""
        return self.device.partition(":")[0]

    @property
    def text_batch(self) -> int:
        """How many texts are encoded at a time."""
        return self._gpu_batch if self.device_type == "cuda" else 32

    @property
    def image_batch(self) -> int:
        """How many images are encoded at a time."""
        return self._gpu_batch if self.device_type == "cuda" else 8

    @property
    def predict_batch(self) -> int:
        """Number of pairs in a batch for prediction."""
        return self._gpu_batch if self.device_type == "cuda" else 16

    @property
    def _gpu_batch(self) -> int:
        """The batch size on a GPU: 256 if it has 16 GB or more, else 64.

        These values were not tuned, since no GPU was available.
        """
        return 256 if memory_bytes(self.device) >= MUCH_MEMORY_BYTES else 64

    @property
    def column_bytes(self) -> int:
        """The maximum size of a feature column that is kept in memory."""
        own = memory_bytes(self.device) // GPU_SHARE if self.device_type == "cuda" else 0
        return max(COLUMN_BYTES, own)

    @property
    def length_multiple(self) -> int:
        """The texts of a batch are padded to a multiple of this number of tokens.

        On a GPU, fewer different lengths save time.
        """
        return 16 if self.device_type == "cuda" else 1

    @property
    def batches_ahead(self) -> int:
        """The number of further batches that are started before the result of a batch is read."""
        return 2 if self.device_type == "cuda" else 0

    @property
    def decoders(self) -> int:
        """The number of threads that decode images. On a GPU, this is the number of CPU cores; otherwise, it is two."""
        return cpu_count() if self.device_type == "cuda" else 2

    @property
    def engine_name(self) -> str:
        """Name and version of the software that computes the frozen stages whose output is stored."""
        return f"openvino {self.engine.version}" if self.engine else "torch"

    def engine_for(self, encoder: Encoder) -> Engine | None:
        """Return the engine if it computes the frozen stages of this encoder; None if torch computes them."""
        engine = self._candidate(encoder)
        return None if engine is None or engine.refusal(encoder) else engine

    def _candidate(self, encoder: Encoder) -> Engine | None:
        """Return the engine if it can be tried for an encoder, else None."""
        return self.engine if encoder.cut and not encoder.own_engine else None

    def streams_for(self, encoder: Encoder) -> int:
        """Return the number of batches that are computed in parallel by the stored stages of an encoder."""
        engine = self.engine_for(encoder)
        return engine.streams if engine else 1

    def describe(self, encoder: Encoder) -> dict[str, str]:
        """Return all settings that affect the rounding of features. They are a part of the key in the feature store."""
        if encoder.own_engine:
            return {"engine": encoder.own_engine}
        engine = self.engine_for(encoder)
        own = {"device": self.device_type, "precision": self.precision}
        return own | engine.describe(encoder) if engine else own

    def refusals(self, *encoders: Encoder) -> list[str]:
        """Return a note for each encoder that the engine cannot compute."""
        refused = {each.name: engine.refusal(each) for each in encoders if (engine := self._candidate(each))}
        return [f"engine: torch computes {name}. {why}" for name, why in refused.items() if why]

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Return a context manager in which torch computes in the run's precision."""
        is_reduced = self.precision != "fp32"
        with torch.autocast(self.device_type, dtype=DTYPES[self.precision], enabled=is_reduced):
            yield

    def prefix(self, encoder: Encoder, inputs: Activations) -> Activations:
        """Run an encoder's stored stages on this device, and return their output."""
        engine = self._candidate(encoder)
        outputs = engine.run(encoder, inputs) if engine else None
        if outputs is not None:
            return outputs
        encoder.to(self.device)
        mask = None if inputs.mask is None else to_device(inputs.mask, self.device)
        try:
            with torch.inference_mode(), self.autocast():
                return encoder.prefix(Activations(to_device(inputs.values, self.device), mask), encoder.cut)
        except torch.OutOfMemoryError as error:
            raise MmsentError(
                f"out of GPU memory in the encoder {encoder.name}, with {counted(len(inputs.values), 'input')}",
                "choose a smaller encoder, smaller images or shorter texts, or use --device cpu",
            ) from error


def choose_compute(runtime: RuntimeConfig, cache: Path) -> tuple[Compute, str]:
    """Choose device, precision and engine.

    Args:
        runtime: the settings.
        cache: the cache folder for measurements and converted models.

    Returns:
        The chosen device, precision and engine; and a note on hardware that cannot be used, or an empty string.

    Raises:
        ConfigError: the device is not available or does not support the precision.
    """
    keep_freed_memory()
    wanted = runtime.device
    device = processes.own_device(_best_device() if wanted == "auto" else wanted)
    kind = open_device(device, not runtime.no_deterministic)
    processes.join(device)
    precision = runtime.precision
    if precision == "auto":
        with processes.first_alone():
            precision = auto_precision(kind, cache)
    if precision == "fp16" and kind != "cuda":
        raise ConfigError("--precision fp16 needs a CUDA device", "use bf16 or fp32")
    engine, engine_note = choose_engine(runtime.engine, kind, runtime.precision, cache)
    gpu_note = diagnose_cuda() if wanted == "auto" and kind == "cpu" else ""
    notes = (processes.launcher_note(), gpu_note, engine_note)
    return Compute(device, precision, engine), "; ".join(note for note in notes if note)


def auto_precision(device_type: str, cache: Path) -> str:
    """Return the precision for `auto`. On some CPUs, the faster precision is measured; see `bf16_probe`."""
    return _best_precision(device_type, probe_bf16(cache) if _needs_probe(device_type) else None)


def open_device(device: str, is_deterministic: bool) -> str:
    """Check that a device is available, and choose its kernels. `cuda:N` becomes the current GPU of the process.

    Args:
        device: `cpu`, `cuda`, `cuda:N` or `mps`.
        is_deterministic: True if repeating a computation must give the same bytes.

    Returns:
        The type of the device: `cpu`, `cuda` or `mps`.

    Raises:
        ConfigError: this machine has no such device.
    """
    kind, _, index = device.partition(":")
    if kind == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)  # read when CUDA starts
        if not torch.cuda.is_available():
            raise ConfigError(
                f"--device {device}: {diagnose_cuda() or NO_CARD}",
                "use --device cpu; mmsent env shows what torch finds on this machine",
            )
        count = torch.cuda.device_count()
        if index and int(index) >= count:
            known = "cuda:0" if count == 1 else f"cuda:0, or a number up to cuda:{count - 1}"
            raise ConfigError(
                f"--device {device}: this machine has only {counted(count, 'CUDA device')}", f"choose --device {known}"
            )
        if index:  # code that names no GPU number, such as Accelerate, then uses this GPU
            torch.cuda.set_device(int(index))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("--device mps: torch finds no Metal device on this machine", "use --device cpu")
    choose_kernels(kind, is_deterministic)
    return kind


def make_accelerator(compute: Compute, accumulation_steps: int) -> "Accelerator":
    """Make the Accelerate object of a run, with device, precision and gradient accumulation."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs, KwargsHandler

    # Accelerate keeps the first run's precision for the whole process; a second run must not inherit it.
    AcceleratorState._reset_state(reset_partial_state=True)
    mixed = "no" if compute.precision == "fp32" else compute.precision
    # In one process's part of a batch, a head or a learned feature may be unused.
    handlers: list[KwargsHandler] = []
    if processes.count() > 1:
        handlers = [DistributedDataParallelKwargs(find_unused_parameters=True)]
    return Accelerator(
        cpu=compute.device_type == "cpu",
        kwargs_handlers=handlers,
        mixed_precision=mixed,
        gradient_accumulation_steps=accumulation_steps,
        step_scheduler_with_optimizer=False,
    )


def diagnose_cuda() -> str:
    """Return a text with the reason why torch finds no GPU, and what to do.

    The text is empty on a machine without an NVIDIA card and driver.
    """
    message, advice = why_unused(gpu_facts(), str(torch.__version__), torch.version.cuda or "")
    return f"{message}; {advice}" if message else ""


def cpu_count() -> int:
    """Return the number of cores that this process may use. The machine may have more cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _needs_probe(device_type: str) -> bool:
    """Return True for a CPU with AVX-512 BF16 but without AMX, where bf16 may be faster or slower than fp32."""
    return device_type == "cpu" and torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()


def _best_precision(device_type: str, probed: Bf16Probe | None) -> str:
    """Return bf16 if the hardware computes faster in bf16, fp16 on older CUDA devices, else fp32."""
    if device_type == "cuda":
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    if probed is not None:
        return "bf16" if probed.prefers_bf16 else "fp32"
    if device_type == "cpu" and torch.cpu._is_amx_tile_supported():
        return "bf16"
    return "fp32"


@dataclass(frozen=True, slots=True)
class Resources:
    """Device, weights and cache folder of a command.

    Attributes:
        compute: device, precision, engine.
        weights: where to look for pretrained weights.
        cache: the cache folder.
        note: a note on device, precision and engine, or an empty string.
    """

    compute: Compute
    weights: WeightSource
    cache: Path
    note: str = ""

    @classmethod
    def open(cls, runtime: RuntimeConfig) -> "Resources":
        """Open the resources of the runtime settings.

        Raises:
            ConfigError: the device is not available, or does not support the precision.
            MmsentError: the cache folder cannot be created.
        """
        cache = default_cache_dir(runtime.cache_dir)
        compute, note = choose_compute(runtime, cache)
        return cls(compute, WeightSource.of(runtime, cache), cache, note)
