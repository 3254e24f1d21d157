"""Build the tables of a data set: the encoded pairs from which training batches are made.

A table has one column for the texts and one for the images. Each pair is encoded once. Models whose encoders have the
same features share a column."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.compute.device import Compute
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.data.pairs import Dataset
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.errors import DataError
from mmsent_cli.features.column import Column, SkippedModality, describe_features, text_key, text_keys
from mmsent_cli.features.store import disk_full_as_error
from mmsent_cli.features.table import Table
from mmsent_cli.model import SentimentModel
from mmsent_cli.progress import Progress

UNKNOWN_SHARE = 0.01
"""If the share of unknown tokens is at least this large, a note reports it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Row numbers of a training run, in the order of the data set.

    Attributes:
        train, val: row numbers of the training pairs, and of the validation pairs.
        views: row numbers of the pairs whose images need augmented copies (views).
    """

    train: tuple[int, ...]
    val: tuple[int, ...]
    views: Sequence[int]


class TableBuilder:
    """Builds tables of a data set, and fills the feature store.

    Args:
        dataset: all pairs.
        store: folder of the feature store.
        compute: device and precision of the stored stages.
        encoded: a function that is called when features have been stored.

    Attributes:
        targets: class number of each pair [N].
        encoder_runs: the numbers of texts and images encoded so far, without those found in the feature store.
        damaged: the number of damaged entries of the feature store that `frozen_column` found. Entries that `table`
            found are counted by its columns.
    """

    def __init__(self, dataset: Dataset, store: Path, compute: Compute, encoded: Callable[[], None]) -> None:
        self.dataset = dataset
        self.store = store
        self.compute = compute
        self.encoded = encoded
        self.encoder_runs: Counter[str] = Counter(text=0, image=0)
        self.damaged = 0
        numbers = {label: number for number, label in enumerate(dataset.labels)}
        self.targets = np.array([numbers[pair.tag or ""] for pair in dataset.pairs], dtype=np.int64)
        self._texts = [pair.text or "" for pair in dataset.pairs]
        self._images = [pair.image for pair in dataset.pairs]
        self._keys = {"text": text_keys(dataset.pairs), "image": [pair.image_digest for pair in dataset.pairs]}
        self._columns: dict[tuple[object, ...], Column] = {}
        self._encoders: dict[tuple[str, str], Encoder] = {}
        self._lengths: list[int] | None = None
        self._unknown, self._text_encoder = 0.0, ""
        self._refusals: list[str] = []

    def examine(self, model: SentimentModel) -> list[int]:
        """Collect facts about a model's encoders, which `notes` reports. The model may be trained in another process.

        Returns:
            The number of tokens of each text, counted for the first model. All models of a data set use these numbers.
        """
        if self._lengths is None:
            ids = model.text.inputs.arrays(self._texts)
            self._lengths = list(map(len, ids))
            self._unknown, self._text_encoder = model.text.inputs.unknown_share(ids), model.text.name
        for side in model.modalities:
            encoder = model.text if side == "text" else model.image
            self._encoders.setdefault((side, encoder.name), encoder)
        return self._lengths

    def table(self, model: SentimentModel, augmentation: Augmentation | None, rows: Rows, progress: Progress) -> Table:
        """Encode all pairs for a model. Stored features are reused.

        Raises:
            MmsentError: no pair has a text, no pair has an image, or the disk is full.
        """
        lengths = self.examine(model)
        columns: dict[str, Column | SkippedModality] = {
            side: SkippedModality(keys) for side, keys in self._keys.items()
        }
        if "text" in model.modalities:
            columns["text"] = self._column("text", model.text, None, rows, progress)
        if "image" in model.modalities:
            columns["image"] = self._column("image", model.image, augmentation, rows, progress)
        val = tuple(sorted(rows.val, key=lengths.__getitem__))
        return Table(columns["text"], columns["image"], lengths, self.targets, rows.train, val)

    def frozen_column(self, encoder: Encoder, progress: Progress, texts: Sequence[str | None] | None = None) -> Column:
        """Encode every text or every image with a frozen encoder. The column is returned and not kept here.

        Args:
            encoder: a frozen encoder of texts or images.
            progress: receives the number of encoded texts or images.
            texts: texts to encode instead of the texts of the pairs; None for a pair without text.

        Raises:
            MmsentError: no pair has a text, no pair has an image, or the disk is full.
        """
        side = "image" if isinstance(encoder.inputs, ImageInputs) else "text"
        self._require_any(side)
        keys = self._keys[side] if texts is None else [text_key(text) for text in texts]
        column = Column(encoder, keys, self.store, self.compute)
        with disk_full_as_error(self.store):
            self.encoder_runs[side] += column.fill(texts or self._sources(side), (), progress)
        self.damaged += column.damaged
        self._refusals += self.compute.refusals(encoder)
        return column

    def notes(self) -> list[str]:
        """Return notes on damaged store entries, unknown tokens, and encoders that OpenVINO cannot run."""
        damaged = self.damaged + sum(column.damaged for column in self._columns.values())
        notes = [f"feature store: {damaged} damaged entries were found and computed again"] if damaged else []
        if self._unknown >= UNKNOWN_SHARE:
            notes.append(f"{100 * self._unknown:.1f} % of all tokens are unknown to {self._text_encoder}")
        return [*notes, *self.compute.refusals(*self._encoders.values()), *self._refusals]

    def _column(
        self, side: str, encoder: Encoder, augmentation: Augmentation | None, rows: Rows, progress: Progress
    ) -> Column:
        """Return the column for an encoder's stored stages. The column is filled once, and all models share it."""
        described = json.dumps(describe_features(encoder, self.compute), sort_keys=True)
        identity = (side, described, augmentation)
        if identity not in self._columns:
            self._require_any(side)
            column = Column(encoder, self._keys[side], self.store, self.compute, augmentation)
            with disk_full_as_error(self.store):
                self.encoder_runs[side] += column.fill(self._sources(side), rows.views, progress)
            self.encoded()
            self._columns[identity] = column
        return self._columns[identity]

    def _sources(self, side: str) -> Sequence[Any]:
        """Return the texts or the images of all pairs."""
        return self._texts if side == "text" else self._images

    def _require_any(self, side: str) -> None:
        """Check that at least one pair has this modality."""
        if not any(self._keys[side]):
            source = self.dataset.source
            raise DataError(f"no pair of {source} has a usable {side}", f"add pairs with a usable {side}")
