"""Predict pairs with the text or image of another pair. If the model uses a modality, its predictions must change."""

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from mmsent_cli.compute import processes
from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.model import MODALITIES, Batch, SentimentModel

EXCHANGED_PAIRS = 256
"""The comparison ends when at least this number of pairs is predicted. The number is large enough to see whether more
than one prediction in a hundred changes."""


@torch.no_grad()
def exchange_modalities(
    model: SentimentModel, loader: Any, accelerator: Accelerator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predict some pairs with their own text and image, and with the text or image of the next pair in the batch.

    Args:
        model: a trained model.
        loader: the trainer's batches for evaluation.
        accelerator: the accelerator of the training.

    Returns:
        The predicted class numbers [N] of the unchanged pairs. For each modality, the predicted class numbers [N] if
        this modality is exchanged.
    """
    model.eval()
    own: list[torch.Tensor] = []
    exchanged: dict[str, list[torch.Tensor]] = {side: [] for side in MODALITIES}
    batch: Batch
    for batch in loader:
        with accelerator.autocast():
            encoded: dict[str, Encoded] = dict(zip(MODALITIES, model.encode(batch), strict=True))
            own.append(_classes(model, encoded, batch.present))
            for column, side in enumerate(MODALITIES):
                inputs = {**encoded, side: _next_pair(encoded[side])}
                present = batch.present.clone()
                present[:, column] = present[:, column].roll(1)
                exchanged[side].append(_classes(model, inputs, present))
        if sum(map(len, own)) >= EXCHANGED_PAIRS:
            break
    parts = processes.of_all((own, exchanged))
    every = {side: torch.cat([each for _, part in parts for each in part[side]]).numpy() for side in MODALITIES}
    return torch.cat([each for part, _ in parts for each in part]).numpy(), every


def _classes(model: SentimentModel, inputs: dict[str, Encoded], present: torch.Tensor) -> torch.Tensor:
    return model.classify(inputs["text"], inputs["image"], present).main.argmax(dim=1).cpu()


def _next_pair(encoded: Encoded) -> Encoded:
    """Shift the features of a batch by one pair, so that each pair gets the features of its neighbour."""
    if encoded.tokens is None or encoded.mask is None:
        return Encoded(encoded.pooled.roll(1, 0))
    return Encoded(encoded.pooled.roll(1, 0), encoded.tokens.roll(1, 0), encoded.mask.roll(1, 0))
