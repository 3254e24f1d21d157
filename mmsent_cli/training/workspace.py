"""Build the models of a plan and encode its pairs. Pretrained encoders are loaded once, and pairs are encoded once."""

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
    """Builds the models of a plan and the tables to train them on.

    Models share frozen stages and features. So ten fusions with three seeds need one pass over the encoders.

    Args:
        plan: pairs and settings of all models.
        progress: receives the number of encoded texts and images.
        encoded: a function that is called when features have been stored.

    Attributes:
        vocabulary: words of the training split, for a text encoder that is trained from scratch.
        encoder_runs: the numbers of texts and images encoded so far, without those found in the feature store.
        damaged: the number of damaged entries of the feature store, without those counted by columns.
        train, val: row numbers of each split, in the order of the data set.
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
        """Use another split of the same pairs. Features and encoders are kept."""
        pairs = self.plan.dataset.pairs
        rows = {pair.guid: row for row, pair in enumerate(pairs)}
        self.train, self.val = (tuple(sorted(rows[p.guid] for p in side)) for side in apply_split(split, pairs))

    def trainer(self, config: ResolvedConfig) -> tuple[SentimentModel, Table, Trainer]:
        """Make an initial model, its table, and its trainer.

        Train each model to its end before making the next, since Accelerate has one state per process.

        Raises:
            MmsentError: no pair has a text, no pair has an image, or the disk is full.
        """
        model = self.model(config.model, config.fit.seed)
        table = self.table(model, config.fit)
        accelerator = make_accelerator(self.plan.compute, config.fit.accumulation_steps)
        weight = config.model.auxiliary_weight
        labels, workers = self.plan.dataset.labels, config.runtime.workers
        return model, table, Trainer(model, table, labels, config.fit, weight, accelerator, workers)

    def model(self, config: ResolvedModel, seed: int) -> SentimentModel:
        """Build an initial model; see `ModelFactory.model`."""
        return self.models.model(config, seed)

    def table(self, model: SentimentModel, fit: ResolvedFit) -> Table:
        """Encode all pairs for a model. Features in the feature store are reused."""
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
        """Compute the features float32 [N, D] of every text by a frozen encoder, which is not kept in memory."""
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
        """Return notes on damaged store entries, and on encoders that OpenVINO cannot run."""
        columns = self._columns.values()
        damaged = self.damaged + sum(column.damaged for column in columns)
        notes = [f"feature store: {damaged} damaged entries were found and computed again"] if damaged else []
        return [*notes, *self.plan.compute.refusals(*(column.encoder for column in columns)), *self._refusals]

    def _column(
        self, side: str, encoder: Encoder, keys: list[str], sources: Sequence[Any], augmentation: Augmentation | None
    ) -> Column:
        """Return the column of an encoder's stored stages. It is filled once for all models."""
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
        """Return the rows that need augmented views: training pairs, or all pairs in cross-validation."""
        return range(len(self.targets)) if self.plan.folds else self.train


@contextmanager
def disk_full_as_error(store: Path) -> Iterator[None]:
    """Raise an expected error if the disk is full while the feature store is written."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise cannot_write(store, error) from error
