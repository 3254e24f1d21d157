"""The reference: a training loop as the published course systems have it.

The networks are the same as mmsent's, the way of working is theirs: each image is decoded in each epoch, each text
padded to 128 tokens, everything is fp32, frozen layers are computed again for each batch, one model at a time.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.tables import PairCost
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.contract import Activations, Encoder

PADDED_TOKENS = 128
BATCH = 16
WARM_UP = 1
"""Batches before the clock starts."""


class PlainLoop:
    """One model in training: both encoders, concatenation, a head of two layers.

    Args:
        text, image: encoders, frozen as the experiment has them.
        classes: number of labels.
    """

    def __init__(self, text: Encoder, image: Encoder, classes: int = 3) -> None:
        self.text, self.image = text.train(), image.train()
        self.head = nn.Sequential(
            nn.Linear(text.out_dim + image.out_dim, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, classes)
        )
        modules = nn.ModuleList([text, image, self.head])
        self.optimizer = torch.optim.AdamW([p for p in modules.parameters() if p.requires_grad], lr=1e-4)

    def encode(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Features from raw texts and files."""
        pixels = np.stack([self.decode(pair) for pair in pairs])
        ids, mask = self.tokens(pairs)
        text = self.text.encode(Activations(ids, mask)).pooled
        return text, self.image.encode(Activations(torch.from_numpy(pixels))).pooled

    def train_batch(self, pairs: Sequence[Pair], targets: Tensor) -> None:
        """A step."""
        loss = functional.cross_entropy(self.head(torch.cat(self.encode(pairs), dim=1)), targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def validate_batch(self, pairs: Sequence[Pair]) -> None:
        """A forward pass."""
        self.head(torch.cat(self.encode(pairs), dim=1))

    def decode(self, pair: Pair) -> np.ndarray:
        """Pixels [3, H, W] of a pair's image."""
        side = self.image.inputs.image_size_px
        if not isinstance(pair.image, Path):
            raise ValueError(f"pair {pair.guid} has no image file: measure on complete pairs")
        with Image.open(pair.image) as image:
            return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)).transpose(2, 0, 1)

    def tokens(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Ids and mask, both [B, 128]."""
        arrays = self.text.inputs.arrays([pair.text or "" for pair in pairs])
        ids = torch.full((len(pairs), PADDED_TOKENS), self.text.inputs.pad_id)
        for row, array in enumerate(arrays):
            ids[row, : len(array)] = torch.from_numpy(array)
        lengths = torch.tensor([len(array) for array in arrays])
        return ids, torch.arange(PADDED_TOKENS) < lengths.unsqueeze(1)


def measure(loop: PlainLoop, pairs: Sequence[Pair], batches: int = 6) -> PairCost:
    """Seconds a pair, over some batches of training and as many of validation."""
    parts = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]
    chosen = [part for part in parts if len(part) == BATCH][: batches + WARM_UP]
    targets = torch.arange(BATCH) % 3
    costs = []
    for work in (lambda part: loop.train_batch(part, targets), loop.validate_batch):
        for part in chosen[:WARM_UP]:
            work(part)
        start = time.perf_counter()
        for part in chosen[WARM_UP:]:
            work(part)
        costs.append((time.perf_counter() - start) / (BATCH * len(chosen[WARM_UP:])))
    return PairCost(*costs)
