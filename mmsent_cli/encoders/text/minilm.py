"""MiniLM-L6: the BERT architecture in the form of its published weights, whose names the modules keep.

Chosen: these few modules, since importing the architecture from transformers takes a prediction of one pair longer
than all the rest of it. A test holds them to the original, value by value.
Source: Devlin et al. 2018, arXiv 1810.04805; Wang et al. 2020, arXiv 2002.10957.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmsent_cli.encoders.fast_cpu_dropout import Dropout


class MiniLMEmbeddings(nn.Module):
    """Token ids [B, T] to hidden states [B, T, D]: the sum of word, position and segment, all of segment 0."""

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
    """Attention and feed-forward over hidden states [B, T, D], each with its residual and norm."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config["hidden_size"], config["intermediate_size"])})
        self.output = Residual(config["intermediate_size"], config)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        values = self.attention(values, mask)
        return self.output(functional.gelu(self.intermediate["dense"](values)), values)


class Attention(nn.Module):
    """Multi-head self-attention; mask is additive, [B, 1, 1, T]."""

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
        """Attention with dropout [B, heads, T, D / heads]: PyTorch's own has no fast way for it on a CPU."""
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # [B, heads, T, T]
        weights = (scores if mask is None else scores + mask.to(scores.dtype)).softmax(dim=-1)
        return self.dropout(weights) @ value


class Residual(nn.Module):
    """A projection back to the hidden width, added to what came before, and normed."""

    def __init__(self, in_dim: int, config: dict[str, Any]) -> None:
        super().__init__()
        self.dense = nn.Linear(in_dim, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.dropout = Dropout(config["hidden_dropout_prob"])

    def forward(self, values: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(values)) + before)


def load_minilm(config: dict[str, Any], state: dict[str, Tensor]) -> tuple[MiniLMEmbeddings, list[MiniLMLayer]]:
    """Embeddings and layers with the published weights; the pooler's, which nothing here reads, are left out.

    Raises:
        RuntimeError: the weights do not fit.
    """
    embeddings = MiniLMEmbeddings(config)
    layers = [MiniLMLayer(config) for _ in range(config["num_hidden_layers"])]
    for module, prefix in [
        (embeddings, "embeddings."),
        *((layer, f"encoder.layer.{n}.") for n, layer in enumerate(layers)),
    ]:
        own = {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}
        own.pop("position_ids", None)
        module.load_state_dict(own)
    return embeddings, layers
