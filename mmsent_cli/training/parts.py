"""What a model consists of, for reports: encoders, fusion, head and probes, with licences and sources."""

from collections.abc import Mapping
from typing import Any

from mmsent_cli.config import ResolvedModel
from mmsent_cli.encoders.registry import IMAGE_ENCODERS, TEXT_ENCODERS, EncoderSpec, auxiliary_place, find_spec
from mmsent_cli.ensemble import find_probe
from mmsent_cli.fusion import find_fusion
from mmsent_cli.results import ModelPart

OF_USER = "{} on the hub or in a folder"
"""The source of an encoder that the user names."""


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
    """Which stages are trained, for a value of `--freeze-text` or `--freeze-image`."""
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
