"""Augmented views of training images, each decided by a seed, the image and the view's number alone.

Source: system A's policy: horizontal flip p = 0.5, rotation by up to 10 degrees, brightness, contrast and saturation
changed by up to 0.2.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FLIP_PROBABILITY = 0.5
ROTATION_DEGREES = 10.0
JITTER = 0.2


def augment(pixels: "np.ndarray", seed: int, image_digest: str, view: int) -> "np.ndarray":
    """One augmented view of an image.

    Args:
        pixels: uint8 [3, H, W].
        seed: the run's seed.
        image_digest: digest of the image file, so equal images get equal views.
        view: number of the view.

    Returns:
        uint8 [3, H, W]; the same arguments always give the same bytes.
    """
    import numpy as np
    from PIL import Image, ImageEnhance

    draws = np.random.default_rng(_entropy(seed, image_digest, view))
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    if draws.random() < FLIP_PROBABILITY:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = image.rotate(draws.uniform(-ROTATION_DEGREES, ROTATION_DEGREES), Image.Resampling.BILINEAR)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(draws.uniform(1 - JITTER, 1 + JITTER))
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _entropy(seed: int, image_digest: str, view: int) -> int:
    name = f"{seed}/{image_digest}/{view}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "big")
