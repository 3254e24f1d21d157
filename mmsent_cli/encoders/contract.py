"""The base class of all encoders: a sequence of stages that can be divided into two parts after any stage.

Shape letters: B pairs, T text tokens or image positions, D features, C channels, H and W pixels.

Chosen: one `Encoder` class that runs a list of stages, so that `prefix`, `suffix` and freezing work in the same way for
every encoder. Rejected: a class per architecture, each with its own `prefix` and `suffix`, which may be inconsistent.
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError
from mmsent_cli.files import FileFacts

Inputs = TypeVar("Inputs", bound=TextInputs | ImageInputs)
LOADING_FORMAT = 1
"""Increase this number if encoders make other tensors from the same files. Cached digests are then computed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """The arguments of an encoder's `build` function.

    Attributes:
        argument: the part of the encoder's name after `hf:` or `timm:`; empty for other names.
        max_length_tokens: maximum length of a text; an encoder with a shorter context uses its own limit.
        image_size_px: side of the images in pixels; None for the encoder's native size.
        cleaning: text cleaning steps.
        vocabulary: words of the training split, for an encoder that is trained from scratch.
        weights: where to look for pretrained weights.
    """

    argument: str = ""
    max_length_tokens: int = 128
    image_size_px: int | None = None
    cleaning: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] | None = None
    weights: WeightSource


class Activations(NamedTuple):
    """The input and output of a stage. Shape letters: B pairs, T tokens, D features, C channels, H and W pixels.

    Attributes:
        values: token ids [B, T] or uint8 images [B, 3, H, W] before the first stage; hidden states [B, T, D] or feature
            maps [B, C, H, W] between stages; pooled features [B, D] after the last stage.
        mask: [B, T] bool, True = real token; None for images and pooled features.
    """

    values: Tensor
    mask: Tensor | None = None


