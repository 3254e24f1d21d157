"""Rows 1 to 3: preparing pairs, ten epochs at BERT's size, seven fusions; each beside the plain loop."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks import ours, plain
from benchmarks.inputs import make_pairs
from benchmarks.tables import PairCost, Row
from mmsent_cli.config import ModelConfig
from mmsent_cli.encoders.text.minilm import published_weights
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.workspace import Workspace

EPOCHS = 10
FROZEN = ModelConfig(encoders="compact", freeze_text="all", freeze_image="all")
SCALED = f"plain: {{batches}} batches of {plain.BATCH}, scaled by pairs and epochs"


def prepare(data: Path, work: Path, pairs: int) -> list[Row]:
    """Raw pairs to features, `compact`. The networks are converted first, which happens once per installation."""
    plan = ours.make_plan(make_pairs(data, work / "pairs", pairs), work / "cache", FROZEN)
    bench = Workspace(plan)
    model = bench.model(plan.config.model, 0)
    start = time.perf_counter()
    for encoder in (model.text, model.image):
        plan.compute.engine_for(encoder)
    converted = time.perf_counter()
    bench.table(model, plan.config.fit)
    end = time.perf_counter()
    total = pairs * _plain_cost(plan).val
    note = f"{pairs} pairs, {plan.compute.precision}; plain: 6 batches of {plain.BATCH}, scaled by pairs"
    return [
        Row("1 prepare raw pairs", end - converted, total, f"{note}; target 5"),
        Row("  with the conversion of the networks", end - start, total, "once per installation"),
    ]


def true_size(data: Path, work: Path, pairs: int) -> list[Row]:
    """Ten epochs with BERT-base and ResNet18, random weights, frozen as in the published setup."""
    weights = write_true_size(work / "weights")
    folder = make_pairs(data, work / "pairs", pairs)
    start = time.perf_counter()
    plan = ours.make_plan(folder, work / "cache", ModelConfig(encoders="bert-resnet18"), EPOCHS, weights)
    seconds = time.perf_counter() - start + ours.train_models(plan, ["concat"])
    cost = _plain_cost(plan, batches=3)
    total = cost.scaled(*ours.split_sizes(plan), EPOCHS)
    note = f"{pairs} pairs, {plan.compute.precision}; {SCALED.format(batches=3)}; target 6"
    return [Row("2 BERT-base + ResNet18, 10 epochs", seconds, total, note)]


def fusions(data: Path, work: Path, pairs: int) -> list[Row]:
    """The seven fusions of the published BERT + ResNet18 setup, everything frozen."""
    names = [name for name, spec in FUSIONS.items() if spec.is_published]
    folder = make_pairs(data, work / "pairs", pairs)
    start = time.perf_counter()
    plan = ours.make_plan(folder, work / "cache", FROZEN, EPOCHS)
    seconds = time.perf_counter() - start + ours.train_models(plan, names)
    total = _plain_cost(plan).scaled(*ours.split_sizes(plan), EPOCHS, len(names))
    again = ours.train_models(plan, names)
    note = f"{pairs} pairs, {plan.compute.precision}"
    name = f"3 {len(names)} fusions x {EPOCHS} epochs, frozen"
    return [
        Row(name, seconds, total, f"{note}; {SCALED.format(batches=6)} and fusions; target 100"),
        Row("  with a filled feature store", again, total, note),
    ]


def write_true_size(folder: Path, sizes: Mapping[str, int] | None = None) -> Path:
    """A weights folder with BERT-base and ResNet18 of random weights, and MiniLM's tokenizer, which is BERT's.

    Args:
        folder: the folder to make.
        sizes: other sizes of BERT.
    """
    from torchvision.models import resnet18
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    place = folder / "bert-base-uncased"
    BertModel(BertConfig(**(sizes or {})), add_pooling_layer=False).save_pretrained(place)
    source = published_weights().parent / "tokenizer.json"
    shutil.copy(source, place / "tokenizer.json")
    words = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(source), model_max_length=512, **words)
    tokenizer.save_pretrained(place)
    torch.save(resnet18().state_dict(), folder / "resnet18.pth")
    return folder


def _plain_cost(plan: Plan, batches: int = 6) -> PairCost:
    """What a pair costs the plain loop, on networks frozen as the plan has them."""
    model = Workspace(plan).model(plan.config.model, 0)
    return plain.measure(plain.PlainLoop(model.text, model.image), plan.dataset.pairs, batches)
