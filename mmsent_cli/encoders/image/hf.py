"""Build Hugging Face image models by name or folder. A model is one stage: it is frozen completely or not at all."""

from typing import Any

from torch import Tensor, nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.image import clip
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import NoPool, Normalize, Plain
from mmsent_cli.encoders.weights.source import model_type_of, quiet_transformers, strict_from_pretrained

DEFAULT_SIZE_PX = 224


class HuggingFaceImage(nn.Module):
    """Compute D features for each of B images: pixels [B, 3, height, width] -> [B, D].

    The features are the pooled output of the model. If it has no pooled output, they are the mean over positions.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        output = self.model(pixel_values=pixels)
        pooled = getattr(output, "pooler_output", None)
        if pooled is None:
            hidden = output.last_hidden_state
            pooled = hidden.mean(dim=1) if hidden.dim() == 3 else hidden.mean(dim=(2, 3))
        return pooled.flatten(1)


def build(request: BuildRequest) -> Encoder:
    """Build a Hugging Face image model with its own image size and normalization.

    The features are the pooled output of the model, or for CLIP the image embedding.

    Raises:
        ConfigError: the model reads no images, or needs more than an image.
        WeightsUnavailable: the weights are not on this machine and cannot be downloaded, or cannot be read.
    """
    if model_type_of(request.argument, request.weights, "image") == "clip":
        return clip.build_named(request, request.argument, f"hf:{request.argument}")
    quiet_transformers()
    from transformers import AutoImageProcessor, AutoModel

    processor: Any = request.weights.load(request.argument, AutoImageProcessor.from_pretrained)
    model: Any = request.weights.load(request.argument, strict_from_pretrained(AutoModel.from_pretrained))
    size = processor.size if isinstance(processor.size, dict) else dict(processor.size)
    native_px = size.get("height") or size.get("shortest_edge") or DEFAULT_SIZE_PX
    stage = Plain(Normalize(tuple(processor.image_mean), tuple(processor.image_std)), HuggingFaceImage(model))
    width = getattr(model.config, "hidden_size", None) or model.config.hidden_sizes[-1]
    inputs = ImageInputs(request.image_size_px or native_px)
    return Encoder(name=f"hf:{request.argument}", inputs=inputs, stages=[stage], pool=NoPool(), out_dim=width)
