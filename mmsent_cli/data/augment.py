"""Augment training images. A "view" is an augmented version of an image.

The seed, the image and the number of the view determine the view.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mmsent_cli.config import ResolvedFit

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits of the random changes to an image.

    Attributes:
        flip: probability of a horizontal flip.
        rotation: largest rotation, in degrees to either side.
        jitter: largest relative change of brightness, contrast and saturation.
        crop: smallest share of each side that a random crop keeps; the crop is then scaled to the full size.
    """

    flip: float = 0.0
    rotation: float = 0.0
    jitter: float = 0.0
    crop: float = 1.0


POLICIES: dict[str, Policy] = {
    "standard": Policy(flip=0.5, rotation=10.0, jitter=0.2),  # as published
    "flip": Policy(flip=0.5),
    "geometry": Policy(flip=0.5, rotation=10.0),
    "color": Policy(jitter=0.2),
    "strong": Policy(flip=0.5, rotation=15.0, jitter=0.4, crop=0.7),
}
"""The policies by the names of `--augmentation`, except `none`."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How training images are augmented: the policy, the seed, and the number of views per image."""

    policy: str
    seed: int
    views: int

    @classmethod
    def of(cls, fit: ResolvedFit) -> "Augmentation | None":
        """Return the augmentation of a training configuration; None if images are not augmented."""
        if fit.augmentation == "none":
            return None
        return cls(fit.augmentation, fit.augmentation_seed, fit.augmentation_views)

    def describe(self) -> dict[str, object]:
        """Return all settings that affect the pixels of a view. They are a part of the key in the feature store."""
        return {"policy": asdict(POLICIES[self.policy]), "seed": self.seed}


def augment(pixels: "np.ndarray", augmentation: Augmentation, image_digest: str, view: int) -> "np.ndarray":
    """Make an augmented view of an image.

    Args:
        pixels: the image as uint8 [3, height, width].
        augmentation: policy and seed.
        image_digest: digest of the image file; equal files get equal views.
        view: number of the view.

    Returns:
        The view as uint8 [3, height, width]; the same arguments always give the same bytes.
    """
    import numpy as np
    from PIL import Image, ImageEnhance

    policy = POLICIES[augmentation.policy]
    draws = np.random.default_rng(_entropy(augmentation.seed, image_digest, view))
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    if draws.random() < policy.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = image.rotate(draws.uniform(-policy.rotation, policy.rotation), Image.Resampling.BILINEAR)
    kept = draws.uniform(policy.crop, 1.0)
    if kept < 1:
        image = _crop(image, kept, draws.random(), draws.random())
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(draws.uniform(1 - policy.jitter, 1 + policy.jitter))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _crop(image: "Image", kept: float, x: float, y: float) -> "Image":
    """Crop an image, and scale the crop to the full size.

    `kept` is the share of each side that is kept. `x` and `y`, from 0 to 1, are the position of the crop.
    """
    from PIL.Image import Resampling

    left, upper = (1 - kept) * image.width * x, (1 - kept) * image.height * y
    box = (left, upper, left + kept * image.width, upper + kept * image.height)
    return image.resize(image.size, Resampling.BICUBIC, box=box)


def _entropy(seed: int, image_digest: str, view: int) -> int:
    name = f"{seed}/{image_digest}/{view}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "big")
