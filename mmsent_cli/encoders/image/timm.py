"""Build timm models by name or folder. EfficientNets and ResNets have several stages; other models are one stage."""

import json
from pathlib import Path
from typing import Any

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.image.lite0 import efficientnet_encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import NoPool, Normalize, Plain, SpatialPool
from mmsent_cli.encoders.weights.source import WeightSource, first_line_of
from mmsent_cli.errors import WeightsUnavailable


def build(request: BuildRequest) -> Encoder:
    """Build a timm model by name, or from a folder with `config.json` and weights as timm saves them.

    Raises:
        WeightsUnavailable: timm has no such model, or its weights cannot be found or downloaded.
    """
    net = _load_timm(request.argument, request.weights)
    settings = net.pretrained_cfg
    name, mean, std = f"timm:{request.argument}", tuple(settings["mean"]), tuple(settings["std"])
    if hasattr(net, "conv_stem") and hasattr(net, "conv_head") and hasattr(net, "bn2"):
        return efficientnet_encoder(name, net, request, mean, std)
    native_px = settings["input_size"][-1]
    inputs = ImageInputs(request.image_size_px or native_px)
    if all(hasattr(net, part) for part in ("conv1", "bn1", "act1", "maxpool", "layer4")):
        stem = Plain(Normalize(mean, std), net.conv1, net.bn1, net.act1, net.maxpool)
        stages = [stem, *(Plain(getattr(net, f"layer{number}")) for number in (1, 2, 3, 4))]
        return Encoder(name=name, inputs=inputs, stages=stages, pool=SpatialPool(), out_dim=net.num_features)
    net.reset_classifier(0)
    stages = [Plain(Normalize(mean, std), net)]
    return Encoder(name=name, inputs=inputs, stages=stages, pool=NoPool(), out_dim=net.num_features)


def _load_timm(argument: str, source: WeightSource) -> Any:
    """Load a model from a folder, from the hub cache, or from the hub."""
    import timm

    places = [Path(argument)] if source.folder is None else [Path(argument), source.folder / argument]
    folder = next((place for place in places if (place / "config.json").is_file()), None)
    if folder is not None:
        return _load_folder(folder)
    published = timm.get_pretrained_cfg(argument) if timm.is_model(argument) else None
    hub_name = published.hf_hub_id if published else None
    if hub_name is None:
        raise WeightsUnavailable(
            f"there is neither a folder nor a pretrained timm model {argument!r}",
            "timm.list_models(pretrained=True) lists the names",
        )
    return _load_folder(Path(source.load(hub_name, _snapshot)))


def _snapshot(name: str, local_files_only: bool) -> str:
    """Return the folder of a hub model, which is downloaded if needed. If `name` is a folder, return this folder."""
    from huggingface_hub import snapshot_download

    if Path(name).is_dir():
        return name
    wanted = ["config.json", "model.safetensors"]
    return snapshot_download(name, allow_patterns=wanted, local_files_only=local_files_only)


def _load_folder(folder: Path) -> Any:
    """Load a model from a folder with `config.json` and weights as timm saves them.

    Raises:
        WeightsUnavailable: files are missing or do not match the architecture.
    """
    import timm
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        arguments = {**(described.get("model_args") or {}), "num_classes": described["num_classes"]}
        net: Any = timm.create_model(described["architecture"], **arguments)
        net.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        hint = "save it with timm.models.save_for_hf(model, folder, safe_serialization=True)"
        raise WeightsUnavailable(f"cannot load a timm model from {folder}: {first_line_of(error)}", hint) from error
    settings = described.get("pretrained_cfg", {})
    net.pretrained_cfg = {**net.pretrained_cfg, **{name: value for name, value in settings.items() if value}}
    return net
