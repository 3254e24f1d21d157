"""Describe a trained model for its checkpoint and its report, with advice if it has learned too little."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from mmsent_cli.compute.threads import peak_memory_bytes
from mmsent_cli.config import COLUMNS, ResolvedFit, ResolvedModel
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.seen import SeenPairs
from mmsent_cli.encoders.registry import IMAGE_ENCODERS, TEXT_ENCODERS, EncoderSpec, auxiliary_place, find_spec
from mmsent_cli.ensemble import find_probe
from mmsent_cli.fusion import find_fusion
from mmsent_cli.model import SentimentModel, count_parameters
from mmsent_cli.results import Finding, ModelPart
from mmsent_cli.run_folders import Run
from mmsent_cli.stats import learning_findings
from mmsent_cli.training.checkpoints import Description, frozen_digests
from mmsent_cli.training.plan import Plan

MORE_EPOCHS = 3
LEAST_EPOCHS = 10
HIGHER_RATE = 5
HIGHEST_HEAD_LR = 1e-2


def next_settings(fit: ResolvedFit) -> dict[str, Any]:
    """Return training settings to change, with new values: more epochs, a higher learning rate, weighted classes."""
    head_lr = float(f"{min(HIGHER_RATE * fit.head_lr, HIGHEST_HEAD_LR):.3g}")
    return {
        "epochs": max(MORE_EPOCHS * fit.epochs, LEAST_EPOCHS),
        **({"head_lr": head_lr} if head_lr > fit.head_lr else {}),
        **({"class_weights": "balanced"} if fit.class_weights == "none" else {}),
    }


def what_to_try(fit: ResolvedFit) -> str:
    """Describe in words the settings to try next."""
    settings = next_settings(fit)
    words = {
        "epochs": "more epochs (--epochs {})",
        "head_lr": "a higher learning rate (--head-lr {:g})",
        "class_weights": "weighted classes (--class-weights {})",
    }
    parts = [words[name].format(value) for name, value in settings.items()]
    return f"try {', '.join(parts[:-1])}{' or ' if len(parts) > 1 else ''}{parts[-1]}"


OF_USER = "{} on the hub or in a folder"
"""Text for the source of an encoder that the user has chosen by a name on the hub or by a folder."""


def model_parts(model: ResolvedModel) -> tuple[ModelPart, ...]:
    """Describe the parts of a model that are used, in the order of the computation."""
    return (
        *encoder_parts(model, find_fusion(model.fusion).modalities),
        fusion_part(model.fusion),
        _head_part(model),
        *(_probe_part(name) for name in model.probes),
    )


def encoder_parts(model: ResolvedModel, modalities: tuple[str, ...] = ("text", "image")) -> tuple[ModelPart, ...]:
    """Describe the encoders of some modalities."""
    known = {
        "text": (model.text_encoder, TEXT_ENCODERS, model.freeze_text),
        "image": (model.image_encoder, IMAGE_ENCODERS, model.freeze_image),
    }
    return tuple(_encoder_part(modality, *known[modality]) for modality in modalities)


def fusion_part(name: str) -> ModelPart:
    """Describe a fusion."""
    spec = find_fusion(name)
    return ModelPart(
        part="fusion", name=name, summary=spec.summary, formula=spec.formula, training="trained", source=spec.source
    )


def _encoder_part(modality: str, name: str, table: Mapping[str, EncoderSpec[Any]], freeze: str) -> ModelPart:
    kind, _, argument = name.partition(":")
    spec = table[kind]
    return ModelPart(
        part=f"{modality} encoder",
        name=name,
        summary=f"{argument}, {modality} encoder" if argument else spec.summary,
        training=_training(modality, freeze),
        licence="" if argument else spec.licence,
        source=OF_USER.format(argument) if argument else spec.source,
    )


def _training(modality: str, freeze: str) -> str:
    """Describe in words which stages are trained. `freeze` is a value of `--freeze-text` or `--freeze-image`."""
    first = {"text": "embeddings and first {} layers", "image": "stem and first {} stages"}[modality]
    return {"all": "frozen", "none": "trained"}.get(freeze, f"{first.format(freeze)} frozen, the others trained")


def _head_part(model: ResolvedModel) -> ModelPart:
    dropouts = zip(model.head_hidden, model.head_dropout, strict=True)
    hidden = [f"{width} hidden units with ReLU and dropout {dropout:g}" for width, dropout in dropouts]
    each = ", for each modality" if find_fusion(model.fusion).has_heads else ""
    layers = ", then ".join([*hidden, "one linear unit for each class"])
    return ModelPart(part="head", name="", summary=f"{layers}{each}", training="trained")


def _probe_part(name: str) -> ModelPart:
    spec = find_probe(name)
    read = [find_spec(*auxiliary_place(encoder)) for encoder in spec.encoders if encoder not in spec.own_encoders]
    encoder = read[0] if read else None
    argument = auxiliary_place(name)[1].partition(":")[2]
    return ModelPart(
        part="probe",
        name=name,
        summary=f"{'kernel ridge' if spec.features == 'kernel' else 'logistic'} regression on {spec.summary}",
        training="trained",
        licence=encoder.licence if encoder and not argument else "",
        source=OF_USER.format(argument) if argument else encoder.source if encoder else "",
    )


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
        label_map=plan.config.data.label_map or (),
    )


def _pairs_of(plan: Plan, part: Literal["train", "val"]) -> list[Pair]:
    """Return the training pairs or the validation pairs of a run. With folds, return all pairs in both cases."""
    guids = {guid for split in plan.folds or (plan.split,) for guid in getattr(split, part)}
    return [pair for pair in plan.dataset.pairs if pair.guid in guids]


def findings_of(plan: Plan, targets: np.ndarray, predicted: np.ndarray, train: np.ndarray) -> tuple[Finding, ...]:
    """Return findings that a model of the plan has learned too little.

    Args:
        plan: the plan of the training.
        targets: true class numbers of the N evaluated pairs [N].
        predicted: predicted class numbers of the same pairs [N].
        train: class numbers of the training pairs.

    Returns:
        The findings, with advice; an empty tuple if there is only one pair.
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
        notes: notes of the preparation.
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
