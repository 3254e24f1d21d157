"""Augmented training images: a few originals, each next to variants as the model sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsent_cli.data.augment import Augmentation, augment
from mmsent_cli.reports.blocks import Figures, Section, picture
from mmsent_cli.reports.examples import Picker
from mmsent_cli.reports.plot_style import SMALL_POINTS, WIDTH_INCHES, new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from mmsent_cli.data.pairs import Pair

AUGMENTED = "augmented"
SIDE_PX = 128
ROWS, LEAST_IMAGES, MOST_VARIANTS = 4, 2, 4
TITLE = "Augmented images"


@dataclass(frozen=True, slots=True, eq=False)
class AugmentedImage:
    """A training image and some of its variants, each uint8 [H, W, 3]."""

    policy: str
    original: "np.ndarray"
    variants: "Sequence[np.ndarray]"


def augmented_images(pairs: "Sequence[Pair]", augmentations: Sequence[Augmentation]) -> list[AugmentedImage]:
    """Augment a few training images of different classes as in training.

    Args:
        pairs: the training pairs.
        augmentations: the policies to show, the same images for each.
    """
    from mmsent_cli.data.images import decode_image

    if not augmentations:
        return []
    rows = Picker(pairs).pick(row for row, pair in enumerate(pairs) if pair.image is not None)
    shown = []
    for row in rows[: max(LEAST_IMAGES, ROWS // len(augmentations))]:
        pair = pairs[row]
        if pair.image is None:
            continue
        pixels = decode_image(pair.image, SIDE_PX)
        for each in augmentations:
            views = range(min(MOST_VARIANTS, each.views))
            planes = [augment(pixels.transpose(2, 0, 1), each, pair.image_digest, view) for view in views]
            shown.append(AugmentedImage(each.policy, pixels, [plane.transpose(1, 2, 0) for plane in planes]))
    return shown


def draw_augmented(images: Sequence[AugmentedImage]) -> "Figure":
    """A row for each image and policy: the original, then its variants."""
    columns = 1 + max(len(one.variants) for one in images)
    side = WIDTH_INCHES / columns
    figure = new_figure(side * len(images) + 0.3)
    panels = figure.subplots(len(images), columns, squeeze=False)
    above = ""
    for row, one in zip(panels, images, strict=True):
        for axes in row:
            axes.set_axis_off()
        for axes, pixels in zip(row, (one.original, *one.variants), strict=False):
            axes.imshow(pixels, interpolation="nearest")
        row[1].set_title(one.policy if one.policy != above else "", fontsize=SMALL_POINTS, loc="left")
        above = one.policy
    panels[0][0].set_title("original", fontsize=SMALL_POINTS, loc="left")
    return figure


def augmented_sections(images: Sequence[AugmentedImage], figures: Figures) -> list[Section]:
    """Make the section with the figure; none without images."""
    policies = ", ".join(dict.fromkeys(one.policy for one in images))
    shown = picture(
        figures.get(AUGMENTED),
        f"Training images and their augmented variants: {policies}",
        "Left: a training image as the image encoder gets it, resized to a square. Right: its augmented variants.",
        is_photo=True,
    )
    return [Section(title=TITLE, pictures=shown)] if images else []
