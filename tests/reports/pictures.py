"""Opens the bytes of a figure."""

import io

from PIL import Image


def opened(content):
    """The whole image, decoded."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def assert_sane(content, tallest=3000):
    """A PNG of readable size that is not one flat colour."""
    image = opened(content)
    assert image.format == "PNG"
    assert 900 <= image.width <= 1100
    assert 300 <= image.height <= tallest
    assert len(image.convert("L").getcolors()) > 20
