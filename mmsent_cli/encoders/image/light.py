"""`light`: a 4-layer CNN, trained from scratch; needs no download.

Source: the small model of a published student project with CLIP; the widths are the same.
"""

from torch import nn

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.inputs import ImageInputs
from mmsent_cli.encoders.stages import Normalize, Plain

FEATURE_DIM = 256
CHANNELS = (32, 64, 128, 256)
NATIVE_SIZE_PX = 224


def build(request: BuildRequest) -> Encoder:
    """Build the 4-layer CNN, which returns 256 features per image."""
    stages: list[nn.Module] = []
    for index, width in enumerate(CHANNELS):
        before = (Normalize((0.5,) * 3, (0.5,) * 3),) if index == 0 else ()
        conv = nn.Conv2d(3 if index == 0 else CHANNELS[index - 1], width, kernel_size=3, stride=2, padding=1)
        stages.append(Plain(*before, conv, nn.BatchNorm2d(width), nn.ReLU()))
    pool = Plain(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS[-1], FEATURE_DIM))
    inputs = ImageInputs(request.image_size_px or NATIVE_SIZE_PX)
    return Encoder(name="light-image", inputs=inputs, stages=stages, pool=pool, out_dim=FEATURE_DIM)
