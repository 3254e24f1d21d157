"""Device and compute: what this machine offers, and what to do when a GPU is there but not seen."""

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from mmsent_cli.compute.bf16_probe import Bf16Probe, probe_bf16
from mmsent_cli.compute.openvino.engine import Engine, choose_engine
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.errors import ConfigError
from mmsent_cli.files import default_cache_dir

if TYPE_CHECKING:
    from accelerate import Accelerator

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameter numbers of glibc's malloc.h."""

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how numbers are computed.

    Attributes:
        device: `cpu`, `cuda:0`, …
        precision: `fp32`, `bf16` or `fp16` of the forward pass; weights stay fp32.
        engine: what computes stored stages in the place of torch, or None.
    """

    device: str
    precision: str
    engine: Engine | None = None

    @property
    def device_type(self) -> str:
        """`cpu`, `cuda` or `mps`."""
        return self.device.partition(":")[0]

    @property
    def engine_name(self) -> str:
        """What computes stored stages, with its version."""
        return f"openvino {self.engine.version}" if self.engine else "torch"

    def engine_for(self, encoder: Encoder) -> Engine | None:
        """The engine, if it computes this encoder's stored stages; None if torch does."""
        return self.engine if self.engine and encoder.cut and not self.engine.refusal(encoder) else None

    def streams_for(self, encoder: Encoder) -> int:
        """How many batches of an encoder's stored stages are best computed at the same time."""
        engine = self.engine_for(encoder)
        return engine.streams if engine else 1

    def describe(self, encoder: Encoder) -> dict[str, str]:
        """What decides the rounding of an encoder's stored stages; part of the feature store's key."""
        engine = self.engine_for(encoder)
        own = {"device": self.device_type, "precision": self.precision}
        return own | engine.describe(encoder) if engine else own

    def refusals(self, *encoders: Encoder) -> list[str]:
        """What the user should know of encoders that the engine cannot run."""
        refused = {each.name: self.engine.refusal(each) for each in encoders if self.engine and each.cut}
        return [f"engine: torch computes {name}. {why}" for name, why in refused.items() if why]

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Reduced precision where this compute asks for it."""
        is_reduced = self.precision != "fp32"
        with torch.autocast(self.device_type, dtype=DTYPES[self.precision], enabled=is_reduced):
            yield

    def prefix(self, encoder: Encoder, inputs: Activations) -> Activations:
        """Run an encoder's stored stages here."""
        encoder.to(self.device)
        outputs = self.engine.run(encoder, inputs) if self.engine and encoder.cut else None
        if outputs is not None:
            return outputs
        mask = None if inputs.mask is None else inputs.mask.to(self.device)
        with torch.inference_mode(), self.autocast():
            return encoder.prefix(Activations(inputs.values.to(self.device), mask), encoder.cut)


def choose_compute(runtime: RuntimeConfig) -> tuple[Compute, str]:
    """The device, precision and engine to use, and a note: what is missing that could be had, what was measured.

    Raises:
        ConfigError: the device asked for is not to be had, or cannot compute in that precision.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("mmsent trains in one process; several are not supported yet", "start it without a launcher")
    keep_freed_memory()
    wanted = runtime.device
    device = _best_device() if wanted == "auto" else wanted
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"unknown device {wanted!r}", "give auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"--device {wanted}: {diagnose_cuda()}", "use --device cpu, or mend the installation")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("--device mps: this torch has no Metal device", "use --device cpu")
    probed = (
        probe_bf16(default_cache_dir(runtime.cache_dir)) if runtime.precision == "auto" and _needs_probe(kind) else None
    )
    precision = _best_precision(kind, probed) if runtime.precision == "auto" else runtime.precision
    if precision == "fp16" and kind != "cuda":
        raise ConfigError("--precision fp16 needs a CUDA device", "use bf16 or fp32")
    engine, engine_note = choose_engine(runtime.engine, kind, runtime.precision, default_cache_dir(runtime.cache_dir))
    gpu_note = diagnose_cuda() if wanted == "auto" and kind == "cpu" and shutil.which("nvidia-smi") else ""
    notes = (gpu_note, probed.note() if probed else "", engine_note)
    return Compute(device, precision, engine), "; ".join(note for note in notes if note)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks instead of handing each back to the system.

    Every batch frees and allocates the same tensors; without this, a large share of the time on a CPU goes to page
    faults (measured: 16 against 11 ms an image, 8.3 against 6.5 ms a training pair). Elsewhere it does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_THRESHOLD, 2**25)  # the most that glibc takes
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def suited_threads(trains_encoders: bool) -> contextlib.AbstractContextManager[None]:
    """One thread for training fusion and head alone, all of them otherwise; on a GPU it does not matter.

    Their matrices are small, so a second thread gains a quarter (measured on two idle cores, by the size of the fusion:
    0.8 to 2.5 s an epoch with one, 0.7 to 1.8 s with two), but where another program has one of the cores it waits in
    vain for it (the smallest: 0.8 s with one, 6 s with two).
    """
    return torch_threads(torch.get_num_threads() if trains_encoders else 1)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """So many threads for PyTorch."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_accelerator(compute: Compute, accumulation_steps: int) -> "Accelerator":
    """The Accelerate object that carries device, precision, accumulation and processes of one run."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # Accelerate keeps the first run's precision for the whole process; a second run in it must not inherit that.
    AcceleratorState._reset_state(reset_partial_state=True)
    mixed = "no" if compute.precision == "fp32" else compute.precision
    return Accelerator(
        cpu=compute.device_type == "cpu",
        mixed_precision=mixed,
        gradient_accumulation_steps=accumulation_steps,
        step_scheduler_with_optimizer=False,
    )


def diagnose_cuda() -> str:
    """Why `torch.cuda.is_available()` is false on this machine, as far as can be told."""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) was built without CUDA; install a CUDA build of the same version"
    if shutil.which("nvidia-smi") is None:
        return "no NVIDIA driver was found (nvidia-smi is not on the PATH)"
    return (
        f"a driver is here, but torch {torch.__version__} cannot use it (CUDA {torch.version.cuda}); update the driver"
    )


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _needs_probe(device_type: str) -> bool:
    """True for a CPU with AVX-512 BF16 but without AMX, which may be faster or slower in bf16."""
    return device_type == "cpu" and torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()


def _best_precision(device_type: str, probed: Bf16Probe | None) -> str:
    """bf16 where the hardware multiplies matrices in it faster, fp16 on older CUDA, else fp32."""
    if device_type == "cuda":
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    if probed is not None:
        return "bf16" if probed.prefers_bf16 else "fp32"
    if device_type == "cpu" and torch.cpu._is_amx_tile_supported():
        return "bf16"
    return "fp32"
