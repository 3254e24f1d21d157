"""Every encoder that is tested: each table row, and further architectures behind `hf:` and `timm:`."""

import copy
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mmsent_cli.encoders.contract import Activations, BuildRequest, Encoder
from mmsent_cli.encoders.registry import IMAGE_ENCODERS, TEXT_ENCODERS
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.features.batching import raw_pad, stack
from tests.data.builders import image_bytes

TEXT_NAMES = (
    "light",
    "minilm",
    "minilm-layers",
    "mpnet",
    "mpnet-layers",
    "bert",
    "clip",
    "twitter-roberta",
    "hf:small-roberta",
    "hf:small-distilbert",
    "hf:small-albert",
    "hf:clip-vit-base-patch32",
)
IMAGE_NAMES = (
    "light",
    "efficientnet-lite0",
    "efficientnet-lite0-stages",
    "resnet18",
    "clip",
    "timm:test_resnet",
    "timm:test_efficientnet",
    "timm:test_vit",
    "hf:small-vit",
    "hf:clip-vit-base-patch32",
)
CASES = [*(("text", name) for name in TEXT_NAMES), *(("image", name) for name in IMAGE_NAMES)]
TABLES = {"text": TEXT_ENCODERS, "image": IMAGE_ENCODERS}
TEXTS = ("good day", "a", "the sun is warm and so is this good day", "no sun today")
VOCABULARY = ("good", "day", "sun", "the", "is")
IMAGE_SIZE_PX = 64
OWN_SIZE = ("clip", "timm:test_vit", "hf:small-vit", "hf:clip-vit-base-patch32")
"""Image encoders whose positions were learned for one size."""


@cache
def built(side: str, name: str, weights_dir: Path) -> Encoder:
    """An encoder in eval mode, nothing frozen; shared, so a test that changes it takes `fresh`."""
    return build(side, name, weights_dir).eval()


def fresh(side: str, name: str, weights_dir: Path) -> Encoder:
    """A copy that may be changed."""
    return copy.deepcopy(built(side, name, weights_dir))


def build(side: str, name: str, weights_dir: Path) -> Encoder:
    """Build from the table, the random parts from seed 0."""
    kind, _, argument = name.partition(":")
    torch.manual_seed(0)
    request = BuildRequest(
        argument=argument,
        image_size_px=None if name in OWN_SIZE else IMAGE_SIZE_PX,
        vocabulary=VOCABULARY,
        weights=WeightSource(weights_dir, offline=True),
    )
    return TABLES[side][kind].build(request)


def sample(encoder: Encoder, side: str, count: int = 4) -> Activations:
    """Some texts of different length, padded, or some pictures."""
    return stack(raw_arrays(encoder, side)[:count], raw_pad(encoder))


def raw_arrays(encoder: Encoder, side: str) -> list[np.ndarray]:
    """Token ids or pixels of four pairs."""
    sources = TEXTS if side == "text" else [image_bytes(seed, (80, 60)) for seed in range(len(TEXTS))]
    return encoder.inputs.arrays(sources)
