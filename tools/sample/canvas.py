"""The brush of the sample's pictures: a canvas measured in shares of its sides, and the shapes that scenes share."""

import math
import random

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
SUPERSAMPLING = 3

BRIGHT: tuple[Colour, ...] = (
    (240, 84, 96),
    (255, 196, 60),
    (250, 140, 60),
    (160, 100, 220),
    (255, 130, 180),
    (70, 150, 240),
)


class Canvas:
    """A drawing surface measured in shares of its width and height, from (0, 0) top left to (1, 1)."""

    def __init__(self, size_px: tuple[int, int], top: Colour, bottom: Colour) -> None:
        self.width, self.height = (side * SUPERSAMPLING for side in size_px)
        self.unit = min(self.width, self.height)
        ramp = Image.linear_gradient("L").resize((self.width, self.height))
        flat = [Image.new("RGB", (self.width, self.height), colour) for colour in (bottom, top)]
        self.image = Image.composite(flat[0], flat[1], ramp)
        self.pen = ImageDraw.Draw(self.image)

    def at(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        """Points in pixels."""
        return [(x * self.width, y * self.height) for x, y in points]

    def disc(self, x: float, y: float, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """An ellipse about (x, y); `radius` is a share of the shorter side, `squash` its height over its width."""
        ((cx, cy),) = self.at((x, y))
        rx, ry = radius * self.unit, radius * self.unit * squash
        self.pen.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=colour)

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon."""
        self.pen.polygon(self.at(*points), fill=colour)

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float) -> None:
        """A line through points; `width` is a share of the shorter side."""
        self.pen.line(self.at(*points), fill=colour, width=max(1, round(width * self.unit)), joint="curve")

    def arc(
        self, x: float, y: float, radius: float, degrees: tuple[float, float], colour: Colour, width: float
    ) -> None:
        """Part of a circle about (x, y), clockwise from three o'clock."""
        ((cx, cy),) = self.at((x, y))
        r = radius * self.unit
        self.pen.arc((cx - r, cy - r, cx + r, cy + r), *degrees, fill=colour, width=round(width * self.unit))

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A filled upright rectangle with its top left corner at (x, y)."""
        self.pen.rectangle([*self.at((x, y))[0], *self.at((x + width, y + height))[0]], fill=colour)


def near(colour: Colour, rng: random.Random) -> Colour:
    """A colour close to the given one."""
    red, green, blue = (min(255, max(0, part + rng.randint(-14, 14))) for part in colour)
    return red, green, blue


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`share` of `other` mixed into `colour`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def hill(canvas: Canvas, rng: random.Random, level: float, colour: Colour) -> None:
    """Ground with a wavy crest about `level`, filled to the bottom edge."""
    phase, swing = rng.uniform(0, 6), rng.uniform(0.02, 0.06)
    crest = [(step / 24, level + swing * math.sin(phase + step / 5)) for step in range(25)]
    canvas.shape([*crest, (1, 1), (0, 1)], colour)


def flower(canvas: Canvas, x: float, y: float, size: float, rng: random.Random) -> None:
    """A flower with five petals and its stem."""
    petal = rng.choice(BRIGHT)
    canvas.line([(x, y), (x, y + size * 3)], (60, 130, 60), 0.012)
    for turn in range(5):
        angle = turn * math.tau / 5
        dx, dy = math.cos(angle) * size * canvas.unit, math.sin(angle) * size * canvas.unit
        canvas.disc(x + dx / canvas.width, y + dy / canvas.height, size * 0.75, petal)
    canvas.disc(x, y, size * 0.6, (255, 235, 120))


def face(canvas: Canvas, x: float, y: float, radius: float, skin: Colour, ink: Colour) -> None:
    """A round face with two eyes; the mouth is left to the caller."""
    canvas.disc(x, y, radius, skin)
    for side in (-1, 1):
        eye = x + side * radius * 0.36 * canvas.unit / canvas.width
        canvas.disc(eye, y - radius * 0.22 * canvas.unit / canvas.height, radius * 0.1, ink, 1.5)


def cloud(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """A cloud of five overlapping discs."""
    for dx, dy, share in ((-1.1, 0.1, 0.7), (0.0, -0.15, 1.0), (1.1, 0.1, 0.75), (0.5, 0.3, 0.8), (-0.5, 0.3, 0.8)):
        canvas.disc(x + dx * size, y + dy * size, size * share, colour, 0.75)


def rain(canvas: Canvas, rng: random.Random, drops: int) -> None:
    """Slanting drops all over the picture."""
    slant = rng.uniform(0.01, 0.04)
    for _ in range(drops):
        x, y, length = rng.random(), rng.random(), rng.uniform(0.04, 0.08)
        canvas.line([(x, y), (x - slant, y + length)], (140, 158, 180), 0.007)


def bare_tree(canvas: Canvas, x: float, y: float, degrees: float, length: float, rng: random.Random) -> None:
    """A leafless tree, grown branch by branch until they get short."""
    if length < 0.035:
        return
    tip_x = x + math.cos(math.radians(degrees)) * length * canvas.unit / canvas.width
    tip_y = y - math.sin(math.radians(degrees)) * length * canvas.unit / canvas.height
    canvas.line([(x, y), (tip_x, tip_y)], (16, 16, 20), length * 0.13)
    for side in (-1, 1):
        bare_tree(canvas, tip_x, tip_y, degrees + side * rng.uniform(18, 38), length * rng.uniform(0.6, 0.75), rng)
