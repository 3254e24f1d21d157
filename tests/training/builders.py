"""A model of a few hundred numbers and pairs to train it on, made by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from mmsent_cli.compute.device import Compute, make_accelerator
from mmsent_cli.config import ResolvedFit
from mmsent_cli.encoders.contract import Activations, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import NoPool, Plain
from mmsent_cli.features.table import Table
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import Batch, SentimentModel, build_head
from mmsent_cli.progress import silent
from mmsent_cli.training.loop import Trainer

LABELS = ("negative", "neutral", "positive")
IN_DIM, OUT_DIM = 6, 8
ONE_PROCESS = SimpleNamespace(num_processes=1, device=torch.device("cpu"))
"""What a loss asks of the Accelerate object of a single process."""

QUICK = ResolvedFit(
    epochs=3,
    batch_size=4,
    accumulation_steps=1,
    encoder_lr=0.01,
    head_lr=0.02,
    weight_decay=0.01,
    warmup=0.1,
    schedule="cosine",
    max_grad_norm=1.0,
    label_smoothing=0.0,
    class_weights="none",
    patience=0,
    monitor="accuracy",
    augmentation="none",
    augmentation_views=1,
)


class Rows:
    """Stands in for a `Column`: activations that are already there."""

    def __init__(self, values, keys):
        self.values, self.keys = values, keys

    def batch(self, rows, epoch=None):
        return Activations(self.values[list(rows)])

    def load(self):
        """Everything is in memory."""


def tiny_encoder(name):
    stage = Plain(nn.Linear(IN_DIM, OUT_DIM), nn.Tanh())
    return Encoder(name=name, inputs=ImageInputs(32), stages=[stage], pool=NoPool(), out_dim=OUT_DIM)


def tiny_model(seed=0, dropout=0.0, modality_dropout=0.0, auxiliary_classes=0):
    torch.manual_seed(seed)
    fusion = FUSIONS["weighted"].build(OUT_DIM, OUT_DIM)
    head = build_head(fusion.out_dim, (8,), (dropout,), len(LABELS))
    encoders = tiny_encoder("tiny-text"), tiny_encoder("tiny-image")
    return SentimentModel(*encoders, fusion, head, modality_dropout, auxiliary_classes)


def tiny_table(train=24, val=12, seed=0):
    """Pairs whose class both modalities tell."""
    draws = torch.Generator().manual_seed(seed)
    total = train + val
    text, image = (torch.randn(total, IN_DIM, generator=draws) for _ in range(2))
    targets = (text[:, :3] + image[:, :3]).argmax(dim=1).numpy().astype(np.int64)
    keys = [str(row) for row in range(total)]
    rows = tuple(range(total))
    return Table(Rows(text, list(keys)), Rows(image, list(keys)), [1] * total, targets, rows[:train], rows[train:])


def tiny_batch(present=((True, True), (True, False), (False, True), (True, True)), seed=0):
    """A batch of four pairs, of which two lack a modality."""
    draws = torch.Generator().manual_seed(seed)
    text, image = (Activations(torch.randn(len(present), IN_DIM, generator=draws)) for _ in range(2))
    return Batch(text, image, torch.tensor(present), torch.arange(len(present)) % 3)


def make_trainer(model=None, table=None, precision="fp32", auxiliary_weight=0.0, **changes):
    """A trainer of QUICK settings with some changed. Accelerate's state is one a process: train it before the next."""
    config = replace(QUICK, **changes)
    accelerator = make_accelerator(Compute("cpu", precision), config.accumulation_steps)
    return Trainer(model or tiny_model(), table or tiny_table(), LABELS, config, auxiliary_weight, accelerator)


def train(trainer, progress=silent):
    """Train to the end; the epochs' results."""
    return list(trainer.fit(progress))


def weights(trainer):
    """A copy of all parameters and buffers."""
    return {name: tensor.detach().clone() for name, tensor in trainer.model.state_dict().items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def assert_close(one, other, **tolerance):
    torch.testing.assert_close(one, other, **tolerance)
