"""`light`: word embedding + bidirectional GRU, trained from scratch; needs no download.

Source: the small model of a published student project with CLIP; widths, vocabulary and pooling are the same.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import TextInputs, word_tokenizer
from mmsent_cli.encoders.stages import Plain, masked_mean

EMBEDDING_DIM = 192
GRU_DIM = 192
FEATURE_DIM = 256
MAX_WORDS = 30_000
MIN_COUNT = 2
DROPOUT = 0.25
EMBEDDING_DROPOUT = 0.5
"""Dropout after the embedding. Without it, the encoder overfits a few thousand tweets within three epochs."""


class GruStage(nn.Module):
    """Bidirectional GRU over embeddings [B, T, D] (B texts, T tokens, D values). Packing excludes the padding.

    The output is the states, concatenated with the embeddings, which do not depend on the order of the words. With a
    few thousand training tweets, the words matter more than their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(EMBEDDING_DIM, GRU_DIM, batch_first=True, bidirectional=True)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return torch.cat([_onnx_gru(self.gru, values), values], dim=-1)
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = self.gru(packed)
        states = pad_packed_sequence(hidden, batch_first=True, total_length=values.shape[1])[0]
        return torch.cat([states, values], dim=-1)  # [B, T, 2 * GRU_DIM + EMBEDDING_DIM]


def _onnx_gru(gru: nn.GRU, values: Tensor) -> Tensor:
    """Compute the states of a bidirectional GRU for one text [1, T, D] (T tokens, D values) with ONNX's own operator.

    torch.export would unroll a GRU to a fixed number of steps. ONNX's operator accepts any number of steps.
    """
    width = gru.hidden_size

    def gates(name: str) -> Tensor:
        """Return the weights of both directions in ONNX's order of gates: update, reset, new."""
        both = [getattr(gru, f"{name}_l0{direction}") for direction in ("", "_reverse")]
        return torch.stack([torch.cat([w[width : 2 * width], w[:width], w[2 * width :]]) for w in both])

    inputs = (
        values.transpose(0, 1),
        gates("weight_ih"),
        gates("weight_hh"),
        torch.cat([gates("bias_ih"), gates("bias_hh")], dim=1),
    )
    states = torch.onnx.ops.symbolic(
        "GRU",
        inputs,
        {"hidden_size": width, "direction": "bidirectional", "linear_before_reset": 1},
        dtype=values.dtype,
        shape=(values.shape[1], 2, 1, width),
    )
    return states.permute(2, 0, 1, 3).flatten(2)  # [T, 2, 1, H] -> [1, T, 2 * H]


class MeanProjection(nn.Module):
    """Take the mean over the real tokens, then apply a linear layer, ReLU and dropout.

    B texts of T tokens, [B, T, 2 * GRU_DIM + EMBEDDING_DIM] -> [B, FEATURE_DIM].
    """

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(2 * GRU_DIM + EMBEDDING_DIM, FEATURE_DIM), nn.ReLU(), nn.Dropout(DROPOUT)
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        return self.project(masked_mean(values, mask))


def build(request: BuildRequest) -> Encoder:
    """Build the GRU encoder for the vocabulary in `request`. It returns 256 features per text."""
    vocabulary = request.vocabulary or ()
    inputs = TextInputs(word_tokenizer(vocabulary), 0, request.max_length_tokens, request.cleaning)
    embedding = nn.Embedding(len(vocabulary) + 2, EMBEDDING_DIM, padding_idx=0)
    stages = [Plain(embedding, nn.Dropout(EMBEDDING_DROPOUT)), GruStage()]
    return Encoder(name="light-text", inputs=inputs, stages=stages, pool=MeanProjection(), out_dim=FEATURE_DIM)
