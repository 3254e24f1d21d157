"""CLIP's two towers, each with its projection: text and image features of equal width.

Source: Radford et al. 2021, arXiv 2103.00020; `openai/clip-vit-base-patch32` as in system B.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.request import BuildRequest
from mmsent_cli.encoders.stages import Normalise, Plain, TokenBlock
from mmsent_cli.encoders.text.bert import Embeddings, quiet_transformers, text_inputs
from mmsent_cli.encoders.weights.source import whole
from mmsent_cli.errors import ConfigError

CLIP = "openai/clip-vit-base-patch32"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class EndOfTextPool(nn.Module):
    """Norm, the last real token (end of text), projection: [B, T, D] -> [B, P]."""

    def __init__(self, norm: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.projection = projection

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        last = mask.sum(dim=1).clamp(min=1) - 1
        rows = torch.arange(len(values), device=values.device)
        return self.projection(self.norm(values)[rows, last])


class ClassTokenPool(nn.Module):
    """Class token, norm, projection: [B, T, D] -> [B, P]."""

    def __init__(self, norm: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.projection = projection

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.projection(self.norm(values[:, 0]))


def build_text(request: BuildRequest) -> Encoder:
    """CLIP's text tower; its context is 77 tokens whatever limit is asked for."""
    quiet_transformers()
    from transformers import AutoTokenizer, CLIPTextModelWithProjection

    tokenizer = request.weights.load(CLIP, AutoTokenizer.from_pretrained)
    model: Any = request.weights.load(CLIP, whole(CLIPTextModelWithProjection.from_pretrained))
    tower = model.text_model
    return Encoder(
        name="clip-text",
        inputs=text_inputs(request, tokenizer, model.config.max_position_embeddings),
        stages=[Embeddings(tower.embeddings), *(TokenBlock(layer, is_causal=True) for layer in tower.encoder.layers)],
        pool=EndOfTextPool(tower.final_layer_norm, model.text_projection),
        out_dim=model.text_projection.out_features,
    )


def build_image(request: BuildRequest) -> Encoder:
    """CLIP's image tower, at the one size its positions were learned for."""
    quiet_transformers()
    from transformers import CLIPVisionModelWithProjection

    model: Any = request.weights.load(CLIP, whole(CLIPVisionModelWithProjection.from_pretrained))
    tower, native_px = model.vision_model, model.config.image_size
    if request.image_size_px not in (None, native_px):
        raise ConfigError(f"image_size_px {request.image_size_px}: this CLIP takes {native_px} px", "leave it out")
    stem = Plain(Normalise(MEAN, STD), tower.embeddings, tower.pre_layrnorm)
    return Encoder(
        name="clip-image",
        inputs=ImageInputs(native_px),
        stages=[stem, *(TokenBlock(layer) for layer in tower.encoder.layers)],
        pool=ClassTokenPool(tower.post_layernorm, model.visual_projection),
        out_dim=model.visual_projection.out_features,
    )
