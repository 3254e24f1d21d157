"""Augmented views: decided by policy, seed, image and number; each policy does what its name says."""

from typing import get_args

import numpy as np
import pytest
from PIL import Image

from mmsent_cli.config import FitConfig, value_type
from mmsent_cli.data.augment import POLICIES, Augmentation, _crop, _entropy, augment
from tests.configs import resolved_fit

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 24, 24), dtype=np.uint8)


def views(policy, count=12, seed=0):
    return [augment(PIXELS, Augmentation(policy, seed, count), "digest", view) for view in range(count)]


def test_the_policies_are_those_that_the_option_takes():
    offered = get_args(value_type(FitConfig.__annotations__["augmentation"]))
    assert set(offered) == {"none", *POLICIES}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_view_is_decided_by_its_arguments(policy):
    first, again = views(policy), views(policy)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(view.shape == PIXELS.shape and view.dtype == np.uint8 for view in first)
    assert len({view.tobytes() for view in first}) > 1
    assert not all(np.array_equal(a, b) for a, b in zip(first, views(policy, seed=1), strict=True))


def test_the_random_numbers_of_a_view_stay_the_same():
    """Views are stored: another version of mmsent draws them as this one. The digest is that of `b2sum -l 128`."""
    assert _entropy(7, "ab12", 3) == 0x2316F0536C4DB0FAD426BF6FEB735345


def test_flip_only_flips_about_half_of_the_views():
    flipped = [np.array_equal(view, PIXELS[:, :, ::-1]) for view in views("flip", 200)]
    kept = [np.array_equal(view, PIXELS) for view in views("flip", 200)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 70 < sum(flipped) < 130


def test_colour_changes_no_place():
    grey = np.full((3, 8, 8), 100, dtype=np.uint8)
    for view in (augment(grey, Augmentation("color", 0, 1), "digest", number) for number in range(10)):
        assert len(np.unique(view)) == 1
        assert 80 <= view[0, 0, 0] <= 120


def test_geometry_rotates_by_up_to_ten_degrees_to_either_side():
    """The direction in which a ramp rises shows the angle; a flip turns both parts of it."""
    ramp, angles = np.tile(np.arange(0, 192, 4, dtype=np.uint8), (3, 48, 1)), []
    for number in range(40):
        view = augment(ramp, Augmentation("geometry", 0, 1), "digest", number)
        down, across = np.gradient(view[0, 16:32, 16:32].astype(float))
        angles.append(np.degrees(np.arctan(down.mean() / across.mean())))
    assert -10.2 <= min(angles) < -8 and 8 < max(angles) <= 10.2


def test_strong_shows_a_part():
    ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (3, 24, 1))
    cropped = [augment(ramp, Augmentation("strong", 0, 1), str(number), 0) for number in range(20)]
    assert len({view.tobytes() for view in cropped}) == 20


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (1.0, 0.25), (0.5, 1.0)])
def test_a_crop_is_its_part_of_the_image_at_full_size(x, y):
    """Values rise by one a pixel from left to right, and by three from top to bottom."""
    values = np.add.outer(3.0 * np.arange(40), np.arange(80)).astype(np.float32)
    cropped = np.asarray(_crop(Image.fromarray(values), 0.25, x, y))
    left, upper = 60 * x, 30 * y
    rows, columns = (np.arange(40) + 0.5) / 4 - 0.5, (np.arange(80) + 0.5) / 4 - 0.5
    expected = np.add.outer(3 * (upper + rows), left + columns)
    np.testing.assert_allclose(cropped[8:-8, 8:-8], expected[8:-8, 8:-8], atol=1e-3)


def test_a_configuration_without_augmentation_makes_none():
    assert Augmentation.of(resolved_fit()) is None
    assert Augmentation.of(resolved_fit(augmentation="none")) is None
    asked = resolved_fit(augmentation="flip", augmentation_views=3, augmentation_seed=7)
    assert Augmentation.of(asked) == Augmentation("flip", 7, 3)
    policy = {"flip": 0.5, "rotation": 0.0, "jitter": 0.0, "crop": 1.0}
    assert Augmentation("flip", 7, 3).describe() == {"policy": policy, "seed": 7}
