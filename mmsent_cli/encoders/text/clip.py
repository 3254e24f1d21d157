"""CLIP's text tower with its projection to 512 features. The image tower is in image/clip.py.

Source: Radford et al. 2021, arXiv 2103.00020; `openai/clip-vit-base-patch32` as in the published CLIP setup.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.stages import Embeddings, TokenBlock
from mmsent_cli.encoders.text.bert import require_tokenizer, text_inputs
from mmsent_cli.encoders.weights.source import CLIP, quiet_transformers, strict_from_pretrained


class EndOfTextPool(nn.Module):
    """Apply layer norm, take the last real token (end of text), and project it: hidden states [B, T, D] -> [B, P].

    B texts, T tokens, D values per token, P features.
    """

    def __init__(self, norm: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.projection = projection

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        last = mask.sum(dim=1).clamp(min=1) - 1
        rows = torch.arange(values.shape[0], device=values.device)  # len() would become a constant under the tracer
        return self.projection(self.norm(values)[rows, last])


def build(request: BuildRequest) -> Encoder:
    """Build the text tower of CLIP ViT-B/32."""
    return build_named(request, CLIP, "clip-text")


def build_named(request: BuildRequest, source: str, name: str) -> Encoder:
    """Build the text tower of a CLIP model. Texts are truncated to the model's context, such as 77 tokens."""
    quiet_transformers()
    from transformers import AutoTokenizer, CLIPTextModelWithProjection

    tokenizer = request.weights.load(source, AutoTokenizer.from_pretrained)
    model: Any = request.weights.load(source, strict_from_pretrained(CLIPTextModelWithProjection.from_pretrained))
    require_tokenizer(source, tokenizer, model.config.vocab_size)
    tower = model.text_model
    return Encoder(
        name=name,
        inputs=text_inputs(request, tokenizer, model.config.max_position_embeddings),
        stages=[Embeddings(tower.embeddings), *(TokenBlock(layer, is_causal=True) for layer in tower.encoder.layers)],
        pool=EndOfTextPool(tower.final_layer_norm, model.text_projection),
        out_dim=model.text_projection.out_features,
    )
