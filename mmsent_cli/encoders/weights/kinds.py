"""What a model of the hub or of a folder reads: texts, images, or both. This is found in its `config.json`."""

import json
from pathlib import Path
from typing import Any

from mmsent_cli.encoders.weights.hub import quiet_transformers
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError

TWO_TOWERS = ("clip",)
"""Model types whose text encoder and image encoder can be used apart."""


def model_type_of(source: str, weights: WeightSource, side: str) -> str:
    """Return the type of a Hugging Face model, such as `roberta`, after checking that its `side` can be used alone.

    Args:
        source: the name of the model on the hub, or its folder.
        weights: where to look for it.
        side: `text` or `image`.

    Raises:
        ConfigError: the model does not read this modality, or only together with the other one.
        WeightsUnavailable: the model is not on this machine and cannot be downloaded.
    """
    model_type = read_config(source, weights).get("model_type", "")
    sides = _sides(model_type)
    if sides and side not in sides:
        raise ConfigError(f"{source} ({model_type}) reads {sides[0]}s, not {side}s", f"write {sides[0]}:hf:{source}")
    if len(sides) > 1 and model_type not in TWO_TOWERS:
        raise ConfigError(
            f"{source} ({model_type}) reads texts together with images, so it cannot be the {side} encoder",
            "choose a model that reads only texts or only images, or a CLIP model",
        )
    return model_type


def find_modality(source: str, weights: WeightSource, side: str = "") -> tuple[str, str]:
    """Find out what a model reads, and its library.

    Args:
        source: the name of the model on the hub, or its folder.
        weights: where to look for it.
        side: the modality, if the user named it.

    Returns:
        `text` or `image`, and the library of the model: `hf` or `timm`.

    Raises:
        ConfigError: it reads both, or this cannot be found out.
        WeightsUnavailable: the model is not on this machine and cannot be downloaded.
    """
    described = read_config(source, weights)
    if "architecture" in described and "model_type" not in described:
        return "image", "timm"
    if side:
        return side, "hf"
    sides = _sides(described.get("model_type", ""))
    if len(sides) != 1:
        why = "reads texts and images" if sides else f"is of the type {described.get('model_type')!r}, unknown here"
        raise ConfigError(
            f"{source} {why}, so the probe needs the prefix text: or image:",
            f"write text:hf:{source} or image:hf:{source}",
        )
    return sides[0], "hf"


def read_config(source: str, weights: WeightSource) -> dict[str, Any]:
    """Return the content of a model's `config.json`.

    Raises:
        WeightsUnavailable: the model is not on this machine and cannot be downloaded, or the file is damaged.
    """
    return weights.load(source, _read_config)


def _read_config(place: str, local_files_only: bool) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download

    path = Path(place, "config.json")
    if not path.is_file():
        path = Path(hf_hub_download(place, "config.json", local_files_only=local_files_only))
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("its config.json is no JSON object")
    return content


def _sides(model_type: str) -> list[str]:
    """Return what models of a type read, as transformers records it; empty for an unknown type."""
    quiet_transformers()
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

    tables = {"text": TOKENIZER_MAPPING_NAMES, "image": IMAGE_PROCESSOR_MAPPING_NAMES}
    return [side for side, table in tables.items() if model_type in table]
