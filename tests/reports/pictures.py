"""Looks at figures: their bytes as a picture, and their texts as drawn."""

import io
from functools import lru_cache

from matplotlib.text import Text
from PIL import Image

from mmsent_cli.reports.lines import LINE_END
from mmsent_cli.reports.plot_style import as_image, contrast


def saved(draw):
    """The function that draws a figure, returning the bytes of its PNG instead."""

    def png(*values):
        figure = draw(*values)
        return None if figure is None else as_image(figure)

    return png


def opened(content):
    """The whole image, decoded."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def assert_sane(content, tallest=3000):
    """A PNG of readable size that is not one flat colour, and touches no edge."""
    image = opened(content).convert("L")
    assert 900 <= image.width <= 1100
    assert 300 <= image.height <= tallest
    assert len(image.getcolors()) > 20
    edges = [(0, 0, 1, image.height), (image.width - 1, 0, image.width, image.height)]
    edges += [(0, 0, image.width, 1), (0, image.height - 1, image.width, image.height)]
    assert all(image.crop(edge).getextrema() == (255, 255) for edge in edges)


@lru_cache(maxsize=1)
def texts_of(figure):
    """The texts that a figure shows, laid out as in its file, which takes most of the time of a look at them."""
    figure.draw_without_rendering()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    ticks = [(tick, *sorted(axis.get_view_interval())) for axis in axes_of(figure) for tick in axis.get_major_ticks()]
    unseen = {tick.label1 for tick, low, high in ticks if not low <= tick.get_loc() <= high}
    return [text for text in found if text not in unseen]


def axes_of(figure):
    """Both axes of every panel."""
    return [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]


def cut(figure):
    """The texts of a figure that reach over its edge."""
    width, height = figure.bbox.size
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts_of(figure)]
    return [name for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]


def overlapping(figure):
    """Pairs of annotations, such as names at line ends, that lie on each other."""
    texts = [text for text in texts_of(figure) if text.get_gid() == LINE_END or type(text).__name__ == "Annotation"]
    boxes = [(text.get_text(), Text.get_window_extent(text).shrunk(0.98, 0.8)) for text in texts]
    return [(a, b) for n, (a, one) in enumerate(boxes) for b, other in boxes[:n] if one.overlaps(other)]


def faint(figure):
    """Texts of a figure with a contrast below 4.5 on white; texts on bars and cells are black or white by `ink_on`."""
    return [text.get_text() for text in texts_of(figure) if 1.01 < contrast(text.get_color(), "white") < 4.5]
