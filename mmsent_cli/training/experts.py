"""The experts of a training over folds: what they read, and what each says of pairs that it was not fit on."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from mmsent_cli.config import ModelConfig
from mmsent_cli.data.writing import Writing, describe_reader, read_writing
from mmsent_cli.ensemble import (
    EXPERTS,
    Expert,
    ExpertInputs,
    expert_inputs,
    fit_expert,
    is_frozen,
    join_inputs,
    reads_writing,
)
from mmsent_cli.errors import ConfigError
from mmsent_cli.features import Space
from mmsent_cli.model import SentimentModel
from mmsent_cli.training.batches import Table
from mmsent_cli.training.bench import Bench, room_for
from mmsent_cli.training.streams import in_order

BATCH = 256
STEP = 8
Entry = tuple[str, np.ndarray]


def require_experts(config: ModelConfig, model: SentimentModel) -> None:
    """Check that each expert has a frozen encoder to read.

    Raises:
        ConfigError: one has none.
    """
    for name in config.experts or ():
        spec = EXPERTS[name]
        if spec.features == "pooled" and not is_frozen(model, spec.side):
            raise ConfigError(
                f"the expert {name} reads the features of a frozen encoder, and the {spec.side} encoder is trained",
                f"add --freeze-{spec.side} all, or leave the expert out",
            )


def cross_fit(
    names: Sequence[str], model: SentimentModel, table: Table, bench: Bench, folds: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], tuple[Expert, ...]]:
    """Fit experts without each fold in turn, then on all pairs.

    Args:
        names: of the experts.
        model: whose frozen encoders they read.
        table: all pairs as the model takes them.
        bench: knows the texts, and who listens.
        folds: rows of each fold.

    Returns:
        Each expert's log-probabilities out of fold [N, C], and the experts fit on all pairs.
    """
    if not names:
        return [], ()
    writings = read_writings(bench) if reads_writing(names) else ()
    inputs = _inputs(model, table, [pair.text or "" for pair in bench.plan.dataset.pairs], writings)
    n_classes = len(bench.plan.dataset.labels)
    every = np.arange(len(table.targets))
    said, experts = [], []
    for number, name in enumerate(names, start=1):
        answer = np.empty((len(every), n_classes))
        for fold in folds:
            expert = fit_expert(name, inputs, table.targets, np.setdiff1d(every, fold), n_classes)
            answer[fold] = expert.log_probabilities(inputs.take(fold))
        said.append(answer)
        experts.append(fit_expert(name, inputs, table.targets, every, n_classes))
        bench.listener.prepare("fitting experts", number, len(names))
    return said, tuple(experts)


@torch.inference_mode()
def _inputs(model: SentimentModel, table: Table, texts: Sequence[str], writings: Sequence[Writing]) -> ExpertInputs:
    """What experts may read of all pairs."""
    model.eval().to("cpu")
    parts = [slice(start, start + BATCH) for start in range(0, len(texts), BATCH)]
    rows = range(len(texts))
    return join_inputs([expert_inputs(model, table.batch(rows[part]), texts[part], writings[part]) for part in parts])


def read_writings(bench: Bench) -> list[Writing]:
    """What stands in each pair's image; read once an image and kept in the feature store."""
    pairs = bench.plan.dataset.pairs
    space = Space(bench.plan.store, describe_reader())
    paths = {pair.image_digest: pair.image_path for pair in pairs if pair.image_path is not None}
    missing = space.missing(paths)
    read = in_order(lambda key: (key, read_writing(paths[key]).to_bytes()), missing, torch.get_num_threads())
    with room_for(bench.plan.store):
        space.add(_counted(read, len(missing), bench))
    return [Writing.from_bytes(space.read(pair.image_digest)) if pair.image_digest else Writing() for pair in pairs]


def _counted(read: Iterable[Entry], total: int, bench: Bench) -> Iterator[Entry]:
    for done, entry in enumerate(read, start=1):
        yield entry
        if done % STEP == 0 or done == total:
            bench.listener.prepare("reading words in images", done, total)
