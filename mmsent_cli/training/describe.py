"""Describe a run for its checkpoints and its result."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from mmsent_cli.compute.determinism import peak_memory_bytes
from mmsent_cli.config import COLUMNS
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.seen import SeenPairs
from mmsent_cli.model import SentimentModel, count_parameters
from mmsent_cli.results import Finding
from mmsent_cli.run_folders import Run
from mmsent_cli.stats import learning_findings
from mmsent_cli.training.advice import what_to_try
from mmsent_cli.training.checkpoints import Description, frozen_digests
from mmsent_cli.training.parts import model_parts
from mmsent_cli.training.plan import Plan


def describe_run(plan: Plan, run: Run, model: SentimentModel, vocabulary: tuple[str, ...] | None) -> Description:
    """Make the metadata for the run's checkpoints."""
    return Description(
        model=plan.config.model,
        labels=plan.dataset.labels,
        vocabulary=vocabulary,
        encoding=plan.dataset.decision.to_dict(),
        run=run.name,
        precision=plan.compute.precision,
        frozen=frozen_digests(model),
        seen=SeenPairs.of(_pairs_of(plan, "train"), plan.dataset.labels, _pairs_of(plan, "val")),
        columns={name: getattr(plan.config.data, name) for name in COLUMNS},
    )


def _pairs_of(plan: Plan, part: Literal["train", "val"]) -> list[Pair]:
    """The pairs that a run is trained on or validated on: with folds, both are all of them."""
    guids = {guid for split in plan.folds or (plan.split,) for guid in getattr(split, part)}
    return [pair for pair in plan.dataset.pairs if pair.guid in guids]


def findings_of(plan: Plan, targets: np.ndarray, predicted: np.ndarray, train: np.ndarray) -> tuple[Finding, ...]:
    """Return what shows that a model of the plan has learned too little.

    Args:
        plan: what was trained.
        targets: class numbers of the evaluated pairs [N].
        predicted: class numbers [N].
        train: class numbers of the training pairs.

    Returns:
        The findings, with what to try next; none if there is only one pair.
    """
    if len(targets) < 2:
        return ()
    most_frequent = int(np.bincount(train).argmax())
    return learning_findings(targets, predicted[None], plan.dataset.labels, most_frequent, what_to_try(plan.config.fit))


def run_facts(
    plan: Plan, run: Run, model: SentimentModel, times: tuple[float, float], notes: Sequence[str]
) -> dict[str, Any]:
    """Make the fields of a `TrainedResult` that are not metrics.

    Args:
        plan: the plan of the run.
        run: the run.
        model: the model, to count its parameters.
        times: the seconds before the first epoch, and in total.
        notes: notes from the preparation.
    """
    trainable, total = count_parameters(model)
    return {
        "run": str(run.folder),
        "encoders": plan.config.model.encoders,
        "fusion": plan.config.model.fusion,
        "prepare_seconds": times[0],
        "seconds": times[1],
        "labels": plan.dataset.labels,
        "trainable_parameters": trainable,
        "total_parameters": total,
        "device": plan.compute.device,
        "precision": plan.compute.precision,
        "gpu_memory_bytes": peak_memory_bytes(plan.compute.device),
        "encoding": plan.dataset.decision.encoding,
        "problems": len(plan.dataset.problems),
        "notes": (*plan.notes, *notes),
        "source": plan.config.data.data or "",
        "parts": model_parts(plan.config.model),
    }
