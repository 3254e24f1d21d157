"""`light`: embedding + BiGRU and a 4-layer CNN, trained from scratch; needs no download.

Source: system B's light fallback (widths, vocabulary rule and pooling as published there).
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.inputs import ImageInputs, TextInputs, word_tokenizer
from mmsent_cli.encoders.request import BuildRequest
from mmsent_cli.encoders.stages import Normalise, Plain, masked_mean

EMBEDDING_DIM = 192
GRU_DIM = 192
FEATURE_DIM = 256
CHANNELS = (32, 64, 128, 256)
MAX_WORDS = 30_000
MIN_COUNT = 2
DROPOUT = 0.25
EMBEDDING_DROPOUT = 0.5
"""Not in system B, whose encoder learns a few thousand tweets by heart within three epochs."""
NATIVE_SIZE_PX = 224


class GruStage(nn.Module):
    """Bidirectional GRU over embeddings [B, T, D]; packed, so that padding never reaches it.

    The embeddings themselves go on beside its states: in a few thousand tweets the words carry most of what can be
    learned, and their order little.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(EMBEDDING_DIM, GRU_DIM, batch_first=True, bidirectional=True)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = self.gru(packed)
        states = pad_packed_sequence(hidden, batch_first=True, total_length=values.shape[1])[0]
        return torch.cat([states, values], dim=-1)  # [B, T, 2 * GRU_DIM + EMBEDDING_DIM]


class MeanProjection(nn.Module):
    """Masked mean, then Linear, ReLU and dropout: [B, T, 2 * GRU_DIM + EMBEDDING_DIM] -> [B, FEATURE_DIM]."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(2 * GRU_DIM + EMBEDDING_DIM, FEATURE_DIM), nn.ReLU(), nn.Dropout(DROPOUT)
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        return self.project(masked_mean(values, mask))


def build_text(request: BuildRequest) -> Encoder:
    """The GRU text encoder over the request's vocabulary."""
    vocabulary = request.vocabulary or ()
    inputs = TextInputs(word_tokenizer(vocabulary), 0, request.max_length_tokens, request.cleaning)
    embedding = nn.Embedding(len(vocabulary) + 2, EMBEDDING_DIM, padding_idx=0)
    stages = [Plain(embedding, nn.Dropout(EMBEDDING_DROPOUT)), GruStage()]
    return Encoder(name="light-text", inputs=inputs, stages=stages, pool=MeanProjection(), out_dim=FEATURE_DIM)


def build_image(request: BuildRequest) -> Encoder:
    """The 4-layer CNN image encoder."""
    stages: list[nn.Module] = []
    for index, width in enumerate(CHANNELS):
        before = (Normalise((0.5,) * 3, (0.5,) * 3),) if index == 0 else ()
        conv = nn.Conv2d(3 if index == 0 else CHANNELS[index - 1], width, kernel_size=3, stride=2, padding=1)
        stages.append(Plain(*before, conv, nn.BatchNorm2d(width), nn.ReLU()))
    pool = Plain(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS[-1], FEATURE_DIM))
    inputs = ImageInputs(request.image_size_px or NATIVE_SIZE_PX)
    return Encoder(name="light-image", inputs=inputs, stages=stages, pool=pool, out_dim=FEATURE_DIM)