class Encoded(NamedTuple):
    """The output of an encoder, which is the input of a fusion layer.

    Shape letters: B pairs, T tokens, D pooled features, D' features per token.

    Attributes:
        pooled: pooled features [B, D].
        tokens: token features [B, T, D'], or None if the encoder returns pooled features only.
        mask: [B, T] bool, True = real token; None if there are no tokens.
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None


class Encoder(nn.Module, Generic[Inputs]):
    """A sequence of stages. The last stage is the pooling. The class is generic in the type of `inputs`.

    The first `frozen` stages are not trained. The first `cut` stages are the "stored stages": their output is kept in
    the feature store. `cut` equals `frozen`, except after `keep_tokens`, which excludes the pooling.

    Args:
        name: unique name, part of the feature store's key.
        inputs: converts raw texts or images to the input of the first stage.
        stages: modules called as `stage(values, mask) -> values`.
        pool: module called as `pool(values, mask)`, used as the last stage. It returns D features for each of B pairs,
            [B, D].
        out_dim: number D of the pooled features.
        facts: cached facts about the weights file, such as digests; None if facts are not cached.
        own_engine: name and version of the software that computes all stages on the CPU. Empty for PyTorch; then the
            run's engine may compute the stored stages.

    Example:
        encoded = encoder(Activations(ids, mask))
        assert torch.equal(encoder.suffix(encoder.prefix(x, 3), 3).pooled, encoder(x).pooled)
    """

    def __init__(
        self,
        *,
        name: str,
        inputs: Inputs,
        stages: Sequence[nn.Module],
        pool: nn.Module,
        out_dim: int,
        facts: FileFacts | None = None,
        own_engine: str = "",
    ) -> None:
        super().__init__()
        self.name = name
        self.inputs = inputs
        self.stages = nn.ModuleList([*stages, pool])
        self.out_dim = out_dim
        self.own_engine = own_engine
        self.frozen = 0
        self.cut = 0
        self._digests: dict[int, tuple[dict[str, tuple[int, int]], str]] = {}
        self._facts = facts
        self._published = _written(self.stages.state_dict())

    @property
    def n_stages(self) -> int:
        """Number of stages, pooling included."""
        return len(self.stages)

    def freeze(self, frozen: int) -> Self:
        """Freeze the first `frozen` stages: they get no gradient and stay in eval mode. Also set `cut` to `frozen`."""
        if not 0 <= frozen <= self.n_stages:
            raise ValueError(f"{self.name} has {self.n_stages} stages, so {frozen} cannot be frozen")
        self.frozen = self.cut = frozen
        for index, stage in enumerate(self.stages):
            stage.requires_grad_(index >= frozen)
        return self.train(self.training)

    def keep_tokens(self) -> Self:
        """Exclude the pooling from the stored stages, so that tokens can be computed from the stored features."""
        self.cut = min(self.frozen, self.n_stages - 1)
        return self

    def token_dim(self) -> int | None:
        """Return the number of features per token; None if the encoder returns pooled features only.

        The number is found by encoding a dummy input. Weights, modes and random state do not change.
        """
        is_training = self.training
        self.eval()
        tokens, _ = _as_tokens(*self.prefix(self._dummy(), self.n_stages - 1))
        self.train(is_training)
        return None if tokens is None else tokens.shape[-1]

    def train(self, mode: bool = True) -> Self:
        """Set the mode as `nn.Module.train` does, but keep frozen stages in eval mode."""
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            stage.eval()
        return self

    @torch.no_grad()
    def prefix(self, inputs: Activations, cut: int) -> Activations:
        """Run the first `cut` stages on raw inputs, without gradient."""
        values = inputs.values
        for stage in self.stages[:cut]:
            values = stage(values, inputs.mask)
        return Activations(values, None if cut == self.n_stages else inputs.mask)

    def suffix(self, activations: Activations, cut: int) -> Encoded:
        """Run the stages after the first `cut` stages, on the result of `prefix`."""
        if cut == self.n_stages:
            return Encoded(activations.values)
        values, mask = activations
        for stage in self.stages[cut:-1]:
            values = stage(values, mask)
        return Encoded(self.stages[-1](values, mask), *_as_tokens(values, mask))

    def forward(self, activations: Activations) -> Encoded:
        """Compute the features from the output of the stored stages, which is `prefix(inputs, self.cut)`."""
        return self.suffix(activations, self.cut)

    def encode(self, inputs: Activations) -> Encoded:
        """Compute the features from raw inputs. All stages are run."""
        return self.suffix(self.prefix(inputs, self.cut), self.cut)

    def copy(self) -> Self:
        """Copy the encoder. The copy has its own trained stages. Frozen stages and tokenizer are shared."""
        shared = [self.inputs, self._digests, *self.stages[: self.frozen]]
        return copy.deepcopy(self, {id(part): part for part in shared})

    def digest(self, stages: int) -> str:
        """Return the BLAKE2b-128 digest of the weights and statistics of the first `stages` stages.

        The digest is cached until a tensor changes, since hashing takes a tenth of a second. Later processes use
        the cached digest if the weights still have the values of the weights file.
        """
        tensors = self.stages[:stages].state_dict()
        written = _written(tensors)
        if self._digests.get(stages, (None, ""))[0] != written:
            facts = self._facts if written.items() <= self._published.items() else None
            question = f"{self.name}, format {LOADING_FORMAT}, torch {torch.__version__}: {_layout(tensors)}"
            known = facts.recall(question) if facts else None
            self._digests[stages] = written, known or _digest(tensors)
            if facts and not known:
                facts.remember(question, self._digests[stages][1])
        return self._digests[stages][1]

    def _dummy(self) -> Activations:
        """Make a raw input for one text or image, on the encoder's device."""
        device = next(self.parameters()).device
        if isinstance(self.inputs, ImageInputs):
            side = self.inputs.image_size_px
            return Activations(torch.zeros(1, 3, side, side, dtype=torch.uint8, device=device))
        ids = torch.from_numpy(self.inputs.arrays(["a"])[0]).long().to(device)[None]  # [1, T]
        return Activations(ids, torch.ones_like(ids, dtype=torch.bool))


def _written(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """Return, for each tensor, its memory address and the number of its in-place changes."""
    return {name: (tensor.data_ptr(), tensor._version) for name, tensor in tensors.items()}


def _layout(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of the names, types and shapes of tensors."""
    described = [(name, str(tensor.dtype), list(tensor.shape)) for name, tensor in tensors.items()]
    return hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def frozen_stages(encoder: Encoder, setting: str, option: str) -> int:
    """Return the number of frozen stages for the value of `--freeze-text` or `--freeze-image`.

    `none` freezes nothing. A number N freezes the first stage (embeddings or stem) and the next N stages. `all` freezes
    every stage.

    Raises:
        ConfigError: the encoder has fewer layers than N.
    """
    if setting in ("none", "all"):
        return 0 if setting == "none" else encoder.n_stages
    layers = encoder.n_stages - 2  # without the first stage and the pooling
    if int(setting) > layers:
        raise ConfigError(
            f"{option} {setting}: the encoder {encoder.name} has only {layers} layers after its embedding or stem",
            f"give none, all, or a number from 0 to {layers}",
        )
    return int(setting) + 1


def _as_tokens(values: Tensor, mask: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Return the tokens and their mask; None and None for pooled features.

    Hidden states are tokens already. Each position of a feature map becomes a token.
    """
    if values.dim() == 4:
        values = values.flatten(2).transpose(1, 2)  # [B, C, H, W] -> [B, H*W, C]
    if values.dim() != 3:
        return None, None
    return values, mask if mask is not None else values.new_ones(values.shape[:2], dtype=torch.bool)
