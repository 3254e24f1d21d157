"""CLIP's image tower with its projection to 512 features. The text tower is in text/clip.py.

Source: Radford et al. 2021, arXiv 2103.00020; `openai/clip-vit-base-patch32` as in the published CLIP setup.
"""

from typing import Any

from torch import Tensor, nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import Normalize, Plain, TokenBlock
from mmsent_cli.encoders.weights.source import CLIP, quiet_transformers, strict_from_pretrained
from mmsent_cli.errors import ConfigError

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class ClassTokenPool(nn.Module):
    """Apply layer norm and projection to the class token: hidden states [B, T, D] -> features [B, P].

    B images, T tokens, D values per token, P features.
    """

    def __init__(self, norm: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.projection = projection

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.projection(self.norm(values[:, 0]))


def build(request: BuildRequest) -> Encoder:
    """Build the image tower of CLIP ViT-B/32."""
    return build_named(request, CLIP, "clip-image")


def build_named(request: BuildRequest, source: str, name: str) -> Encoder:
    """Build the image tower of a CLIP model. The image size is fixed by the model's position embeddings.

    Raises:
        ConfigError: the user chose another image size.
    """
    quiet_transformers()
    from transformers import CLIPVisionModelWithProjection

    model: Any = request.weights.load(source, strict_from_pretrained(CLIPVisionModelWithProjection.from_pretrained))
    tower, native_px = model.vision_model, model.config.image_size
    if request.image_size_px not in (None, native_px):
        raise ConfigError(
            f"--image-size-px {request.image_size_px} is not possible: this CLIP model needs {native_px} px",
            "leave out --image-size-px",
        )
    stem = Plain(Normalize(MEAN, STD), tower.embeddings, tower.pre_layrnorm)
    return Encoder(
        name=name,
        inputs=ImageInputs(native_px),
        stages=[stem, *(TokenBlock(layer) for layer in tower.encoder.layers)],
        pool=ClassTokenPool(tower.post_layernorm, model.visual_projection),
        out_dim=model.visual_projection.out_features,
    )
