"""BERT-base, and code that all Hugging Face text encoders share.

In BERT and similar models, each layer is a stage. A model whose layers need more than hidden states and a mask
(relative positions, shared layers) is a single stage: it is frozen completely or not at all.
"""

from typing import Any

from torch import Tensor, nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import TextInputs
from mmsent_cli.encoders.stages import ClsPool, Embeddings, TokenBlock
from mmsent_cli.encoders.weights.source import INCOMPLETE_HINT, quiet_transformers, strict_from_pretrained
from mmsent_cli.errors import WeightsUnavailable

BERT = "bert-base-uncased"
LAYERED = {
    "bert": "encoder",
    "roberta": "encoder",
    "xlm-roberta": "encoder",
    "camembert": "encoder",
    "distilbert": "transformer",
}
"""For each type of model whose layers take hidden states and a mask, the name of the attribute that has the layers."""

RESERVES_POSITIONS = ("roberta", "xlm-roberta", "camembert")
"""Model types that number positions from the id of the padding token."""


class WholeModel(nn.Module):
    """A text model as a single stage: token ids [B, T] of B texts with T tokens -> last hidden states [B, T, D]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.model.pooler = None  # unused; a pooler would get no gradient

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        return self.model(input_ids=values, attention_mask=mask.long()).last_hidden_state


def build(request: BuildRequest) -> Encoder:
    """Build BERT-base. The features are the 768 values of the [CLS] token in the last layer."""
    return build_named(request, BERT, "bert", ClsPool())


def build_named(request: BuildRequest, source: str, name: str, pool: nn.Module) -> Encoder:
    """Load a text encoder and its tokenizer from a folder, the cache or the hub, and divide it into stages."""
    stages, inputs, width = load_stages(request, source)
    return Encoder(name=name, inputs=inputs, stages=stages, pool=pool, out_dim=width)


def load_stages(request: BuildRequest, source: str) -> tuple[list[nn.Module], TextInputs, int]:
    """Load a text encoder. Return its stages, its `TextInputs`, and its number of features."""
    quiet_transformers()
    from transformers import AutoModel, AutoTokenizer

    tokenizer = request.weights.load(source, AutoTokenizer.from_pretrained)
    model: Any = request.weights.load(source, strict_from_pretrained(AutoModel.from_pretrained))
    positions = getattr(model.config, "max_position_embeddings", None) or request.max_length_tokens
    if model.config.model_type in RESERVES_POSITIONS:
        positions -= model.config.pad_token_id + 1
    require_tokenizer(source, tokenizer, model.config.vocab_size)
    return text_stages(model), text_inputs(request, tokenizer, positions), model.config.hidden_size


def require_tokenizer(source: str, tokenizer: Any, vocabulary: int) -> None:
    """Check that the files of the tokenizer were found. Without them, transformers returns only special tokens.

    Raises:
        WeightsUnavailable: the tokenizer contains less than half of the model's vocabulary.
    """
    if len(tokenizer) < vocabulary / 2:
        raise WeightsUnavailable(
            f"the tokenizer of {source} has only {len(tokenizer):,} of {vocabulary:,} tokens: its files are missing",
            INCOMPLETE_HINT,
        )


def text_stages(model: Any) -> list[nn.Module]:
    """Return the embeddings and layers of a model like BERT as stages, or the whole model as one stage."""
    holder = LAYERED.get(model.config.model_type)
    if holder is None:
        return [WholeModel(model)]
    return [Embeddings(model.embeddings), *(TokenBlock(layer) for layer in getattr(model, holder).layer)]


def text_inputs(request: BuildRequest, tokenizer: Any, positions: int) -> TextInputs:
    """Make the text inputs from a Hugging Face tokenizer. Texts longer than the encoder's context are truncated.

    Raises:
        WeightsUnavailable: the model has no fast tokenizer.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise WeightsUnavailable(
            f"{type(tokenizer).__name__} has no fast form (tokenizer.json)",
            "load it with transformers.AutoTokenizer, and save it with save_pretrained, which writes tokenizer.json",
        )
    length = min(request.max_length_tokens, positions, tokenizer.model_max_length)
    return TextInputs(tokenizer.backend_tokenizer, tokenizer.pad_token_id or 0, length, request.cleaning)
