"""timm and Hugging Face image encoders by name or folder.

EfficientNets and ResNets of timm are cut into stages; any other network stays one stage.
"""

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.request import BuildRequest
from mmsent_cli.encoders.stages import Normalise, Plain, SpatialPool
from mmsent_cli.encoders.text.bert import quiet_transformers
from mmsent_cli.encoders.weights.source import WeightSource, first_line, whole
from mmsent_cli.errors import WeightsUnavailable

Channels = tuple[float, float, float]


class Pooled(nn.Module):
    """Features that are pooled already: [B, D]."""

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        return values


class HuggingFaceImage(nn.Module):
    """A Hugging Face image model: pixels [B, 3, H, W] to its pooled output [B, D]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        output = self.model(pixel_values=pixels)
        pooled = getattr(output, "pooler_output", None)
        if pooled is None:
            hidden = output.last_hidden_state
            pooled = hidden.mean(dim=1) if hidden.dim() == 3 else hidden.mean(dim=(2, 3))
        return pooled.flatten(1)


def build_timm(request: BuildRequest) -> Encoder:
    """A timm network by name, or from a folder as timm saves it (`config.json` beside the weights).

    Raises:
        WeightsUnavailable: timm does not know the name, or its weights are not to be had.
    """
    net = _load_timm(request.argument, request.weights)
    settings = net.pretrained_cfg
    name, mean, std = f"timm:{request.argument}", tuple(settings["mean"]), tuple(settings["std"])
    if hasattr(net, "conv_stem") and hasattr(net, "conv_head") and hasattr(net, "bn2"):
        return efficientnet_encoder(name, net, request, mean, std)
    native_px = settings["input_size"][-1]
    inputs = ImageInputs(request.image_size_px or native_px)
    if all(hasattr(net, part) for part in ("conv1", "bn1", "act1", "maxpool", "layer4")):
        stem = Plain(Normalise(mean, std), net.conv1, net.bn1, net.act1, net.maxpool)
        stages = [stem, *(Plain(getattr(net, f"layer{number}")) for number in (1, 2, 3, 4))]
        return Encoder(name=name, inputs=inputs, stages=stages, pool=SpatialPool(), out_dim=net.num_features)
    net.reset_classifier(0)
    stages = [Plain(Normalise(mean, std), net)]
    return Encoder(name=name, inputs=inputs, stages=stages, pool=Pooled(), out_dim=net.num_features)


def efficientnet_encoder(name: str, net: Any, request: BuildRequest, mean: Channels, std: Channels) -> Encoder:
    """Stem, the blocks, then the last convolution with the mean over positions."""
    stages = [Plain(Normalise(mean, std), net.conv_stem, net.bn1), *(Plain(block) for block in net.blocks)]
    pool = SpatialPool(net.conv_head, net.bn2)
    inputs = ImageInputs(request.image_size_px or net.pretrained_cfg["input_size"][-1])
    return Encoder(name=name, inputs=inputs, stages=stages, pool=pool, out_dim=net.num_features)


def build_hf(request: BuildRequest) -> Encoder:
    """A Hugging Face image model by name or folder, as one stage, with its own size and normalisation."""
    quiet_transformers()
    from transformers import AutoImageProcessor, AutoModel

    processor: Any = request.weights.load(request.argument, AutoImageProcessor.from_pretrained)
    model: Any = request.weights.load(request.argument, whole(AutoModel.from_pretrained))
    size = processor.size if isinstance(processor.size, dict) else dict(processor.size)
    native_px = size.get("height") or size.get("shortest_edge") or 224
    stage = Plain(Normalise(tuple(processor.image_mean), tuple(processor.image_std)), HuggingFaceImage(model))
    width = getattr(model.config, "hidden_size", None) or model.config.hidden_sizes[-1]
    inputs = ImageInputs(request.image_size_px or native_px)
    return Encoder(name=f"hf:{request.argument}", inputs=inputs, stages=[stage], pool=Pooled(), out_dim=width)


def _load_timm(argument: str, source: WeightSource) -> Any:
    """A network from a folder, or from the folder that the hub cache keeps for a timm name."""
    import timm

    places = [Path(argument)] if source.folder is None else [Path(argument), source.folder / argument]
    folder = next((place for place in places if (place / "config.json").is_file()), None)
    if folder is not None:
        return _load_folder(folder)
    published = timm.get_pretrained_cfg(argument) if timm.is_model(argument) else None
    hub_name = published.hf_hub_id if published else None
    if hub_name is None:
        raise WeightsUnavailable(
            f"no folder and no pretrained timm model {argument!r}", "timm.list_models(pretrained=True) lists the names"
        )
    return _load_folder(Path(source.load(hub_name, _snapshot)))


def _snapshot(name: str, local_files_only: bool) -> str:
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "model.safetensors"]
    return snapshot_download(name, allow_patterns=wanted, local_files_only=local_files_only)


def _load_folder(folder: Path) -> Any:
    """Read a folder as timm writes it for the hub.

    Raises:
        WeightsUnavailable: files are missing or do not fit the architecture they name.
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
        raise WeightsUnavailable(f"cannot load a timm model from {folder}: {first_line(error)}", hint) from error
    settings = described.get("pretrained_cfg", {})
    net.pretrained_cfg = {**net.pretrained_cfg, **{name: value for name, value in settings.items() if value}}
    return net
