"""Predict pairs by a trained model with one modality replaced or removed.

Shape letters: N pairs, C classes, D feature width.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import torch
from accelerate.utils import send_to_device
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmsent_cli.compute.device import Compute
from mmsent_cli.encoders.contract import Encoded
from mmsent_cli.features.table import Table
from mmsent_cli.model import MODALITIES, Batch, SentimentModel, replace_feature
from mmsent_cli.training.loop import EVALUATION_BATCH

CLASSIFIER_BATCH = 1024
"""Number of pairs in one forward pass of fusion and head."""
ZERO, MEAN, MISSING = "zero", "mean", "missing"
"""Ways to remove a modality: its feature is replaced by zeros, by the mean feature of the training pairs, or by the
feature that the model has learned for a missing modality."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class Subject(Protocol):
    """A trained model with N pairs. A pair's text or image can be removed, or replaced by that of another pair."""

    def __len__(self) -> int: ...

    def logits(
        self,
        text_rows: np.ndarray | None = None,
        image_rows: np.ndarray | None = None,
        removed: Mapping[str, str] = NOTHING,
    ) -> np.ndarray:
        """Compute the logits [M, C] of M pairs; see `EncodedModel.logits`."""
        ...


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one modality of N pairs: pooled features [N, D], and the tokens of each pair or None."""

    pooled: Tensor
    tokens: tuple[Tensor, ...] | None

    def take(self, rows: Sequence[int] | np.ndarray) -> Encoded:
        """Return the features of some pairs. Their tokens are padded to the length of the longest sequence."""
        index = torch.as_tensor(rows, device=self.pooled.device)
        if self.tokens is None:
            return Encoded(self.pooled[index])
        chosen = [self.tokens[row] for row in rows]
        mask = pad_sequence([part.new_ones(len(part), dtype=torch.bool) for part in chosen], batch_first=True)
        return Encoded(self.pooled[index], pad_sequence(chosen, batch_first=True), mask)


class EncodedModel:
    """A trained model with encoded pairs, whose features can be replaced, exchanged between pairs, or removed.

    Args:
        model: the trained model.
        table: the table of all pairs.
        rows: row numbers of N pairs.
        compute: device and precision.
        keeps_tokens: True if the fusion reads tokens. Otherwise tokens are discarded, which saves memory.
        means: for each modality, the mean feature [D] of the training pairs. It is used to remove a modality by `MEAN`.

    Attributes:
        text, image: features of the N pairs.
        present: [N, 2] bool, True if a pair has a text and an image.
    """

    def __init__(
        self,
        model: SentimentModel,
        table: Table,
        rows: Sequence[int],
        compute: Compute,
        keeps_tokens: bool,
        means: Mapping[str, Tensor],
    ) -> None:
        self.model = model
        self.compute = compute
        self.means = means
        texts, images, present = [], [], []
        for text, image, is_there in encode_rows(model, table, rows, compute):
            texts.append(text if keeps_tokens else Encoded(text.pooled))
            images.append(image if keeps_tokens else Encoded(image.pooled))
            present.append(is_there)
        self.text, self.image, self.present = _features(texts), _features(images), torch.cat(present)

    def __len__(self) -> int:
        return len(self.present)

    def logits(
        self,
        text_rows: np.ndarray | None = None,
        image_rows: np.ndarray | None = None,
        removed: Mapping[str, str] = NOTHING,
    ) -> np.ndarray:
        """Compute the logits [M, C] of M pairs, which may combine texts and images of different pairs.

        Args:
            text_rows: numbers of the pairs [M] that the texts come from; None uses all N pairs in order.
            image_rows: numbers of the pairs [M] that the images come from; None uses all N pairs in order.
            removed: a dictionary from each modality that is removed from every pair to its replacement: ZERO, MEAN or
                MISSING.
        """
        texts = np.arange(len(self)) if text_rows is None else text_rows
        images = np.arange(len(self)) if image_rows is None else image_rows
        parts = [slice(start, start + CLASSIFIER_BATCH) for start in range(0, len(texts), CLASSIFIER_BATCH)]
        return np.concatenate([self._classify(texts[part], images[part], removed) for part in parts])

    @torch.inference_mode()
    def _classify(self, texts: np.ndarray, images: np.ndarray, removed: Mapping[str, str]) -> np.ndarray:
        inputs = {"text": self.text.take(texts), "image": self.image.take(images)}
        present = torch.stack([self.present[texts, 0], self.present[images, 1]], dim=1)
        for column, modality in enumerate(MODALITIES):
            if removed.get(modality) in (ZERO, MEAN):
                feature = self.means[modality] * (removed[modality] == MEAN)
                nowhere = torch.zeros_like(present[:, column])
                inputs[modality] = replace_feature(inputs[modality], nowhere, feature)
            if modality in removed:
                present[:, column] = removed[modality] != MISSING
        with self.compute.autocast():
            return self.model.classify(inputs["text"], inputs["image"], present).main.float().cpu().numpy()


@torch.inference_mode()
def encode_rows(
    model: SentimentModel, table: Table, rows: Sequence[int], compute: Compute
) -> Iterator[tuple[Encoded, Encoded, Tensor]]:
    """Encode pairs batch by batch.

    Yields:
        For a batch of B pairs: the text features, the image features, and the presence of text and image (bool [B, 2]).
    """
    model.to(compute.device).eval()
    for rows_batch in table.batches(rows, EVALUATION_BATCH):
        moved: Any = send_to_device(rows_batch, compute.device)
        batch: Batch = moved
        with compute.autocast():
            yield *model.encode(batch), batch.present


@dataclass(frozen=True, slots=True)
class Encoding:
    """The settings with which pairs are encoded for a model.

    Attributes:
        table: the table of all pairs.
        compute: device and precision.
        keeps_tokens: True if the fusion reads tokens.
    """

    table: Table
    compute: Compute
    keeps_tokens: bool

    def of(self, model: SentimentModel, rows: Sequence[int], train: Sequence[int]) -> EncodedModel:
        """Encode the pairs of some rows, and compute the mean features of the training rows."""
        means = mean_features(model, self.table, train, self.compute)
        return EncodedModel(model, self.table, rows, self.compute, self.keeps_tokens, means)


def mean_features(model: SentimentModel, table: Table, rows: Sequence[int], compute: Compute) -> dict[str, Tensor]:
    """Return the mean pooled feature [D] of each modality. Only pairs that have the modality are used for the mean."""
    sums: dict[str, Any] = dict.fromkeys(MODALITIES, 0.0)
    counts: dict[str, Any] = dict.fromkeys(MODALITIES, 0)
    for *both, present in encode_rows(model, table, rows, compute):
        for modality, encoded, is_present in zip(MODALITIES, both, present.unbind(dim=1), strict=True):
            sums[modality] = sums[modality] + encoded.pooled[is_present].double().sum(dim=0)
            counts[modality] = counts[modality] + is_present.sum()
    return {modality: (sums[modality] / counts[modality]).float() for modality in MODALITIES}


def another_pair(count: int, seed: int) -> np.ndarray:
    """Return the number of another pair for each of `count` pairs. Each number occurs once."""
    order = np.random.default_rng(seed).permutation(count)
    others = np.empty(count, dtype=np.int64)
    others[order] = np.roll(order, 1)
    return others


def additive_part(encoded: Subject, rows: np.ndarray) -> np.ndarray:
    """Compute the logits [M, C] of the model without the interaction of text and image (EMAP).

    Every text is combined with every image. Then three means are computed for each pair: over the combinations of its
    text with all images, over the combinations of its image with all texts, and over all combinations. The result is
    the first mean plus the second mean, minus the third mean. Source: Hessel and Lee 2020, arXiv 2010.06572.

    Args:
        encoded: the model with its pairs.
        rows: numbers of M pairs. M x M combinations are computed.
    """
    by_text, by_image = [], 0.0
    for row in rows:
        logits = encoded.logits(np.full(len(rows), row), rows)  # [M, C], one text with every image
        by_text.append(logits.mean(axis=0))
        by_image = by_image + logits / len(rows)
    of_texts = np.stack(by_text)
    return of_texts + by_image - of_texts.mean(axis=0)


def _features(parts: Sequence[Encoded]) -> Features:
    tokens = [
        row[mask]
        for part in parts
        if part.tokens is not None and part.mask is not None
        for row, mask in zip(part.tokens, part.mask, strict=True)
    ]
    return Features(torch.cat([part.pooled for part in parts]), tuple(tokens) or None)
