"""Build the models of a plan, and encode its pairs. Pretrained encoders are loaded once, and pairs are encoded once."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

from mmsent_cli.compute import processes
from mmsent_cli.compute.device import make_accelerator
from mmsent_cli.config import ResolvedConfig, ResolvedFit, ResolvedModel
from mmsent_cli.data.augment import Augmentation
from mmsent_cli.data.split import Split, apply_split
from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.inputs import build_vocabulary
from mmsent_cli.encoders.registry import (
    IMAGE_ENCODERS,
    TEXT_ENCODERS,
    build_image_encoder,
    build_text_encoder,
    is_pretrained,
)
from mmsent_cli.encoders.text.light import MAX_WORDS, MIN_COUNT
from mmsent_cli.ensemble import pool
from mmsent_cli.features.builder import Rows, TableBuilder
from mmsent_cli.features.table import Table
from mmsent_cli.model import SentimentModel, assemble
from mmsent_cli.progress import Progress, silent
from mmsent_cli.training.loop import Trainer
from mmsent_cli.training.loss import seed_everything
from mmsent_cli.training.plan import Plan

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)


class ModelFactory:
    """Builds the models of a plan.

    The models share the frozen stages of pretrained encoders. Each model has its own copy of the trained stages.

    Args:
        plan: pairs and settings of all models.

    Attributes:
        vocabulary: words of the training split, for a text encoder that is trained from scratch; else None.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.vocabulary = _vocabulary(plan)
        self._pretrained: dict[Hashable, Encoder] = {}

    def model(self, config: ResolvedModel, seed: int) -> SentimentModel:
        """Build an initial model. The initial weights of fusion and head depend on the seed only.

        Raises:
            MmsentError: weights are not available, or the fusion cannot use the encoders.
        """
        seed_everything(seed)
        text, image = self._encoders(config)
        seed_everything(seed)
        return assemble(config, len(self.plan.dataset.labels), text, image)

    def _encoders(self, config: ResolvedModel) -> tuple[Encoder, Encoder]:
        """Build the text encoder and the image encoder of a new model.

        An image encoder that is trained from scratch draws its initial weights after the text encoder has used random
        numbers. So the text encoder is built again too.
        """
        has_pretrained_image = is_pretrained(config.image_encoder, IMAGE_ENCODERS)
        text_key = ("text", config.text_encoder, config.freeze_text, config.max_length_tokens, config.text_cleaning)
        image_key = ("image", config.image_encoder, config.freeze_image, config.image_size_px)
        return (
            self._encoder(
                text_key if has_pretrained_image and is_pretrained(config.text_encoder, TEXT_ENCODERS) else None,
                lambda: build_text_encoder(config, self.plan.weights, self.vocabulary),
            ),
            self._encoder(
                image_key if has_pretrained_image else None,
                lambda: build_image_encoder(config, self.plan.weights),
            ),
        )

    def _encoder(self, key: Hashable | None, build: Callable[[], AnyEncoder]) -> Encoder:
        """Return a copy of the encoder with this key. The encoder is built when its key is first used.

        If the key is None, return a new encoder.
        """
        if key is None:
            return build()
        if key not in self._pretrained:
            self._pretrained[key] = build()
        return self._pretrained[key].copy()


def _vocabulary(plan: Plan) -> tuple[str, ...] | None:
    """Return the words of the training split, if the text encoder is trained from scratch; else None."""
    model = plan.config.model
    if model.text_encoder != "light":
        return None
    texts = [pair.text or "" for pair in apply_split(plan.split, plan.dataset.pairs)[0]]
    return build_vocabulary(texts, model.text_cleaning, MAX_WORDS, MIN_COUNT)


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
        train, val: row numbers of the training pairs and of the validation pairs, in the order of the data set.
        targets: class number of each of the N pairs [N].
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
        """Make an initial model, the table of the pairs encoded for it, and its trainer.

        A model must be trained to its end before the next trainer is made, since Accelerate has one state per process.

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
        # With folds, each pair is a training pair of some models, so its augmented views are needed.
        views = range(len(self.targets)) if self.plan.folds else self.train
        return self.tables.table(model, Augmentation.of(fit), Rows(self.train, self.val, views), self.progress)

    def features(self, encoder: Encoder, texts: Sequence[str | None] | None = None) -> np.ndarray:
        """Compute features float32 [N, D] of all N pairs with a frozen encoder; see `TableBuilder.frozen_column`."""
        column = self.tables.frozen_column(encoder, self.progress, texts)
        return np.concatenate([pool(encoder, batch) for batch in column.batches(FEATURE_BATCH)])

    def notes(self) -> list[str]:
        """Return notes for the user; see `TableBuilder.notes`."""
        return self.tables.notes()
