"""The encoder contract: a sequence of stages that can be cut in two anywhere.

Shape letters: B pairs, T text tokens or image positions, D feature width, C channels, H and W pixels.

Chosen: one `Encoder` class that runs a list of stages, so `prefix`, `suffix` and freezing are written once and hold
for every encoder. Rejected: an encoder class per architecture with its own two halves, which can disagree.
"""

import hashlib
from collections.abc import Sequence
from typing import Generic, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.errors import ConfigError

Inputs = TypeVar("Inputs", bound=TextInputs | ImageInputs)


class Activations(NamedTuple):
    """What flows between stages.

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
    """Stages, the last of which pools; the first `frozen` of them are never trained. Generic in its `inputs`.

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

    @property
    def n_stages(self) -> int:
        """Number of stages, pooling included."""
        return len(self.stages)

    def freeze(self, frozen: int) -> Self:
        """Freeze the first `frozen` stages: no gradient, and eval mode whatever `train()` says."""
        if not 0 <= frozen <= self.n_stages:
            raise ValueError(f"{self.name} has {self.n_stages} stages, cannot freeze {frozen}")
        self.frozen = frozen
        for index, stage in enumerate(self.stages):
            stage.requires_grad_(index >= frozen)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Like `nn.Module.train`, but frozen stages stay in eval mode."""
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            stage.eval()
        return self

    @torch.no_grad()
    def prefix(self, inputs: Activations, frozen: int) -> Activations:
        """Run the first `frozen` stages without gradient."""
        values = inputs.values
        for stage in self.stages[:frozen]:
            values = stage(values, inputs.mask)
        return Activations(values, None if frozen == self.n_stages else inputs.mask)

    def suffix(self, activations: Activations, frozen: int) -> Encoded:
        """Run the stages after the first `frozen` ones."""
        if frozen == self.n_stages:
            return Encoded(activations.values)
        values, mask = activations
        for stage in self.stages[frozen:-1]:
            values = stage(values, mask)
        return Encoded(self.stages[-1](values, mask), *_as_tokens(values, mask))

    def forward(self, activations: Activations) -> Encoded:
        """Encode what the frozen stages left: `activations` are those of `prefix(…, self.frozen)`."""
        return self.suffix(activations, self.frozen)

    def encode(self, inputs: Activations) -> Encoded:
        """All stages: raw inputs to features."""
        return self.suffix(self.prefix(inputs, self.frozen), self.frozen)

    def digest(self, frozen: int) -> str:
        """BLAKE2b-128 over the weights and statistics of the first `frozen` stages."""
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in self.stages[:frozen].state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
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
