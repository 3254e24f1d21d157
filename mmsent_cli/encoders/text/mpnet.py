"""MPNet-base: 12 BERT layers with relative position biases, 768 wide, fine-tuned for sentence similarity.

Source: Song et al. 2020, arXiv 2004.09297; Reimers and Gurevych 2019, arXiv 1908.10084.
"""

import json
import math
from typing import Any

import torch
from torch import Tensor, nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import TextInputs
from mmsent_cli.encoders.stages import (
    Dropout,
    Embeddings,
    LayerMeans,
    MeanPool,
    NoPool,
    TokenBlock,
    WithoutInitialization,
)
from mmsent_cli.encoders.text.minilm import MiniLMLayer
from mmsent_cli.encoders.weights.mpnet_slices import NAME, WEIGHTS_FILE, unpacked
from mmsent_cli.encoders.weights.source import first_line_of, weights_facts
from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.files import FileFacts

FIRST_POSITION = 2
"""The position of the first token has this number, as in RoBERTa."""
N_LAYERS_KEPT = 4
"""Number of last layers whose means `mpnet-layers` concatenates."""
MAX_DISTANCE_TOKENS = 128
"""Distances of this length or more share one bias."""
PARAMETER_NAMES = (
    ("attention.attn.q.", "attention.self.query."),
    ("attention.attn.k.", "attention.self.key."),
    ("attention.attn.v.", "attention.self.value."),
    ("attention.attn.o.", "attention.output.dense."),
    ("attention.LayerNorm.", "attention.output.LayerNorm."),
)
"""Published parameter names, with the names in MiniLM's layers."""


class MPNetEmbeddings(nn.Module):
    """Sum of word and position embedding: token ids [B, T] -> hidden states [B, T, D].

    B texts, T tokens, D values per token.
    """

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
    """MiniLM's layer with an attention bias for each head and each distance between tokens. The biases are not trained.

    Args:
        config: the configuration of the published model.
        distances: the result of `distance_biases`, [heads, number of distances].
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
    """Build MPNet-base: 12 layers, then the mean over the real tokens. It returns 768 features per text."""
    stages, inputs, width, facts = _published(request)
    return Encoder(name="mpnet", inputs=inputs, stages=stages, pool=MeanPool(), out_dim=width, facts=facts)


def build_layers(request: BuildRequest) -> Encoder:
    """Build MPNet-base as one stage. The 3072 features of a text are the means of the last four layers."""
    stages, inputs, width, facts = _published(request)
    kept = range(len(stages) - N_LAYERS_KEPT, len(stages))
    stage, width = LayerMeans(stages, kept), width * len(kept)
    return Encoder(name="mpnet-layers", inputs=inputs, stages=[stage], pool=NoPool(), out_dim=width, facts=facts)


def _published(request: BuildRequest) -> tuple[list[nn.Module], TextInputs, int, FileFacts]:
    """Return the stages with published weights, the text inputs, the number of features, and facts about the file.

    Raises:
        WeightsUnavailable: a file is missing in the packages or in the folder, or is not the published file.
    """
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    folder = request.weights.find_folder(NAME) or unpacked(request.weights.cache)
    facts = weights_facts(request.weights.cache, folder / WEIGHTS_FILE)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        embeddings, layers = load_mpnet(config, load_file(folder / WEIGHTS_FILE))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # safetensors and tokenizers raise classes of their own, the latter plain Exception
        why = f"{type(error).__name__}: {first_line_of(error)}"
        raise WeightsUnavailable(f"{folder} does not hold MPNet-base ({why})", "remove the folder") from error
    length = min(request.max_length_tokens, config["max_position_embeddings"] - FIRST_POSITION)
    inputs = TextInputs(tokenizer, config["pad_token_id"], length, request.cleaning)
    stages = [Embeddings(embeddings), *(TokenBlock(layer) for layer in layers)]
    return stages, inputs, config["hidden_size"], facts


def load_mpnet(config: dict[str, Any], state: dict[str, Tensor]) -> tuple[MPNetEmbeddings, list[MPNetLayer]]:
    """Load embeddings and layers with the published weights, without the unused pooler.

    Raises:
        KeyError: a weight is missing.
        RuntimeError: the weights do not match the layers.
    """
    distances = distance_biases(state["encoder.relative_attention_bias.weight"], config["max_position_embeddings"])
    with WithoutInitialization():
        embeddings = MPNetEmbeddings(config)
        layers = [MPNetLayer(config, distances) for _ in range(config["num_hidden_layers"])]
    embeddings.load_state_dict(_own(state, "embeddings."), assign=True)
    for number, layer in enumerate(layers):
        own = _own(state, f"encoder.layer.{number}.")
        for theirs, ours in PARAMETER_NAMES:
            own = {name.replace(theirs, ours): tensor for name, tensor in own.items()}
        layer.load_state_dict(own | {"distances": distances.clone()}, assign=True)
    return embeddings, layers


def distance_biases(table: Tensor, longest: int) -> Tensor:
    """Return the attention bias for each distance between two tokens.

    Args:
        table: the published biases [buckets, heads]. Half of the buckets are for earlier tokens, and half of them are
            for later tokens. A small distance has its own bucket; large distances share buckets.
        longest: maximum length of a text in tokens.

    Returns:
        Biases [heads, 2 · longest - 1] for the distances from 1 - longest to longest - 1.
    """
    half = len(table) // 2
    distances = torch.arange(1 - longest, longest)
    near = half // 2
    ratio = torch.log(distances.abs().clamp(min=1) / near) / math.log(MAX_DISTANCE_TOKENS / near)
    far = (near + (ratio * (half - near)).long()).clamp(max=half - 1)
    buckets = torch.where(distances.abs() < near, distances.abs(), far) + half * (distances > 0)
    return table[buckets].T.float().contiguous()


def _own(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    own = {name.removeprefix(prefix): tensor.float() for name, tensor in state.items() if name.startswith(prefix)}
    own.pop("position_ids", None)
    return own
