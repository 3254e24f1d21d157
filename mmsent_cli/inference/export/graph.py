"""Convert a model or an ensemble to one graph, from token ids and pixels of a pair to class probabilities.

Chosen: one pair per call, so that no padding and no mask are needed. Stages that the models share run once. The graph
contains all learned weights. N-grams are counted and words are looked up outside the graph (`features.py`).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Activations, Encoded, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.ensemble import Ensemble, Probe, find_probe
from mmsent_cli.ensemble.kernel import MIN_OUTPUT
from mmsent_cli.ensemble.stacker import MIN_LOG_PROBABILITY
from mmsent_cli.errors import ConfigError
from mmsent_cli.model import MODALITIES, SentimentModel

IDS = "ids"
PIXELS = "pixels"
PRESENT = "present"
OUTPUT = "probabilities"
OPSET = 18
EXAMPLE_TOKENS = 7
MAX_PROTOBUF_BYTES = 1_900_000_000
"""If the weights of an ONNX model are larger than this, they are written to a second file."""


class EnsembleGraph(nn.Module):
    """An ensemble as a module of tensors.

    Called with a dict of tensors: `ids` int64 [1, T], `pixels` uint8 [1, 3, H, W], `present` bool [1, 2] (text, image),
    `ids_NAME` or `pixels_NAME` for each auxiliary encoder, and float32 [1, F] features under the name of each probe
    that counts words or characters. Returns probabilities float32 [1, C].

    Shape letters: T tokens, H and W height and width of an image, F features, C classes.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.models = nn.ModuleList(ensemble.models)
        self.auxiliary = nn.ModuleDict({_key(name): each for name, each in ensemble.auxiliary_encoders.items()})
        self.inputs_of = {name: input_of(name, each) for name, each in ensemble.auxiliary_encoders.items()}
        self.probes = ensemble.probes
        for probe in ensemble.probes:
            for part in ("weight", "bias", "prior"):
                self.register_buffer(f"{_key(probe.name)}_{part}", _tensor(getattr(probe, part)))
            if probe.kernel is not None:
                for part in ("offset", "rows"):
                    self.register_buffer(f"{_key(probe.name)}_{part}", _tensor(getattr(probe.kernel, part)))
                for number, projection in enumerate(probe.kernel.projections):
                    self.register_buffer(f"{_key(probe.name)}_projection_{number}", _tensor(projection))
        self.has_stacker = ensemble.stacker is not None
        if ensemble.stacker is not None:
            for part in ("weight", "bias", "offsets"):
                self.register_buffer(f"stacker_{part}", _tensor(getattr(ensemble.stacker, part)))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        first, present = self._model(0), inputs[PRESENT]
        stored = {
            "text": first.text.prefix(_tokens(inputs[IDS]), first.text.frozen),
            "image": first.image.prefix(Activations(inputs[PIXELS]), first.image.frozen),
        }
        logits = [self._logits(self._model(index), stored, present) for index in range(len(self.models))]
        mean = torch.stack([each.float().log_softmax(dim=-1) for each in logits]).mean(dim=0).log_softmax(dim=-1)
        if not self.has_stacker:
            return mean.exp()
        pooled = {name: self._pooled(name, inputs) for name in self.inputs_of}
        pooled |= {
            side: _features(first, side, stored[side]).pooled
            for probe in self.probes
            for side in find_probe(probe.name).own_encoders
        }
        members = [mean, *(self._probe(probe, inputs, pooled, present) for probe in self.probes)]
        votes = torch.cat(members, dim=-1).clamp(min=MIN_LOG_PROBABILITY)
        joined = (votes @ self._part("stacker_weight") + self._part("stacker_bias")).log_softmax(dim=-1)
        return (joined + self._part("stacker_offsets")).softmax(dim=-1)

    def example(self) -> dict[str, Tensor]:
        """Return example inputs, with the names, shapes and types that the graph needs."""
        first = self._model(0)
        return {
            IDS: _example(first.text),
            PIXELS: _example(first.image),
            PRESENT: torch.ones(1, 2, dtype=torch.bool),
            **{given: _example(self._auxiliary(name)) for name, given in self.inputs_of.items()},
            **{name: torch.zeros(1, width) for name, width in self.counted().items()},
        }

    def counted(self) -> dict[str, int]:
        """Return the number of features of each probe that counts words or characters, by the name of the probe."""
        return {probe.name: len(probe.weight) for probe in self.probes if not find_probe(probe.name).pooled_names}

    def _logits(self, model: SentimentModel, stored: Mapping[str, Activations], present: Tensor) -> Tensor:
        text, image = (_features(model, name, stored[name]) for name in MODALITIES)
        return model.classify(text, image, present).main

    def _probe(
        self, probe: Probe, inputs: Mapping[str, Tensor], pooled: Mapping[str, Tensor], present: Tensor
    ) -> Tensor:
        """Compute the log-probabilities [1, C] of a probe; its prior if the pair lacks one of its modalities."""
        spec, name = find_probe(probe.name), _key(probe.name)
        parts = [pooled[each].float() for each in spec.pooled_names]
        if probe.kernel is not None:
            features = self._kernel(name, parts)
        else:
            features = _joined(parts) if parts else inputs[probe.name].float()
        logits = features @ self._part(f"{name}_weight") + self._part(f"{name}_bias")
        if probe.kernel is not None:
            logits = logits.clamp(MIN_OUTPUT, 1.0).log()
        is_there = present[:, [MODALITIES.index(modality) for modality in spec.modalities]].all(dim=1, keepdim=True)
        return torch.where(is_there, logits.log_softmax(dim=-1), self._part(f"{name}_prior"))

    def _kernel(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        """Compute the kernel [1, R] between a pair and R training pairs. `name` is the key of the probe."""
        projected = [part @ self._part(f"{name}_projection_{number}") for number, part in enumerate(parts)]
        differences = torch.cat(projected, dim=1) + self._part(f"{name}_offset") - self._part(f"{name}_rows")
        return torch.exp(-differences.square().sum(dim=1))[None]

    def _pooled(self, name: str, inputs: Mapping[str, Tensor]) -> Tensor:
        """Compute the features [1, D] of a pair with the auxiliary encoder `name`. D is the width of its features."""
        encoder, values = self._auxiliary(name), inputs[self.inputs_of[name]]
        given = Activations(values) if isinstance(encoder.inputs, ImageInputs) else _tokens(values)
        return encoder.prefix(given, encoder.n_stages).values

    def _auxiliary(self, name: str) -> Encoder:
        encoder: Any = self.auxiliary[_key(name)]
        return encoder

    def _model(self, index: int) -> SentimentModel:
        model: Any = self.models[index]
        return model

    def _part(self, name: str) -> Tensor:
        return self.get_buffer(name)


def write_onnx(graph: EnsembleGraph, path: Path) -> None:
    """Write a graph as an ONNX file.

    Raises:
        ConfigError: a part of this model cannot be exported.
    """
    example = graph.eval().example()
    tokens = torch.export.Dim.DYNAMIC
    shapes = {name: {1: tokens} if name.startswith(IDS) else None for name in example}
    try:
        with torch.no_grad():
            program = torch.export.export(graph, (example,), dynamic_shapes=(shapes,), strict=False)
        torch.onnx.export(
            program,
            f=path,
            input_names=list(example),
            output_names=[OUTPUT],
            opset_version=OPSET,
            external_data=_bytes(graph) > MAX_PROTOBUF_BYTES,
            verbose=False,
        )
    except (RuntimeError, TypeError, ValueError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"this model cannot be written as ONNX: {why}", "export a model with other encoders"
        ) from error


def _features(model: SentimentModel, name: str, stored: Activations) -> Encoded:
    """Compute the features of one modality from the output of the stages that all models share."""
    encoder: Encoder = getattr(model, name)
    if name not in model.modalities:
        return Encoded(getattr(model, f"missing_{name}")[None])
    return encoder.suffix(stored, encoder.frozen)


def input_of(name: str, encoder: Encoder) -> str:
    """Return the name of the graph's input for an auxiliary encoder."""
    return f"{PIXELS if isinstance(encoder.inputs, ImageInputs) else IDS}_{_key(name)}"


def _example(encoder: Encoder) -> Tensor:
    """Make token ids or pixels of the right shape."""
    if isinstance(encoder.inputs, ImageInputs):
        side = encoder.inputs.image_size_px
        return torch.zeros(1, 3, side, side, dtype=torch.uint8)
    return torch.full((1, EXAMPLE_TOKENS), 1, dtype=torch.int64)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Join the features of a probe as `Probe` does. The features of two encoders are followed by their cosine."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat([*parts, torch.cosine_similarity(*parts, dim=1).unsqueeze(1)], dim=1)


def _tokens(ids: Tensor) -> Activations:
    return Activations(ids, torch.ones_like(ids, dtype=torch.bool))


def _key(name: str) -> str:
    """Convert a name to a valid name of a module or tensor."""
    return re.sub(r"\W", "_", name)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))


def _bytes(module: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
