"""The encoder contract: a sequence of stages that can be cut in two anywhere.

Shape letters: B pairs, T text tokens or image positions, D feature width, C channels, H and W pixels.

Chosen: one `Encoder` class that runs a list of stages, so `prefix`, `suffix` and freezing are written once and hold
for every encoder. Rejected: an encoder class per architecture with its own two halves, which can disagree.
"""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError

Inputs = TypeVar("Inputs", bound=TextInputs | ImageInputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """The arguments of an encoder's `build` function.

    Attributes:
        argument: the part after `hf:` or `timm:`, else empty.
        max_length_tokens: longest text; an encoder with a shorter context uses its own limit.
        image_size_px: image side, None for the encoder's native size.
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
    """The tensors that pass from stage to stage.

    Attributes:
        values: token ids [B, T] or uint8 images [B, 3, H, W] at the start; hidden states [B, T, D] or feature maps
            [B, C, H, W] between stages; pooled features [B, D] after the last one.
        mask: [B, T] bool, True = real token; None for images and pooled features.
    """

    values: Tensor
    mask: Tensor | None = None


class Encoded(NamedTuple):
    """What an encoder gives a fusion layer.

    Attributes:
        pooled: [B, D].
        tokens: [B, T, D'] or None, where only pooled features were kept.
        mask: [B, T] bool, True = real, or None where there are no tokens.
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None


class Encoder(nn.Module, Generic[Inputs]):
    """Stages, the last of which pools. Generic in its `inputs`.

    The first `frozen` stages are never trained. The first `cut` of these are what the feature store keeps: all of
    them, unless `keep_tokens` asks for what comes before the pooling.

    Args:
        name: unique name, part of the feature store's key.
        inputs: turns raw texts or images into the first stage's values.
        stages: modules called as `stage(values, mask) -> values`.
        pool: module called as `pool(values, mask) -> [B, D]`; counts as the last stage.
        out_dim: D of the pooled feature.

    Example:
        encoded = encoder(Activations(ids, mask))
        assert torch.equal(encoder.suffix(encoder.prefix(x, 3), 3).pooled, encoder(x).pooled)
    """

    def __init__(
        self, *, name: str, inputs: Inputs, stages: Sequence[nn.Module], pool: nn.Module, out_dim: int
    ) -> None:
        super().__init__()
        self.name = name
        self.inputs = inputs
        self.stages = nn.ModuleList([*stages, pool])
        self.out_dim = out_dim
        self.frozen = 0
        self.cut = 0
        self._digests: dict[int, tuple[object, str]] = {}

    @property
    def n_stages(self) -> int:
        """Number of stages, pooling included."""
        return len(self.stages)

    def freeze(self, frozen: int) -> Self:
        """Freeze the first `frozen` stages: no gradient, and eval mode whatever `train()` sets. Sets `cut` as well."""
        if not 0 <= frozen <= self.n_stages:
            raise ValueError(f"{self.name} has {self.n_stages} stages, cannot freeze {frozen}")
        self.frozen = self.cut = frozen
        for index, stage in enumerate(self.stages):
            stage.requires_grad_(index >= frozen)
        return self.train(self.training)

    def keep_tokens(self) -> Self:
        """Cut before the pooling at the latest, so that what is stored still gives tokens."""
        self.cut = min(self.frozen, self.n_stages - 1)
        return self

    def token_dim(self) -> int | None:
        """Width D' of this encoder's tokens, or None if it gives pooled features alone.

        Found by encoding one dummy, since a stage has no attribute for its output width. Weights, modes and
        random state stay as they are.
        """
        is_training = self.training
        self.eval()
        tokens, _ = _as_tokens(*self.prefix(self._dummy(), self.n_stages - 1))
        self.train(is_training)
        return None if tokens is None else tokens.shape[-1]

    def train(self, mode: bool = True) -> Self:
        """Like `nn.Module.train`, but frozen stages stay in eval mode."""
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            stage.eval()
        return self

    @torch.no_grad()
    def prefix(self, inputs: Activations, cut: int) -> Activations:
        """Run the first `cut` stages without gradient."""
        values = inputs.values
        for stage in self.stages[:cut]:
            values = stage(values, inputs.mask)
        return Activations(values, None if cut == self.n_stages else inputs.mask)

    def suffix(self, activations: Activations, cut: int) -> Encoded:
        """Run the stages after the first `cut` ones."""
        if cut == self.n_stages:
            return Encoded(activations.values)
        values, mask = activations
        for stage in self.stages[cut:-1]:
            values = stage(values, mask)
        return Encoded(self.stages[-1](values, mask), *_as_tokens(values, mask))

    def forward(self, activations: Activations) -> Encoded:
        """Encode what the stored stages left: `activations` are those of `prefix(…, self.cut)`."""
        return self.suffix(activations, self.cut)

    def encode(self, inputs: Activations) -> Encoded:
        """All stages: raw inputs to features."""
        return self.suffix(self.prefix(inputs, self.cut), self.cut)

    def copy(self) -> Self:
        """A copy with its own trained stages; frozen stages, the tokenizer and known digests are shared."""
        shared = [self.inputs, self._digests, *self.stages[: self.frozen]]
        return copy.deepcopy(self, {id(part): part for part in shared})

    def digest(self, stages: int) -> str:
        """BLAKE2b-128 over the weights and statistics of the first `stages` stages.

        Remembered as long as no tensor is written to, since hashing takes a tenth of a second.
        """
        tensors = self.stages[:stages].state_dict()
        written = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors.values())
        if self._digests.get(stages, ("", ""))[0] != written:
            self._digests[stages] = written, _digest(tensors)
        return self._digests[stages][1]

    def _dummy(self) -> Activations:
        """The raw input of one pair, on the encoder's device."""
        device = next(self.parameters()).device
        if isinstance(self.inputs, ImageInputs):
            side = self.inputs.image_size_px
            return Activations(torch.zeros(1, 3, side, side, dtype=torch.uint8, device=device))
        ids = torch.from_numpy(self.inputs.arrays(["a"])[0]).long().to(device)[None]  # [1, T]
        return Activations(ids, torch.ones_like(ids, dtype=torch.bool))


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def frozen_stages(encoder: Encoder, setting: str, option: str) -> int:
    """Translate a `--freeze-…` setting into a number of stages.

    `none` is 0; N is the first stage (embeddings or stem) and N more; `all` is every stage, pooling included.

    Raises:
        ConfigError: N is more than the encoder has.
    """
    if setting in ("none", "all"):
        return 0 if setting == "none" else encoder.n_stages
    layers = encoder.n_stages - 2  # without the first stage and the pooling
    if int(setting) > layers:
        raise ConfigError(
            f"{option} {setting}: {encoder.name} has only {layers} layers after its first stage",
            f"give none, all, or a number from 0 to {layers}",
        )
    return int(setting) + 1


def _as_tokens(values: Tensor, mask: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Hidden states as tokens; a feature map becomes one token per position."""
    if values.dim() == 4:
        values = values.flatten(2).transpose(1, 2)  # [B, C, H, W] -> [B, H*W, C]
    if values.dim() != 3:
        return None, None
    return values, mask if mask is not None else values.new_ones(values.shape[:2], dtype=torch.bool)
