"""EfficientNet-Lite0 in the form of its published weights: EfficientNet-B0 without squeeze-and-excitation, with ReLU6.

Chosen: these few modules, since timm imports torchvision, and that PyTorch's compiler, which takes longer than to
predict some hundred pairs. A test holds them to timm's network, value by value; the modules keep its names.
Source: Tan and Le 2019, arXiv 1905.11946; the Lite form is that of TensorFlow's tpu repository, as in timm.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPS = 1e-3
"""TensorFlow's, not PyTorch's."""


class Group(NamedTuple):
    """Blocks of one width: how many, kernel side, stride of the first, output channels."""

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
    """Stem, seven groups of blocks, and the last convolution, as the stages of an encoder take them."""

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
    """A convolution that pads as TensorFlow does: a stride of 2 puts the odd pixel at the end."""

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
    """Batch norm, and ReLU6 unless the block ends here."""

    def __init__(self, width: int, is_linear: bool = False) -> None:
        super().__init__(width, eps=NORM_EPS)
        self.is_linear = is_linear

    def forward(self, values: Tensor) -> Tensor:
        normed = super().forward(values)
        return normed if self.is_linear else functional.relu6(normed)


class Separable(nn.Module):
    """The first block: depthwise, then pointwise."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = SameConv(in_width, in_width, 3, groups=in_width), Norm(in_width)
        self.conv_pw, self.bn2 = SameConv(in_width, out_width, 1), Norm(out_width, is_linear=True)

    def forward(self, values: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(values))))


class Inverted(nn.Module):
    """Widen, depthwise, narrow; added to what came in where the shapes allow it."""

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


def load_lite0(published: dict[str, torch.Tensor]) -> Lite0:
    """The network with the published weights, which fill it entry by entry, in order; the classifier's are left out."""
    net = Lite0()
    names = net.state_dict()
    net.load_state_dict(dict(zip(names, list(published.values())[: len(names)], strict=True)))
    return net
