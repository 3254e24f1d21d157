"""An encoder's stored stages as an OpenVINO network, kept as a file so that only the first run translates them.

Chosen: OpenVINO's PyTorch frontend, called directly. Rejected: `openvino.convert_model`, which does the same after a
detour of several seconds and reports each use to its maker over the network; ONNX Runtime,
untried, since it wants the stages exported to a file by a further package.
"""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs

MIN_COSINE = 0.999
"""An engine's features must be at least as near to PyTorch's in float32, pair by pair."""
CHECK_TEXTS = ("so good", "what a day in the sun, and not a cloud far and wide", "a", "no words for that! so sad today")


class CannotConvert(Exception):
    """A network that the engine cannot run, or not faithfully."""


class Stored(nn.Module):
    """The stored stages as one module over raw inputs alone: token ids [B, T] without padding, or images."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.stages = encoder.stages[: encoder.cut]
        self.is_text = not isinstance(encoder.inputs, ImageInputs)

    def forward(self, values: Tensor) -> Tensor:
        mask = torch.ones_like(values, dtype=torch.bool) if self.is_text else None
        for stage in self.stages:
            values = stage(values, mask)
        return values


def convert(encoder: Encoder) -> Any:
    """Translate the stored stages into an `openvino.Model`: for one image, or for texts of any number and length.

    Raises:
        CannotConvert: PyTorch cannot trace them, or OpenVINO lacks an operation.
    """
    from openvino import frontend
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    failures = (
        RuntimeError,
        frontend.GeneralFailure,
        frontend.NotImplementedFailure,
        frontend.OpConversionFailure,
        frontend.OpValidationFailure,
    )
    traced = _trace(encoder)
    try:
        decoder = TorchScriptPythonDecoder(traced)  # OpenVINO reads from it to the end, so it needs a name
        translator = frontend.FrontEndManager().load_by_framework("pytorch")
        network = translator.convert(translator.load(decoder))
        if isinstance(encoder.inputs, ImageInputs):
            # A fixed size spares computing the paddings each time.
            network.reshape(list(check_inputs(encoder)[0].shape))
        return network
    except failures as error:
        raise CannotConvert(f"OpenVINO cannot translate it: {last_line(error)}") from error


def _trace(encoder: Encoder) -> Any:
    """The stored stages as PyTorch's tracer records them, tried on inputs of other lengths than the recorded one.

    A trace that holds on to one length is refused here, since OpenVINO would run it into memory that is not its own.

    Raises:
        CannotConvert: they cannot be traced, or the trace fails on other lengths.
    """
    example, *others = check_inputs(encoder)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what tracing might get wrong: it is looked at here and by `agrees`
            traced: Any = torch.jit.trace(Stored(encoder).eval(), example, check_trace=False, strict=False)
            for values in others:
                traced(values)
    except Exception as error:  # what any network raises under the tracer; PyTorch runs it instead, and a note says why
        raise CannotConvert(f"PyTorch cannot trace it: {last_line(error)}") from error
    return traced


def agrees(encoder: Encoder, compiled: Any) -> bool:
    """Whether a compiled network gives what PyTorch gives, for texts of other lengths than the traced one as well."""
    for values in check_inputs(encoder):
        mask = None if isinstance(encoder.inputs, ImageInputs) else torch.ones_like(values, dtype=torch.bool)
        wanted = encoder.prefix(Activations(values, mask), encoder.cut).values.float().cpu().numpy()
        if _cosine(compiled([values.numpy()])[0], wanted) < MIN_COSINE:
            return False
    return True


def check_inputs(encoder: Encoder) -> list[Tensor]:
    """Texts of different length [1, T], or one image of noise [1, 3, H, W]."""
    inputs = encoder.inputs
    if isinstance(inputs, ImageInputs):
        shape = (1, 3, inputs.image_size_px, inputs.image_size_px)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return [torch.from_numpy(noise)]
    return [torch.from_numpy(ids).long()[None] for ids in inputs.arrays(CHECK_TEXTS)]


def save(network: Any, path: Path) -> None:
    """Keep a network for the next process as `path` (.xml) and its weights beside it (.bin).

    Where that fails, as on a full disk, the next process translates it again.
    """
    import openvino

    with contextlib.suppress(OSError, RuntimeError), _hidden_folder(path.parent) as hidden:
        openvino.save_model(network, hidden / path.name, compress_to_fp16=False)
        openvino.Core().read_model(hidden / path.name)  # fails if it was cut short
        for name in (path.with_suffix(".bin").name, path.name):
            (hidden / name).replace(path.with_name(name))


@contextlib.contextmanager
def _hidden_folder(parent: Path) -> Iterator[Path]:
    """A folder inside another one, which is made if need be; it goes in the end."""
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=parent) as name:
        yield Path(name)


def last_line(error: BaseException) -> str:
    """What an error says in the end; the lines before tell where in C++ it arose."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of two arrays as vectors; -1 if their shapes differ or one is not finite."""
    if one.shape != other.shape or not np.isfinite(one).all():
        return -1.0
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-30))
