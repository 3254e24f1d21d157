"""Build the models of a plan and encode its pairs. Pretrained encoders are loaded once, and pairs are encoded once."""

from collections.abc import Callable, Sequence

import numpy as np

from mmsent_cli.compute import processes
from mmsent_cli.compute.device import make_accelerator
from mmsent_cli.config import ResolvedConfig, ResolvedFit, ResolvedModel
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.data.split import Split, apply_split
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.ensemble import pool
from mmsent_cli.features.builder import Rows, TableBuilder
from mmsent_cli.features.table import Table
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
        tables: encodes the pairs.
        vocabulary: words of the training split, for a text encoder that is trained from scratch.
        encoder_runs: the numbers of texts and images encoded so far, without those found in the feature store.
        train, val: row numbers of each split, in the order of the data set.
        targets: class number of each row [N].
    """

    def __init__(self, plan: Plan, progress: Progress = silent, encoded: Callable[[], None] = lambda: None) -> None:
        self.plan = plan
        self.progress = progress
        self.models = ModelFactory(plan)
        self.vocabulary = self.models.vocabulary
        self.tables = TableBuilder(plan.dataset, plan.store, plan.compute, encoded)
        self.targets, self.encoder_runs = self.tables.targets, self.tables.encoder_runs
        self.use_split(plan.split)

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
        with processes.first_alone():
            model = self.model(config.model, config.fit.seed)
            table = self.table(model, config.fit)
        accelerator = make_accelerator(self.plan.compute, config.fit.accumulation_steps)
        weight = config.model.auxiliary_weight
        labels = self.plan.dataset.labels
        return model, table, Trainer(model, table, labels, config.fit, weight, accelerator, config.runtime)

    def model(self, config: ResolvedModel, seed: int) -> SentimentModel:
        """Build an initial model; see `ModelFactory.model`."""
        model = self.models.model(config, seed)
        self.tables.examine(model)
        return model

    def table(self, model: SentimentModel, fit: ResolvedFit) -> Table:
        """Encode all pairs for a model; see `TableBuilder.table`."""
        # Over folds, each pair is a training pair of some model, whose augmented views are needed.
        views = range(len(self.targets)) if self.plan.folds else self.train
        return self.tables.table(model, Augmentation.of(fit), Rows(self.train, self.val, views), self.progress)

    def features(self, encoder: Encoder, texts: Sequence[str | None] | None = None) -> np.ndarray:
        """Compute the features float32 [N, D] of every pair by a frozen encoder; see `TableBuilder.frozen_column`."""
        column = self.tables.frozen_column(encoder, self.progress, texts)
        return np.concatenate([pool(encoder, batch) for batch in column.batches(FEATURE_BATCH)])

    def notes(self) -> list[str]:
        """Return notes for the user; see `TableBuilder.notes`."""
        return self.tables.notes()
