"""What the models of one plan share: pretrained encoders that are read once, and pairs that are encoded once."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.compute.device import make_accelerator
from mmsent_cli.config import ResolvedConfig, ResolvedFit, ResolvedModel
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.data.split import Split, apply_split
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.ensemble import pool
from mmsent_cli.errors import DataError
from mmsent_cli.features.column import Column, SkippedModality, describe_features, text_keys
from mmsent_cli.features.table import Table
from mmsent_cli.files import NO_SPACE, cannot_write
from mmsent_cli.model import SentimentModel
from mmsent_cli.progress import Progress, silent
from mmsent_cli.training.loop import Trainer
from mmsent_cli.training.model_factory import ModelFactory
from mmsent_cli.training.plan import Plan

FEATURE_BATCH = 256


class Workspace:
    """Makes the models of one plan and the tables they train on.

    Pretrained encoders are read once; a model gets a copy of what it trains and shares what is frozen. Equal features
    are one column. So ten fusions with three seeds cost one pass over the encoders.

    Args:
        plan: what all models have in common.
        progress: receives how many texts and images are encoded.
        encoded: called whenever the texts or images of a table are in the feature store.

    Attributes:
        vocabulary: words of the training split, for a text encoder that starts from scratch.
        encoder_runs: texts and images encoded so far; what the feature store held is not counted.
        damaged: entries of the feature store (columns count their own) that had to be computed again.
        train, val: rows of each split, in the order of the data set.
        targets: class number of each row [N].
    """

    def __init__(self, plan: Plan, progress: Progress = silent, encoded: Callable[[], None] = lambda: None) -> None:
        self.plan = plan
        self.progress = progress
        self.encoded = encoded
        self.models = ModelFactory(plan)
        self.vocabulary = self.models.vocabulary
        self.encoder_runs: Counter[str] = Counter(text=0, image=0)
        self.damaged = 0
        self._refusals: list[str] = []
        self.use_split(plan.split)
        pairs = plan.dataset.pairs
        numbers = {label: number for number, label in enumerate(plan.dataset.labels)}
        self.targets = np.array([numbers[pair.tag or ""] for pair in pairs], dtype=np.int64)
        self._columns: dict[tuple[object, ...], Column] = {}
        self._lengths: list[int] | None = None

    def use_split(self, split: Split) -> None:
        """Use another split of the same pairs; features and encoders are kept."""
        pairs = self.plan.dataset.pairs
        rows = {pair.guid: row for row, pair in enumerate(pairs)}
        self.train, self.val = (tuple(sorted(rows[p.guid] for p in side)) for side in apply_split(split, pairs))

    def trainer(self, config: ResolvedConfig) -> tuple[SentimentModel, Table, Trainer]:
        """A model as its seed begins it, its table, and a trainer that has not begun.

        Accelerate keeps one state per process: train one model to its end before asking for the next.

        Raises:
            MmsentError: no pair has a text, or none has an image; or there is no room for the features.
        """
        model = self.model(config.model, config.fit.seed)
        table = self.table(model, config.fit)
        accelerator = make_accelerator(self.plan.compute, config.fit.accumulation_steps)
        weight = config.model.auxiliary_weight
        labels, workers = self.plan.dataset.labels, config.runtime.workers
        return model, table, Trainer(model, table, labels, config.fit, weight, accelerator, workers)

    def model(self, config: ResolvedModel, seed: int) -> SentimentModel:
        """A model before its first step; see `ModelFactory.model`."""
        return self.models.model(config, seed)

    def table(self, model: SentimentModel, fit: ResolvedFit) -> Table:
        """The pairs as this model's encoders take them; computes what the feature store lacks."""
        pairs = self.plan.dataset.pairs
        texts, images = [pair.text or "" for pair in pairs], [pair.image for pair in pairs]
        keys = {"text": text_keys(pairs), "image": [pair.image_digest for pair in pairs]}
        if self._lengths is None:
            self._lengths = [len(ids) for ids in model.text.inputs.arrays(texts)]
        lengths = self._lengths
        columns: dict[str, Column | SkippedModality] = {side: SkippedModality(keys[side]) for side in keys}
        if "text" in model.modalities:
            columns["text"] = self._column("text", model.text, keys["text"], texts, None)
        if "image" in model.modalities:
            columns["image"] = self._column("image", model.image, keys["image"], images, Augmentation.of(fit))
        val = tuple(sorted(self.val, key=lengths.__getitem__))
        return Table(columns["text"], columns["image"], lengths, self.targets, self.train, val)

    def features(self, encoder: Encoder) -> np.ndarray:
        """Features float32 [N, D] of every text by a frozen encoder, which is not kept."""
        pairs = self.plan.dataset.pairs
        column = Column(encoder, text_keys(pairs), self.plan.store, self.plan.compute)
        with disk_full_as_error(self.plan.store):
            filled = column.fill([pair.text or "" for pair in pairs], (), self.progress)
        features = np.concatenate([pool(encoder, batch) for batch in column.batches(FEATURE_BATCH)])
        self.encoder_runs["text"] += filled
        self.damaged += column.damaged
        self._refusals += self.plan.compute.refusals(encoder)
        return features

    def notes(self) -> list[str]:
        """Notes for the user on damaged store entries, and on encoders that OpenVINO cannot run."""
        columns = self._columns.values()
        damaged = self.damaged + sum(column.damaged for column in columns)
        notes = [f"feature store: {damaged} damaged entries were found and computed again"] if damaged else []
        return [*notes, *self.plan.compute.refusals(*(column.encoder for column in columns)), *self._refusals]

    def _column(
        self, side: str, encoder: Encoder, keys: list[str], sources: Sequence[Any], augmentation: Augmentation | None
    ) -> Column:
        """The column of an encoder's stored stages, filled once for all models that share it."""
        described = json.dumps(describe_features(encoder, self.plan.compute), sort_keys=True)
        identity = (side, described, augmentation)
        if identity not in self._columns:
            if not any(keys):
                source = self.plan.dataset.source
                raise DataError(f"no pair of {source} has a usable {side}", "mmsent needs both modalities to train")
            column = Column(encoder, keys, self.plan.store, self.plan.compute, augmentation)
            with disk_full_as_error(self.plan.store):
                self.encoder_runs[side] += column.fill(sources, self._viewed(), self.progress)
            self.encoded()
            self._columns[identity] = column
        return self._columns[identity]

    def _viewed(self) -> Sequence[int]:
        """Rows whose augmented views are needed: over folds, each pair is a training pair of some model."""
        return range(len(self.targets)) if self.plan.folds else self.train


@contextmanager
def disk_full_as_error(store: Path) -> Iterator[None]:
    """Report a disk that is full while the feature store is written as an expected failure."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise cannot_write(store, error) from error
