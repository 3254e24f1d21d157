"""ResNet18 with ImageNet weights, without its classifier. It returns 512 features per image.

Source: He et al. 2015, arXiv 1512.03385; weights of torchvision (IMAGENET1K_V1).
"""

from pathlib import Path
from typing import Any

from torch import nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import Normalize, Plain, SpatialPool
from mmsent_cli.encoders.weights.source import WeightSource, load_state
from mmsent_cli.errors import CheckpointError

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
NATIVE_SIZE_PX = 224
OUT_DIM = 512


def build(request: BuildRequest) -> Encoder:
    """Build ResNet18: stem, four stages, mean over positions."""
    from torchvision.models import resnet18

    net: Any = resnet18()
    state = _weights(request.weights)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights file is not torchvision's file of ResNet18: {error}", "use torchvision's file of ResNet18"
        ) from error
    stem = Plain(Normalize(MEAN, STD), net.conv1, net.bn1, net.relu, net.maxpool)
    stages: list[nn.Module] = [stem, *(Plain(getattr(net, f"layer{number}")) for number in (1, 2, 3, 4))]
    inputs = ImageInputs(request.image_size_px or NATIVE_SIZE_PX)
    return Encoder(name="resnet18", inputs=inputs, stages=stages, pool=SpatialPool(), out_dim=OUT_DIM)


def _weights(source: WeightSource) -> dict[str, Any]:
    """Read the weights from the weights folder or torch's download cache. If they are in neither, download them."""
    import torch
    from torchvision.models import ResNet18_Weights

    published = ResNet18_Weights.IMAGENET1K_V1
    file_name = Path(published.url).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    local = source.find_file("resnet18.pth", file_name) or (cached if cached.is_file() else None)
    if local is not None:
        return load_state(local)
    source.require_connection(published.url, "resnet18", source.file_hint(published.url, "resnet18.pth"))
    return dict(published.get_state_dict(progress=False, check_hash=True))
