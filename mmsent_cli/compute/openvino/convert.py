"""Convert the stored stages of an encoder to an OpenVINO model, and save the model for later runs.

"Stored stages" are the frozen stages of an encoder whose output is kept in the feature store.

Chosen: `torch.jit.trace` and OpenVINO's PyTorch frontend, called directly. Rejected: `openvino.convert_model`, which
takes several seconds more and sends usage data to its maker.

Rejected for now: `torch.export`, although `torch.jit.trace` is deprecated as of torch 2.11. Both were measured with
torch 2.14.1 and OpenVINO 2026.4.1. `torch.export` gives the same bits for MiniLM, MPNet, BERT, Lite0, ResNet18 and
CLIP's image tower. But `torch.export` takes ten times as long (MiniLM 3.3 s of CPU time instead of 0.3 s, Lite0 3.0 s
instead of 0.4 s), and the features of ALBERT in bf16 differ in the last bits. It also cannot convert the antialiased
bicubic resize of timm's vision transformers. If a later PyTorch can no longer trace the stages, PyTorch computes them
(`CannotConvert`).
"""

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.extras import load_openvino
from mmsent_cli.interrupts import on_interrupt

MIN_COSINE = 0.999
"""Lowest allowed cosine similarity between OpenVINO's features and PyTorch's in float32."""
CHECK_TEXTS = ("so good", "what a day in the sun, and not a cloud far and wide", "a", "no words for that! so sad today")


class CannotConvert(Exception):
    """OpenVINO cannot run the stages, or computes other features than PyTorch."""


class StoredStages(nn.Module):
    """The stored stages as one module. The input is images, or token ids [B, T]: B texts of T tokens, no padding."""

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
    """Convert the stored stages to an `openvino.Model`, which takes one image, or any number of texts of any length.

    Raises:
        CannotConvert: PyTorch cannot trace the stages, or OpenVINO lacks an operation.
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
        decoder = TorchScriptPythonDecoder(traced)  # in a variable, since OpenVINO reads from it until convert returns
        converter = frontend.FrontEndManager().load_by_framework("pytorch")
        model = converter.convert(converter.load(decoder))
        if isinstance(encoder.inputs, ImageInputs):
            # With a fixed size, paddings are computed once instead of in each call.
            model.reshape(list(check_inputs(encoder)[0].shape))
        return model
    except failures as error:
        raise CannotConvert(f"OpenVINO cannot convert it: {last_line(error)}") from error


def _trace(encoder: Encoder) -> Any:
    """Trace the stored stages by TorchScript, and check that the trace runs on inputs of other shapes.

    The check is needed since a trace may work only for texts of one length. For other lengths, OpenVINO would read out
    of bounds.

    Raises:
        CannotConvert: the stages cannot be traced, or the trace fails on other shapes.
    """
    example, *others = check_inputs(encoder)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Warnings: the deprecation, and values that tracing made constant. `agrees` checks the latter.
            warnings.simplefilter("ignore")
            traced: Any = torch.jit.trace(StoredStages(encoder).eval(), example, check_trace=False, strict=False)
            for values in others:
                traced(values)
    except Exception as error:  # any module may raise anything under the tracer; PyTorch runs it instead, with a note
        raise CannotConvert(f"PyTorch cannot trace it: {last_line(error)}") from error
    return traced


def agrees(encoder: Encoder, compiled: Any) -> bool:
    """Return True if a compiled model computes the same features as PyTorch, for several lengths and batch sizes."""
    for values in check_inputs(encoder):
        mask = None if isinstance(encoder.inputs, ImageInputs) else torch.ones_like(values, dtype=torch.bool)
        wanted = encoder.prefix(Activations(values, mask), encoder.cut).values.float().cpu().numpy()
        if _min_cosine(compiled([values.numpy()])[0], wanted) < MIN_COSINE:
            return False
    return True


def check_inputs(encoder: Encoder) -> list[Tensor]:
    """Make test inputs: an image of noise [1, 3, height, width]; or single texts and a batch of two texts.

    Single texts are token ids [1, T], and the batch is [2, T], where T is the number of tokens.
    """
    inputs = encoder.inputs
    if isinstance(inputs, ImageInputs):
        shape = (1, 3, inputs.image_size_px, inputs.image_size_px)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return [torch.from_numpy(noise)]
    texts = [torch.from_numpy(ids).long()[None] for ids in inputs.arrays(CHECK_TEXTS)]
    return [*texts, torch.cat([texts[1], texts[1].flip(1)])]


def save(model: Any, path: Path) -> None:
    """Save a model as `path` (.xml), and its weights as a second file in the same folder (.bin).

    If saving fails, for example on a full disk, the next process converts the model again.
    """
    openvino = load_openvino()
    with contextlib.suppress(OSError, RuntimeError), _hidden_folder(path.parent) as hidden:
        openvino.save_model(model, hidden / path.name, compress_to_fp16=False)
        openvino.Core().read_model(hidden / path.name)  # raises if the file is incomplete
        for name in (path.with_suffix(".bin").name, path.name):
            (hidden / name).replace(path.with_name(name))


@contextlib.contextmanager
def _hidden_folder(parent: Path) -> Iterator[Path]:
    """Make a temporary folder inside `parent`. `parent` is created if it is missing."""
    parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".", dir=parent) as name,
        on_interrupt(partial(shutil.rmtree, name, ignore_errors=True)),
    ):
        yield Path(name)


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, where OpenVINO names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _min_cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the lowest cosine similarity between corresponding rows of two arrays.

    The result is -1 if the shapes differ or a value of `one` is not finite.
    """
    if one.shape != other.shape or not np.isfinite(one).all():
        return -1.0
    a, b = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (one, other))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / np.maximum(norms, 1e-30)).min())
